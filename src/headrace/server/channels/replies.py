"""What a receiver's HTTP answer means."""

import http
import re

from headrace import errors
from headrace.web import targets

#: Words like Slack's `no_service`. Anything else that is answered may repeat the URL, which is a secret.
_WORD = re.compile(rb"[a-z][a-z_]{1,39}")


def accept(host: str, reply: targets.Reply) -> None:
    """Raises errors.Undelivered unless the answer says that the message was taken."""
    if 200 <= reply.status < 300:
        return
    if 300 <= reply.status < 400:
        raise errors.Undelivered(
            f"{host} answers with a redirect ({reply.status}), which is not followed: give the URL it leads to"
        )
    try:
        phrase = f" {http.HTTPStatus(reply.status).phrase}"
    except ValueError:
        phrase = ""
    word = f": {reply.body.decode()}" if _WORD.fullmatch(reply.body) else ""
    raise errors.Undelivered(f"{host} answers {reply.status}{phrase}{word}")
