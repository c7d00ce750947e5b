"""R6, A3, S16: runs in containers, from the claim to the end, and what is left of them."""

import json
import shutil
import subprocess

from docker_yard import Yard


def test_a_flow_runs_in_a_container_and_what_it_wrote_stays_with_the_agent(yard: Yard) -> None:
    run = yard.run("adds", a=20, b=22)
    assert yard.ended(run)[0] == "Success"
    yard.stack.until(lambda: not yard.containers(run), "its container is removed")
    folder = yard.stack.home / "agents" / yard.agent
    assert "made in a container" in (folder / "output" / f"{run.id}-{run.fence + 1}.log").read_text()
    yard.stack.until(lambda: not list((folder / "runs").iterdir()), "its directory is gone")


def test_a_container_gets_the_size_that_was_asked_for_and_else_the_most(yard: Yard) -> None:
    run = yard.run("waits", yard.config(cpu=0.5, memory="256Mi"))
    spec = yard.engine.call("GET", f"/containers/{yard.running(run)['Id']}/json")["HostConfig"]
    assert (spec["NanoCpus"], spec["Memory"]) == (500_000_000, 256 * 2**20)
    other = yard.run("waits")
    spec = yard.engine.call("GET", f"/containers/{yard.running(other)['Id']}/json")["HostConfig"]
    assert (spec["NanoCpus"], spec["Memory"]) == (2_000_000_000, 2 * 2**30)
    for each in (run, other):
        yard.stack.api.cancel_flow_run(each.id)
        assert yard.ended(each)[0] == "Cancelled"
        yard.stack.until(lambda each=each: not yard.containers(each), "its container is removed")


def test_S16_a_container_holds_no_secret_of_the_agent_and_no_privilege(yard: Yard) -> None:
    run = yard.run("waits")
    found = yard.engine.call("GET", f"/containers/{yard.running(run)['Id']}/json")
    assert yard.stack.local is not None
    seen = subprocess.run(
        [
            "docker",
            "exec",
            found["Id"],
            "sh",
            "-c",
            "cat /proc/*/environ /proc/*/cmdline; ls -R /headrace; cat /headrace/run/* || true",
        ],
        check=False,
        capture_output=True,
    ).stdout.decode(errors="replace")
    assert "holder.json" in seen
    for secret in (yard.stack.local.agent_key, yard.stack.local.user_key, "agent.key", '"token"'):
        assert secret not in seen + json.dumps(found)
    assert found["HostConfig"]["Privileged"] is False
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    sources = {mount["Source"] for mount in found["Mounts"] if mount["RW"]}
    assert sources == {str(yard.stack.home / "agents" / yard.agent / "runs" / f"{run.id}-{run.fence + 1}")}
    yard.stack.api.cancel_flow_run(run.id)
    yard.ended(run)


def test_an_agent_that_was_killed_takes_its_containers_over(own_yard: Yard) -> None:
    yard, stack = own_yard, own_yard.stack
    yard.start()
    run, short = yard.run("waits", seconds=15.0), yard.run("waits", seconds=1.0)
    container = yard.running(run)["Id"]
    yard.running(short)
    stack.kill(stack.agents.pop(yard.agent))
    stack.until(lambda: stack.api.read_flow_run(short.id).state.type.value == "Success", "it ends alone")
    yard.start_agent()
    stack.until(lambda: not yard.containers(short), "what has ended meanwhile is removed")
    assert yard.container(run)["Id"] == container
    assert yard.ended(run, 60)[0] == "Success"
    assert stack.api.read_flow_run(run.id).attempt == 1
    stack.until(lambda: not yard.containers(), "nothing is left")


def test_a_container_that_the_agent_does_not_know_any_more_is_removed(own_yard: Yard) -> None:
    yard, stack = own_yard, own_yard.stack
    yard.start()
    run = yard.run("waits")
    yard.running(run)
    stack.kill(stack.agents.pop(yard.agent))
    shutil.rmtree(stack.home / "agents" / yard.agent / "journal")
    yard.start_agent()
    stack.until(lambda: not yard.containers(), "the orphan is removed")


def test_runs_end_with_an_agent_that_was_told_so(own_yard: Yard) -> None:
    yard, stack = own_yard, own_yard.stack
    yard.options = ("--stop-runs",)
    yard.start()
    run = yard.run("waits")
    yard.running(run)
    assert stack.end(stack.agents.pop(yard.agent)) == 0
    assert stack.api.read_flow_run(run.id).state.type.is_finished
    assert not yard.containers()
