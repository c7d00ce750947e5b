"""R16, F76 with real processes: from the command line to the receiver, and a server that is killed while it sends."""

import json
import threading
from collections.abc import Callable

from structures import registration

import stack as stacks
from receivers import Receiver, say, soon


def test_from_the_command_line_to_the_receiver_over_the_death_of_the_server(
    make_stack: Callable[..., stacks.Stack], receiver: Receiver
) -> None:
    stack = make_stack(environment={"HEADRACE_PRIVATE_RECEIVERS": "127.0.0.1"})
    stack.start_server()
    stack.api.create_project("sales")
    flow = stack.api.register_flow(registration())
    secret = f"{receiver.url}/kanarie-path"
    made = cli(stack, "notify", "channel", "create", "ops", "webhook", "--url", secret, "-o", "json")
    assert len(json.loads(made)["signing_secret"]) == 43
    cli(stack, "notify", "channel", "test", "ops")
    rule = ("notify", "rule", "create", "cancelled", "--channel", "ops", "--state", "Cancelled")
    cli(stack, *rule, "--flow", "sales/daily", "--text", "{flow} was {state}")
    cli(stack, "sla", "create", "sales/daily", "morning", "--by", "07:00", "--zone", "Europe/Berlin")
    assert "0 7 * * * Europe/Berlin" in cli(stack, "sla", "list", "--flow", "sales/daily")

    held = threading.Event()
    receiver.usual = lambda *_: held.wait(30) and None
    run = stack.api.create_flow_run(flow_id=flow.flow_id)
    stack.api.cancel_flow_run(run.id)
    soon(lambda: len(receiver.requests) == 2, stacks.PATIENCE)
    assert stack.server is not None
    stack.kill(stack.server)
    held.set()
    receiver.usual = say()
    stack.start_server()
    (delivery,) = json.loads(cli(stack, "notify", "deliveries", "-o", "json"))
    assert (delivery["state"], delivery["attempts"]) == ("waiting", 1)
    cli(stack, "notify", "retry", str(delivery["id"]))
    soon(lambda: len(receiver.requests) == 3, stacks.PATIENCE)
    first, again = receiver.bodies[1:]
    assert first == again, "the same event, with the same id"
    assert (again["text"], again["run"]) == ("daily was Cancelled", run.name)
    soon(lambda: '"delivered"' in cli(stack, "notify", "deliveries", "-o", "json"), stacks.PATIENCE)

    receiver.usual = say(500, b"kanarie-path")
    failed = stack.cli("notify", "channel", "test", "ops")
    assert (failed.returncode, "answers 500" in failed.stderr) == (1, True)
    near = stack.cli("notify", "channel", "test", "opps")
    assert (near.returncode, "did you mean 'ops'" in near.stderr) == (3, True)
    refused = stack.cli("notify", "channel", "delete", "ops")
    assert (refused.returncode, "cancelled" in refused.stderr) == (5, True)
    cli(stack, "notify", "channel", "update", "ops", "--rename", "people", "--url", receiver.url)
    cli(stack, "notify", "rule", "delete", "cancelled")
    cli(stack, "notify", "channel", "delete", "people")
    cli(stack, "sla", "delete", "sales/daily", "morning")
    whole = stack.log("server") + "".join(
        cli(stack, *words)
        for words in (("notify", "channel", "list"), ("notify", "rule", "list"), ("sla", "misses"))
    )
    assert "kanarie" not in whole + failed.stdout + failed.stderr


def cli(stack: stacks.Stack, *arguments: str) -> str:
    done = stack.cli(*arguments)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout
