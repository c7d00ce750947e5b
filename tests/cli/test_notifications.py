"""R16 on the command line: a webhook gets a new signing secret."""

import json

from cli_runner import Runner
from headrace.server import notifications

#: Imported for their handlers.
NOUNS = (notifications,)


def test_a_webhook_gets_a_new_signing_secret(headrace: Runner) -> None:
    made = headrace("notify", "channel", "create", "ops", "webhook", "--url", "https://example.com/hook")
    assert made.status == 0, made.err
    rotated = headrace("notify", "channel", "rotate", "ops")
    assert rotated.status == 0, rotated.err
    assert len(rotated.out.strip()) == 43
    assert rotated.out != made.out
    assert "for 24 h what is sent is signed with the earlier one too" in rotated.err
    at_once = headrace("notify", "channel", "rotate", "ops", "--grace", "0", "-o", "json")
    assert json.loads(at_once.out)["channel"]["name"] == "ops"
    assert headrace("notify", "channel", "rotate", "opps").status == 3
