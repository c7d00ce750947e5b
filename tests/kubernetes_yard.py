"""A namespace of a cluster, and an installation whose agent launches Jobs in it.

`HEADRACE_TEST_KUBECONFIG` names the cluster, for somebody who may do everything there; `HEADRACE_TEST_IMAGE` an image with
this Python, and `HEADRACE_TEST_HOST` the address at which pods reach this machine.
"""

import base64
import contextlib
import json
import os
import ssl
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headrace
from headrace.launch.kubernetes import access, api, jobs
from headrace.wire import run_configs, runs
from stack import Stack, until

MANIFESTS = Path(__file__).parent.parent / "deploy" / "kubernetes"
#: The issue's promise: within so many seconds a run says what went wrong.
SECONDS = 30.0
FLOWS = """
import os
import time

from headrace import Module, flow, task
from headrace.wire.run_configs import KubernetesRun


@task
def adds(a: int, b: int) -> int:
    print("the sum is made in a pod", flush=True)
    return a + b


@task
def waits(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


@task
def eats(mebibytes: int) -> int:
    return len(bytearray(os.urandom(1024 * 1024) * mebibytes))


@task
def leaves(code: int) -> None:
    os._exit(code)


@flow(name="adds", run_config=KubernetesRun(), storage=Module("in_pods", "adding"))
def adding(a: int = 1, b: int = 2):
    return adds(a, b)


@flow(name="stays", run_config=KubernetesRun())
def staying(a: int = 1):
    return adds(a, a)


@flow(name="waits", run_config=KubernetesRun(), storage=Module("in_pods", "waiting"))
def waiting(seconds: float = 120.0):
    return waits(seconds)


@flow(name="eats", run_config=KubernetesRun(), storage=Module("in_pods", "eating"))
def eating(mebibytes: int = 600):
    return eats(mebibytes)


@flow(name="leaves", run_config=KubernetesRun(), storage=Module("in_pods", "leaving"))
def leaving(code: int = 3):
    return leaves(code)
"""


class Cluster:
    """A namespace of its own, as somebody sees it who may do everything there."""

    def __init__(self, kubeconfig: str) -> None:
        self.namespace = f"headrace-test-{uuid.uuid4().hex[:8]}"
        self.access = access.find({}, kubeconfig=kubeconfig, namespace=self.namespace)
        self.api = api.Api(self.access)
        self.kubeconfig = kubeconfig
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return json.loads(self.api._call(method, path, body=body))

    def path(self, kind: str, group: str = "/api/v1") -> str:
        return f"{group}/namespaces/{self.namespace}/{kind}"

    def make(self, kind: str, manifest: dict[str, Any], group: str = "/api/v1") -> None:
        """Unless it is there."""
        try:
            self.call("POST", self.path(kind, group), manifest)
        except api.Refusal as refusal:
            if refusal.reason != "AlreadyExists":
                raise

    def pods(self, run: runs.FlowRun | None = None) -> list[dict[str, Any]]:
        return self._labelled("pods", "/api/v1", run)

    def jobs(self, run: runs.FlowRun | None = None) -> list[dict[str, Any]]:
        return self._labelled("jobs", "/apis/batch/v1", run)

    def secrets(self, run: runs.FlowRun | None = None) -> list[dict[str, Any]]:
        return self._labelled("secrets", "/api/v1", run)

    def _labelled(self, kind: str, group: str, run: runs.FlowRun | None) -> list[dict[str, Any]]:
        label = jobs.RUN if run is None else f"{jobs.RUN}={run.id}"
        found: list[dict[str, Any]] = self.call("GET", f"{self.path(kind, group)}?labelSelector={label}")[
            "items"
        ]
        return found

    def delete(self, kind: str, name: str, group: str = "/api/v1") -> None:
        self.call("DELETE", f"{self.path(kind, group)}/{name}", {"propagationPolicy": "Background"})

    def wait_for_quota(self, name: str) -> None:
        """Until the quota counts."""
        until(
            lambda: self.call("GET", self.path(f"resourcequotas/{name}")).get("status", {}).get("hard"),
            "the quota counts",
        )

    @contextlib.contextmanager
    def priority_class(self) -> Iterator[str]:
        """The name of one above all others."""
        name, path = self.namespace, "/apis/scheduling.k8s.io/v1/priorityclasses"
        self.call("POST", path, {"metadata": {"name": name}, "value": 1000000})
        yield name
        self.call("DELETE", f"{path}/{name}")

    def take_right(self, kind: str, verb: str) -> None:
        """From the agent's role."""
        path = self.path("roles/headrace-agent", "/apis/rbac.authorization.k8s.io/v1")
        role = self.call("GET", path)
        for rule in role["rules"]:
            if kind in rule["resources"]:
                rule["verbs"].remove(verb)
        self.call("PUT", path, role)

    def agent_account(self, folder: Path) -> Path:
        """What deploy/kubernetes gives an agent, and a kubeconfig with which it is one outside of the cluster."""
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.make("serviceaccounts", access.read(MANIFESTS / "serviceaccount.yaml"))
        self.make("roles", access.read(MANIFESTS / "role.yaml"), rbac)
        self.make("rolebindings", access.read(MANIFESTS / "rolebinding.yaml"), rbac)
        return self.write_kubeconfig(folder, self.agent_token())

    def agent_token(self) -> str:
        asked = {"spec": {"expirationSeconds": 7200}}
        answer = self.call("POST", self.path("serviceaccounts/headrace-agent/token"), asked)
        return str(answer["status"]["token"])

    def write_kubeconfig(self, folder: Path, token: str, **other: str) -> Path:
        """`other` replaces fields of the cluster."""
        authorities = self.access.tls.get_ca_certs(binary_form=True)
        pem = "".join(ssl.DER_cert_to_PEM_cert(item) for item in authorities)
        cluster = {
            "server": self.access.server,
            "certificate-authority-data": base64.b64encode(pem.encode()).decode(),
            **other,
        }
        content = {
            "current-context": "c",
            "contexts": [
                {"name": "c", "context": {"cluster": "c", "user": "u", "namespace": self.namespace}}
            ],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
        path = folder / f"kubeconfig-{uuid.uuid4().hex[:6]}.json"
        path.write_text(json.dumps(content))
        return path

    def close(self) -> None:
        self.call("DELETE", f"/api/v1/namespaces/{self.namespace}", {})
        self.api.close()


def prefixes() -> list[Path]:
    """Where this Python's packages and headrace itself are; an image with the same Python reads them there."""
    return [Path(sys.prefix), Path(headrace.__file__).parent.parent]


def template(image: str, folders: list[Path], **pod: Any) -> dict[str, Any]:
    """With folders of this machine in the pod, as only an operator may have it."""
    mounts = [
        {"name": f"folder{number}", "mountPath": str(path), "readOnly": True}
        for number, path in enumerate(folders)
    ]
    volumes = [
        {"name": f"folder{number}", "hostPath": {"path": str(path)}} for number, path in enumerate(folders)
    ]
    container = {
        "name": "run",
        "image": image,
        "imagePullPolicy": "Never",
        "command": [f"{sys.prefix}/bin/python"],
        "env": [{"name": "PYTHONPATH", "value": str(folders[-1])}],
        "volumeMounts": mounts,
    }
    return _around(container, volumes=volumes, **pod)


def _around(container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [container], **pod}}}}


class Yard:
    """An installation whose agent launches Jobs."""

    def __init__(self, stack: Stack, cluster: Cluster, image: str) -> None:
        self.stack, self.cluster, self.image = stack, cluster, image
        self.host = os.environ.get("HEADRACE_TEST_HOST", "172.17.0.1")
        self.agent = f"kube-{cluster.namespace}"
        self.templates = stack.folder / "templates"
        self.templates.mkdir()
        self.modules = stack.folder / "modules"
        self.modules.mkdir(mode=0o755)
        self.write_template("default", self.template())
        self.policy = stack.folder / "policy.toml"
        self.kubeconfig = cluster.agent_account(stack.folder)
        self.write_policy()

    def template(self, *more: Path, **pod: Any) -> dict[str, Any]:
        return template(self.image, [*prefixes(), *more, self.modules], **pod)

    def write_template(self, name: str, content: dict[str, Any]) -> None:
        (self.templates / f"{name}.json").write_text(json.dumps(content))

    def write_more_templates(self) -> None:
        """Those of which one thing is wrong."""
        bare = {"name": "run", "image": self.image, "imagePullPolicy": "Never"}
        self.write_template("bare", _around(bare))
        self.write_template("no-program", _around({**bare, "command": ["/nowhere/python3"]}))
        self.write_template("no-image", _around({"name": "run"}))
        missing_folder = self.template()
        volumes = missing_folder["spec"]["template"]["spec"]["volumes"]
        volumes[0]["hostPath"] = {"path": "/no/such/folder", "type": "Directory"}
        self.write_template("no-folder", missing_folder)
        missing_claim = self.template()
        missing_claim["spec"]["template"]["spec"]["volumes"][0] = {
            "name": "folder0",
            "persistentVolumeClaim": {"claimName": "nothing-of-this-name"},
        }
        self.write_template("no-claim", missing_claim)

    def write_policy(self, extra: str = "", kubernetes: str = "") -> None:
        self.policy.write_text(
            f"{extra}\n[kubernetes]\nkubeconfig = {json.dumps(str(self.kubeconfig))}\n"
            f"templates = {json.dumps(str(self.templates))}\n{kubernetes}\n"
        )

    def start(self) -> None:
        self.start_without_agent()
        self.start_agent()

    def start_without_agent(self) -> None:
        self.stack.start_server()
        source = self.modules / "in_pods.py"
        source.write_text(FLOWS)
        self.stack.register(source, "yard")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.stack.port}"

    def start_agent(self) -> None:
        options = ("--launch", "kubernetes", "--policy", str(self.policy))
        self.stack.start_agent(self.agent, *options, url=self.url, YARD_SECRET="a word of the agent's")

    def run(
        self, flow: str, config: run_configs.KubernetesRun | None = None, **parameters: Any
    ) -> runs.FlowRun:
        return self.stack.api.create_flow_run(flow=f"yard/{flow}", parameters=parameters, run_config=config)

    def ended(self, run: runs.FlowRun, seconds: float = SECONDS) -> tuple[str, str, str]:
        """State, code and message at the run's end."""
        state = self.stack.finished(run, seconds).state
        return state.type.value, state.code, state.message

    def pod(self, run: runs.FlowRun) -> dict[str, Any]:
        """The run's pod, once it runs user code."""
        self.stack.until(
            lambda: self.stack.api.read_flow_run(run.id).state.type.value == "Running", "it runs"
        )
        return self.cluster.pods(run)[0]

    def waits_for(self, run: runs.FlowRun, words: str, seconds: float = SECONDS) -> str:
        """Why a run waits, once it says these words."""

        def look() -> str:
            waits = self.stack.api.read_flow_run(run.id).waits
            return waits.sentence if waits is not None and words in waits.sentence else ""

        return self.stack.until(look, f"it says {words!r}", seconds)

    def cancelled(self, run: runs.FlowRun) -> None:
        """Cancels the run and waits until nothing of it is left."""
        self.stack.api.cancel_flow_run(run.id)
        self.stack.until(lambda: self.is_cleared(run), "the Job is removed")

    def is_cleared(self, run: runs.FlowRun) -> bool:
        """Whether nothing of the run is left in the cluster."""
        return not (self.cluster.jobs(run) or self.cluster.pods(run) or self.cluster.secrets(run))
