"""A3: what goes wrong with a container is on the run within 30 s, in words and with its code; each made for real."""

import subprocess

import pytest

from docker_yard import Yard
from stack import stopped


def cli_says(yard: Yard, run_id: object) -> str:
    shown = yard.stack.cli("runs", "show", str(run_id))
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_an_image_that_is_nowhere(yard: Yard) -> None:
    run = yard.run("adds", yard.config(image="registry.invalid/nobody/nothing:9"))
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "image_missing")
    assert "registry.invalid/nobody/nothing:9" in message
    assert "registry.invalid/nobody/nothing:9" in cli_says(yard, run.id)


def test_an_image_that_is_never_pulled(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", yard.config(image="nobody/nothing", pull="never")))
    assert (state, code) == ("Crashed", "image_missing")
    assert "never pulled" in message


def test_an_image_without_headrace(yard: Yard) -> None:
    config = yard.config(env={"PATH": "/usr/local/bin:/usr/bin:/bin"})
    state, code, message = yard.ended(yard.run("adds", config))
    assert (state, code) == ("Crashed", "image_without_headrace")
    assert yard.image in message


def test_an_image_without_python(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", yard.config(env={"PATH": "/nowhere"})))
    assert (state, code) == ("Crashed", "program_missing")
    assert "python3" in message


def test_an_image_of_another_architecture(yard: Yard, foreign_image: str) -> None:
    config = yard.config(image=foreign_image, env={"PATH": "/bin"})
    state, code, message = yard.ended(yard.run("adds", config))
    assert (state, code) == ("Crashed", "wrong_architecture")
    assert foreign_image in message


def test_a_folder_that_is_not_there(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", yard.config(volumes=["/no/such/folder:/data:ro"])))
    assert (state, code) == ("Crashed", "volume_missing")
    assert "/no/such/folder" in message


def test_no_gpu(yard: Yard) -> None:
    state, code, _ = yard.ended(yard.run("adds", yard.config(gpus=1)))
    assert (state, code) == ("Crashed", "no_device")


def test_a_network_that_is_not_there_is_told_in_the_engines_words(own_yard: Yard) -> None:
    own_yard.write_policy('networks = ["*"]')
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds", own_yard.config(network="nowhere")))
    assert (state, code) == ("Crashed", "launch_failed")
    assert "nowhere" in message


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"volumes": ["/etc:/data"]}, "/etc"),
        ({"volumes": ["/no/such/../../etc:/data:ro"]}, "/etc"),
        ({"memory": "3Gi"}, "memory"),
        ({"cpu": 64}, "64 cores"),
        ({"network": "host"}, "network host"),
        ({"env": {"LD_PRELOAD": "/x.so"}}, "LD_PRELOAD"),
        ({"env": {"X": "${HEADRACE_API_KEY_FILE}"}}, "HEADRACE_API_KEY_FILE"),
    ],
    ids=str,
)
def test_what_the_policy_does_not_admit(yard: Yard, wish: dict[str, object], named: str) -> None:
    state, code, message = yard.ended(yard.run("adds", yard.config(**wish)))
    assert (state, code) == ("Crashed", "not_admitted")
    assert named in message


def test_too_much_memory(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("eats", yard.config(memory="200Mi"), mebibytes=400))
    assert (state, code) == ("Crashed", "out_of_memory")
    assert "200 MiB" in message


def test_an_exit_of_the_process(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("leaves", code=3))
    assert (state, code) == ("Crashed", "exit_code")
    assert "exit code 3" in message


def test_a_container_that_is_killed(yard: Yard) -> None:
    run = yard.run("waits")
    subprocess.run(["docker", "kill", yard.running(run)["Id"]], check=True, capture_output=True)
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "killed")
    assert "SIGKILL" in message


def test_a_container_that_somebody_stops(yard: Yard) -> None:
    run = yard.run("waits")
    subprocess.run(["docker", "stop", yard.running(run)["Id"]], check=True, capture_output=True)
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "stopped"), message


def test_a_container_that_is_removed(yard: Yard) -> None:
    run = yard.run("waits")
    container = yard.running(run)["Id"]
    # an agent that looks at once may see it killed, and not yet removed
    with stopped([yard.stack.agents[yard.agent].pid]):
        subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)
    state, code, _ = yard.ended(run)
    assert (state, code) == ("Crashed", "removed")


def test_a_container_of_that_name_is_there_already(own_yard: Yard) -> None:
    own_yard.start()
    own_yard.stack.end(own_yard.stack.agents.pop(own_yard.agent))
    run = own_yard.run("adds")
    name = f"headrace-{run.id}-{run.fence + 1}"
    subprocess.run(
        ["docker", "create", "--name", name, own_yard.image, "true"], check=True, capture_output=True
    )
    try:
        own_yard.start_agent()
        state, code, message = own_yard.ended(run)
        assert (state, code) == ("Crashed", "name_clash")
        assert name in message
        # what is somebody else's stays
        assert own_yard.engine.call("GET", f"/containers/{name}/json")["State"]["Status"] == "created"
    finally:
        subprocess.run(["docker", "rm", name], check=True, capture_output=True)


def test_content_that_was_altered_or_is_gone_is_told_by_the_run_itself(own_yard: Yard) -> None:
    own_yard.start()
    stored = sorted((own_yard.stack.home / "content").iterdir())
    for path in stored:
        content = bytearray(path.read_bytes())
        content[-10] ^= 1
        path.write_bytes(content)
    run = own_yard.run("adds")
    assert own_yard.ended(run)[:2] == ("Crashed", "content_mismatch")
    for path in stored:
        path.unlink()
    assert own_yard.ended(own_yard.run("adds"))[:2] == ("Crashed", "content_missing")


def test_a_server_address_that_means_the_container_itself(own_yard: Yard) -> None:
    own_yard.host = "127.0.0.1"
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds"))
    assert (state, code) == ("Crashed", "launch_failed")
    assert "server_url" in message
