"""S16: whatever a run config says, the pod that is made of it is one that the policy admits. And R6: what replaces what."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assigned
from headrace import errors
from headrace.launch import directory, plan, policy, rules
from headrace.launch.kubernetes import jobs, templates
from headrace.launch.place import Place
from headrace.wire import run_configs

STRICT = policy.Policy(
    images=("good/*",),
    variables=("GOOD_*",),
    references=(),
    cpu=4,
    memory="2Gi",
    gpus=1,
    service_accounts=("runs",),
    kubernetes=rules.KubernetesRules(
        labels=("team",),
        annotations=("note",),
        node_labels=("disk",),
        tolerations=("batch",),
        image_pull_secrets=("pull",),
    ),
)


def job(
    config: run_configs.KubernetesRun,
    template: dict[str, Any] | None = None,
    rule: policy.Policy = STRICT,
    **variables: str,
) -> dict[str, Any]:
    """The Job that an agent with this policy makes."""
    handed = directory.Handover(assignment=assigned.assignment(config), server_url="http://server")
    place = Place(folder=Path("/runs"), home=Path("/home"), variables=variables, policy=rule)
    workload = plan.workload(handed, place, "kubernetes")
    assert workload.container is not None
    wanted = jobs.Wanted(
        name=jobs.name_of(workload.name),
        labels={jobs.RUN: "r", jobs.FENCE: "3", jobs.AGENT: "one"},
        title="t",
        config=config,
        variables=tuple(sorted(workload.environment)),
        memory=workload.container.memory,
        most_cpu=rule.cpu,
        most_memory=rule.memory_bytes,
    )
    return jobs.manifest(wanted, template or {})


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def violations(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a Job by the strict policy, looked for without what has made it."""
    found: list[str] = []

    def must(true: bool, what: str) -> None:
        if not true:
            found.append(what)

    pod = pod_of(manifest)
    known = {
        "containers",
        "volumes",
        "restartPolicy",
        "terminationGracePeriodSeconds",
        "automountServiceAccountToken",
    }
    known |= {
        "enableServiceLinks",
        "serviceAccountName",
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "securityContext",
    }
    must(pod.keys() <= known, f"fields {pod.keys() - known}")
    must(pod["automountServiceAccountToken"] is False, "token")
    must(pod.get("serviceAccountName", "runs") == "runs", "service account")
    must(pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, "root")
    must(all(item["name"] == "pull" for item in pod.get("imagePullSecrets", ())), "pull secrets")
    must(pod.get("nodeSelector", {}).keys() <= {"disk"}, "node selector")
    must(all(item.get("key") == "batch" for item in pod.get("tolerations", ())), "tolerations")
    must(len(pod["containers"]) == 1 and "initContainers" not in pod, "containers")
    must(all(volume.keys() <= {"name", "emptyDir", "secret"} for volume in pod["volumes"]), "volumes")
    secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    must(secrets == [manifest["metadata"]["name"]], "secrets")
    (container,) = pod["containers"]
    allowed = {"name", "image", "imagePullPolicy", "command", "args", "workingDir", "env", "resources"}
    allowed |= {"securityContext", "volumeMounts", "terminationMessagePath", "terminationMessagePolicy"}
    must(container.keys() <= allowed, f"fields {container.keys() - allowed}")
    must(container["image"].startswith("good/"), "image")
    must(
        container["command"] == ["python3"] and container["args"][:3] == ["-P", "-m", "headrace.engine.pod"],
        "command",
    )
    must(
        container["securityContext"]
        == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "security context",
    )
    fixed = {"HOME", "USER", "HEADRACE_HOME", "HEADRACE_SERVER_URL"}
    must(
        all(item["name"] in fixed or item["name"].startswith("GOOD_") for item in container["env"]),
        "variables",
    )
    limits = container["resources"]["limits"]
    must(int(limits["cpu"].removesuffix("m")) <= 4000, "cpu")
    must(int(limits["memory"]) <= 2 * 2**30, "memory")
    gpus = [int(number) for name, number in limits.items() if name not in ("cpu", "memory")]
    must(sum(gpus) <= 1, "gpus")
    must(limits.keys() <= {"cpu", "memory", "nvidia.com/gpu", "amd.com/gpu"}, "resources")
    for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
        own = {key for key in metadata["labels"] if key.startswith("headrace.dev/")}
        must(
            own == {jobs.RUN, jobs.FENCE, jobs.AGENT} and metadata["labels"][jobs.AGENT] == "one",
            "own labels",
        )
        must(metadata["labels"].keys() - own <= {"team"}, "labels")
        must(metadata["annotations"].keys() <= {"note", jobs.NAME}, "annotations")
    must(manifest["spec"]["backoffLimit"] == 0 and manifest["spec"]["parallelism"] == 1, "one pod")
    return found


def mostly(good: str, *bad: str) -> st.SearchStrategy[str]:
    """The good one, seldom another: a config of which one thing is wrong tells more than one of which all is."""
    return st.integers(0, 24).flatmap(
        lambda number: (
            st.sampled_from(bad)
            if number == 0 and bad
            else st.text(max_size=12)
            if number == 1
            else st.just(good)
        )
    )


def names(good: str, *bad: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(mostly(good, *bad), st.text(max_size=8), max_size=2)


configs = st.builds(
    run_configs.KubernetesRun,
    image=mostly("good/image:1", "evil/image", "good", "good/../evil"),
    env=names("GOOD_ONE", "LD_PRELOAD", "PATH", "PYTHONPATH", "HEADRACE_API_KEY", "https_proxy", "GOOD_A=B"),
    cpu=st.none() | st.sampled_from([0.1, 4.0, 4.1]) | st.floats(0.001, 4) | st.floats(),
    memory=st.none() | mostly("1Gi", "3Gi", "0", "-1Gi", "1e30"),
    gpus=st.sampled_from([0, 0, 1, 1, 2, -1]),
    gpu_resource=mostly("nvidia.com/gpu", "memory", "cpu", "ephemeral-storage", "hugepages-2Mi"),
    service_account=st.none() | mostly("runs", "cluster-admin", "default"),
    image_pull_secrets=st.lists(mostly("pull", "other"), max_size=2),
    image_pull_policy=st.sampled_from([None, "Always", "Never"]),
    node_selector=names("disk", "node-role.kubernetes.io/control-plane"),
    tolerations=st.lists(st.builds(run_configs.Toleration, key=mostly("batch", "")), max_size=2),
    labels=names("team", "headrace.dev/agent", "app"),
    annotations=names("note", "container.apparmor.security.beta.kubernetes.io/run", "iam.amazonaws.com/role"),
    deadline_seconds=st.none() | st.integers(1, 100) | st.just(0),
    job_template=st.none(),
)


def test_every_pod_that_is_made_is_admitted() -> None:
    made = 0

    @settings(max_examples=400, deadline=None, database=None)
    @given(configs)
    def admitted(config: run_configs.KubernetesRun) -> None:
        nonlocal made
        try:
            manifest = job(config)
        except errors.LaunchError:
            return
        made += 1
        assert violations(manifest) == []
        json.dumps(manifest, allow_nan=False)

    admitted()
    assert made > 20


def test_most_of_what_is_admitted_is_made() -> None:
    """So that the test above tests something."""
    config = run_configs.KubernetesRun(
        image="good/image:1",
        env={"GOOD_ONE": "1"},
        cpu=2,
        memory="1Gi",
        gpus=1,
        service_account="runs",
        image_pull_secrets=["pull"],
        node_selector={"disk": "fast"},
        tolerations=[run_configs.Toleration(key="batch", effect="NoSchedule", seconds=3)],
        labels={"team": "a"},
        annotations={"note": "b"},
        deadline_seconds=60,
    )
    manifest = job(config)
    assert violations(manifest) == []
    assert manifest["spec"]["activeDeadlineSeconds"] == 60
    assert pod_of(manifest)["tolerations"] == [
        {"operator": "Equal", "key": "batch", "effect": "NoSchedule", "tolerationSeconds": 3}
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"podSpecPatch": '{"containers":[{"name":"main","securityContext":{"privileged":true}}]}'},
        {"pod_spec_patch": "hostNetwork: true"},
        {"security_context": {"privileged": True}},
        {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
        {"hostNetwork": True},
        {"command": ["sh"]},
        {"job_template": {"spec": {"template": {"spec": {"hostPID": True}}}}},
        {"initContainers": [{"image": "evil"}]},
        {"namespace": "kube-system"},
    ],
    ids=lambda field: next(iter(field)),
)
def test_what_has_gone_round_templates_elsewhere_is_no_field(field: dict[str, Any]) -> None:
    """CVE-2026-31892 and its like: a patch of the pod, beside the administrator's template."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "kubernetes", "image": "good/i", **field}, run_configs.RunConfig)


@pytest.mark.parametrize(
    "config",
    [
        run_configs.KubernetesRun(image="good/i", env={"LD_PRELOAD": "/x"}),
        run_configs.KubernetesRun(image="good/i", env={"GOOD_ONE": "${HEADRACE_API_KEY}"}),
        run_configs.KubernetesRun(image="good/i", service_account="cluster-admin"),
        run_configs.KubernetesRun(image="good/i", gpus=1, gpu_resource="memory"),
        run_configs.KubernetesRun(image="good/i", tolerations=[run_configs.Toleration(operator="Exists")]),
        run_configs.KubernetesRun(image="good/i", labels={"headrace.dev/agent": "another"}),
        run_configs.KubernetesRun(image="good/i", labels={"x.headrace.dev/run": "another"}),
        run_configs.KubernetesRun(image="good/i", annotations={"iam.amazonaws.com/role": "admin"}),
        run_configs.KubernetesRun(image="evil/i"),
        run_configs.KubernetesRun(image="good/i", cpu=5),
    ],
)
def test_what_is_not_admitted_is_refused(config: run_configs.KubernetesRun) -> None:
    with pytest.raises(errors.LaunchError) as refused:
        job(config, HEADRACE_API_KEY="k")
    assert refused.value.reason == "not_admitted"


# --- templates ---

OPEN = policy.Policy(kubernetes=rules.KubernetesRules(labels=("*",), annotations=("*",)))


def around(container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "run", **container}], **pod}}}}


def test_a_run_config_replaces_what_the_template_says() -> None:
    template = around(
        {
            "image": "theirs",
            "imagePullPolicy": "Always",
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
        }
    )
    template["spec"]["activeDeadlineSeconds"] = 5
    config = run_configs.KubernetesRun(image="ours", image_pull_policy="Never", cpu=3, deadline_seconds=9)
    manifest = job(config, template, OPEN)
    container = pod_of(manifest)["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("ours", "Never")
    assert container["resources"] == {"requests": {"cpu": "3000m"}, "limits": {"cpu": "3000m"}}
    assert manifest["spec"]["activeDeadlineSeconds"] == 9


def test_a_run_config_adds_to_labels_and_node_selectors_and_replaces_none() -> None:
    template = around({"image": "theirs"}, nodeSelector={"pool": "batch"}, tolerations=[{"key": "batch"}])
    template["metadata"] = {"labels": {"team": "theirs"}}
    config = run_configs.KubernetesRun(
        labels={"team": "ours", "more": "1"}, node_selector={"pool": "gpu", "disk": "fast"}
    )
    manifest = job(config, template, OPEN)
    assert manifest["metadata"]["labels"]["team"] == "theirs"
    assert manifest["metadata"]["labels"]["more"] == "1"
    assert pod_of(manifest)["nodeSelector"] == {"pool": "batch", "disk": "fast"}
    assert pod_of(manifest)["containers"][0]["image"] == "theirs"


def test_what_concerns_safety_is_the_templates_alone() -> None:
    template = around(
        {"image": "i", "securityContext": {"readOnlyRootFilesystem": False}},
        securityContext={"runAsUser": None, "fsGroup": 7},
        automountServiceAccountToken=True,
        volumes=[{"name": "data", "hostPath": {"path": "/data"}}],
    )
    pod = pod_of(job(run_configs.KubernetesRun(), template, OPEN))
    assert pod["securityContext"]["fsGroup"] == 7
    assert "runAsUser" not in pod["securityContext"]
    assert pod["automountServiceAccountToken"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    assert pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
    assert {"name": "data", "hostPath": {"path": "/data"}} in pod["volumes"]


def test_templates_are_named_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "default.json").write_text(json.dumps(around({"image": "first"})))
    (tmp_path / "large.yaml").write_text(
        "spec: {template: {spec: {containers: [{name: run, image: second}]}}}"
    )
    found = templates.Templates(tmp_path)
    assert found.named(None) == around({"image": "first"})
    assert found.named("large") == around({"image": "second"})
    for name in ("larg", "../default", ""):
        if name:
            with pytest.raises(errors.LaunchError, match="no job template"):
                found.named(name)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"kind": "Pod"}', '{"spec": {"template": {"spec": {"containers": [7]}}}}']
)
def test_a_template_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(errors.SettingsError, match=r"wrong\.json"):
        templates.Templates(tmp_path)


def test_the_secret_belongs_to_the_job_and_holds_what_the_run_is_told() -> None:
    wanted = jobs.Wanted(name="n", labels={}, title="t", config=run_configs.KubernetesRun(image="i"))
    secret = jobs.secret(wanted, "the-uid", b"handed", {"WORD": "geheim"})
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "the-uid"
    assert base64.b64decode(secret["data"]["env-WORD"]) == b"geheim"
    assert base64.b64decode(secret["data"][jobs.HANDOVER_KEY]) == b"handed"


def test_the_agents_own_environment_reaches_no_pod() -> None:
    canary = {
        "HEADRACE_API_KEY": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PATH": "canary",
        "HTTP_PROXY": "canary",
    }
    assert "canary" not in json.dumps(job(run_configs.KubernetesRun(image="good/i"), **canary))


@pytest.mark.parametrize("name", ["host-1", "a b", "ü" * 80, "-x-", "x" * 200])
def test_any_name_becomes_a_label(name: str) -> None:
    label = jobs.label(name)
    assert len(label) <= 63
    assert label[0].isalnum()
    assert label[-1].isalnum()
    assert (label == name) == (name == "host-1")


def test_a_server_on_the_loopback_is_not_reached_from_a_pod() -> None:
    handed = directory.Handover(
        assignment=assigned.assignment(run_configs.KubernetesRun(image="i")),
        server_url="http://127.0.0.1:7400",
    )
    place = Place(folder=Path("/runs"), home=Path("/home"), variables={})
    with pytest.raises(errors.LaunchError, match="HEADRACE_SERVER_URL"):
        plan.workload(handed, place, "kubernetes")
