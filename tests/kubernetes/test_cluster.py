"""An agent and the cluster's API: cut off from it, told that it asks too late, and as a pod of it."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cable import Cable
from headrace.launch.kubernetes import access, board
from kubernetes_yard import MANIFESTS, Cluster, Yard, prefixes
from lacking import missing
from stack import free_port, until


def test_an_api_server_that_is_away_for_a_while(own_yard: Yard) -> None:
    """Runs go on, and their ends are seen when it is back."""
    server = urlsplit(own_yard.cluster.access.server)
    assert server.hostname
    assert server.port
    cable = Cable(server.port, server.hostname)
    own_yard.kubeconfig = own_yard.cluster.write_kubeconfig(
        own_yard.stack.folder,
        own_yard.cluster.agent_token(),
        **{"server": f"https://127.0.0.1:{cable.port}", "tls-server-name": server.hostname},
    )
    own_yard.write_policy()
    own_yard.start()
    run = own_yard.run("waits", seconds=4)
    own_yard.pod(run)
    cable.cut()
    assert own_yard.ended(run, 60)[0] == "Success"
    cable.mend()
    own_yard.stack.until(lambda: own_yard.is_cleared(run), "the Job is removed")
    cable.cut()


def test_an_api_server_that_is_not_there(own_yard: Yard) -> None:
    own_yard.kubeconfig = own_yard.cluster.write_kubeconfig(
        own_yard.stack.folder, "any", server=f"https://127.0.0.1:{free_port()}"
    )
    own_yard.write_policy()
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds"))
    assert (state, code) == ("Crashed", "engine_down")
    assert "does not answer" in message


def test_a_watch_that_asks_too_late_is_begun_anew(cluster: Cluster) -> None:
    """410: what has happened since is not known any more, so that everything is listed again."""
    watched = board.Board(cluster.api, "nobody", patience=60, unseen=1)
    threads = [
        threading.Thread(target=watch.run, args=("1",), daemon=True)
        for watch in (watched._pods, watched._jobs)
    ]
    for thread in threads:
        thread.start()
    assert watched.await_start(30) == ("", "")
    watched.close()


def test_an_agent_that_is_a_pod(own_yard: Yard) -> None:
    """With the manifests' rights and in the cluster's own way; replaced, it takes its runs over."""
    own_yard.start_without_agent()
    agent = _deploy(own_yard)
    run = own_yard.run("adds", a=1, b=1)
    assert own_yard.ended(run, 60)[0] == "Success"
    waiting = own_yard.run("waits", seconds=20)
    own_yard.pod(waiting)
    before = _pod(own_yard.cluster, agent)
    own_yard.cluster.delete("pods", before)
    own_yard.stack.until(
        lambda: _pod(own_yard.cluster, agent) not in ("", before), "another pod is the agent"
    )
    assert own_yard.ended(waiting, 60)[0] == "Success"
    own_yard.stack.until(lambda: own_yard.is_cleared(waiting), "the Job is removed")


def _pod(cluster: Cluster, label: str) -> str:
    found: list[dict[str, Any]] = cluster.call("GET", f"{cluster.path('pods')}?labelSelector={label}")[
        "items"
    ]
    ready = [item for item in found if item["status"]["phase"] == "Running"]
    return str(ready[0]["metadata"]["name"]) if ready else ""


def _deploy(yard: Yard) -> str:
    """The Deployment of the manifests, with this machine's packages in it. The answer is its label."""
    cluster = yard.cluster
    manifest = access.read(MANIFESTS / "deployment.yaml")
    pod = manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container |= {
        "image": yard.image,
        "imagePullPolicy": "Never",
        "command": [f"{sys.prefix}/bin/python", "-m", "headrace"],
    }
    for number, path in enumerate(prefixes()):
        pod["volumes"].append({"name": f"prefix{number}", "hostPath": {"path": str(path)}})
        container["volumeMounts"].append(
            {"name": f"prefix{number}", "mountPath": str(path), "readOnly": True}
        )
    own = {"HEADRACE_SERVER_URL": yard.url, "HEADRACE_TIMING": json.dumps(yard.stack.timing)}
    kept = [item for item in container["env"] if item["name"] not in own]
    container["env"] = kept + [{"name": name, "value": value} for name, value in own.items()]
    policy = '[kubernetes]\ntemplates = "/etc/headrace/templates"\n'
    cluster.make(
        "configmaps", {"metadata": {"name": "headrace-agent-policy"}, "data": {"policy.toml": policy}}
    )
    templates = {"default.json": json.dumps(yard.template())}
    cluster.make("configmaps", {"metadata": {"name": "headrace-agent-templates"}, "data": templates})
    key = (yard.stack.folder / "agent.key").read_text()
    cluster.make("secrets", {"metadata": {"name": "headrace-agent-key"}, "stringData": {"key": key}})
    cluster.make("deployments", manifest, "/apis/apps/v1")
    label = "app.kubernetes.io/name=headrace-agent"
    until(lambda: _pod(cluster, label), "the agent runs")
    return label


def test_the_manifests_can_be_built(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        missing("there is no kubectl")
    shutil.copytree(MANIFESTS, tmp_path / "base")
    (tmp_path / "base" / "agent.key").write_text("key")
    built = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path / "base")], capture_output=True, text=True, check=True
    )
    assert built.stdout.count("\nkind: ") + built.stdout.startswith("kind: ") == 7
    # what the container is given is what the generators have made, by its hashed name
    assert "name: headrace-agent-policy-" in built.stdout
    assert "secretName: headrace-agent-key-" in built.stdout
