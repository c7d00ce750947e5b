"""Runs as Jobs of a real cluster, from outside of it (R6, H4, S16)."""

import json

from headrace.launch.kubernetes import jobs
from headrace.wire.run_configs import KubernetesRun
from kubernetes_yard import Yard


def test_a_run_succeeds_and_leaves_nothing(yard: Yard) -> None:
    run = yard.run("adds", a=2, b=3)
    assert yard.ended(run, 60)[0] == "Success"
    yard.stack.until(lambda: yard.is_cleared(run), "the Job is removed")


def test_what_a_run_writes_is_kept_with_its_agent(yard: Yard) -> None:
    run = yard.run("adds")
    yard.ended(run, 60)
    folder = yard.stack.home / "agents" / yard.agent / "output"
    path = folder / f"{run.id}-1.log"
    yard.stack.until(path.exists, "its output is kept")
    assert "the sum is made in a pod" in path.read_text()


def test_a_pod_has_only_what_it_needs(yard: Yard) -> None:
    """S16: nothing of the cluster's API, no root, and no secret in what everybody may read."""
    config = KubernetesRun(env={"WORD": "${YARD_SECRET}"}, labels={"team": "a"}, cpu=0.1, memory="200Mi")
    run = yard.run("waits", config)
    pod = yard.pod(run)
    spec = pod["spec"]
    container = spec["containers"][0]
    assert (
        pod["metadata"]["labels"] | {"team": "a", jobs.RUN: str(run.id), jobs.FENCE: "1"}
        == pod["metadata"]["labels"]
    )
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": str(200 * 2**20)},
        "limits": {"memory": str(200 * 2**20)},
    }
    assert not any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
    everything = json.dumps(yard.cluster.jobs(run)) + json.dumps(yard.cluster.pods(run))
    assert "a word of the agent's" not in everything
    assert (yard.stack.folder / "agent.key").read_text() not in everything
    assert "token" not in json.dumps([container["args"], container["env"], container["command"]])
    # the Secret is gone once it has been read, and the run goes on without it
    yard.stack.until(lambda: not yard.cluster.secrets(run), "the Secret is deleted")
    yard.cancelled(run)
    assert yard.ended(run)[0] == "Cancelled"


def test_a_cancelled_run_ends_in_its_pod(yard: Yard) -> None:
    run = yard.run("waits")
    yard.pod(run)
    yard.cancelled(run)
    assert yard.ended(run)[0] == "Cancelled"


def test_an_agent_that_was_killed_takes_its_runs_over(own_yard: Yard) -> None:
    own_yard.start()
    run = own_yard.run("waits", seconds=12)
    own_yard.pod(run)
    own_yard.stack.kill(own_yard.stack.agents[own_yard.agent])
    own_yard.start_agent()
    assert own_yard.ended(run, 60)[0] == "Success"
    own_yard.stack.until(lambda: own_yard.is_cleared(run), "the Job is removed")


def test_an_agent_that_has_lost_its_folder_finds_its_runs(own_yard: Yard) -> None:
    """An agent in a pod that is replaced has nothing but the cluster."""
    own_yard.start()
    own_yard.stack.timing["lost_after"] = 60.0
    run = own_yard.run("leaves", code=9)
    waiting = own_yard.run("waits", seconds=12)
    own_yard.pod(waiting)
    own_yard.ended(run, 60)
    own_yard.stack.kill(own_yard.stack.agents[own_yard.agent])
    folder = own_yard.stack.home / "agents"
    folder.rename(own_yard.stack.folder / "lost")
    own_yard.start_agent()
    own_yard.stack.until(
        lambda: "has been found and is taken over" in own_yard.stack.log(f"agent-{own_yard.agent}"),
        "it is found",
    )
    assert own_yard.ended(waiting, 60)[0] == "Success"
    own_yard.stack.until(lambda: own_yard.is_cleared(waiting), "the Job is removed")


def test_content_that_lies_in_a_volume_of_the_template(own_yard: Yard) -> None:
    """And without the volume it is refused in words."""
    content = own_yard.stack.home / "content"
    as_root = {"securityContext": {"runAsNonRoot": False, "runAsUser": 0, "fsGroup": None}}
    own_yard.start()
    own_yard.write_template("with-content", own_yard.template(content, **as_root))
    state, code, message = own_yard.ended(own_yard.run("stays"))
    assert (state, code) == ("Crashed", "not_admitted")
    assert "register the flow with a storage that pods reach" in message
    own_yard.stack.end(own_yard.stack.agents[own_yard.agent])
    own_yard.start_agent()
    run = own_yard.run("stays", KubernetesRun(job_template="with-content"))
    assert own_yard.ended(run, 60)[0] == "Success"
