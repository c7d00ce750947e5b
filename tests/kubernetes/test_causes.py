"""A3: what goes wrong with a Job is on the run within 30 s, in words and with its code; each made for real."""

import pytest

from headrace.launch.kubernetes import jobs
from headrace.wire.run_configs import KubernetesRun
from kubernetes_yard import Yard


def cli_says(yard: Yard, run_id: object) -> str:
    shown = yard.stack.cli("runs", "show", str(run_id))
    assert shown.returncode == 0, shown.stderr
    return " ".join(shown.stdout.split())


def test_an_image_that_is_never_pulled(yard: Yard) -> None:
    run = yard.run("adds", KubernetesRun(image="nobody/nothing:9"))
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "image_missing")
    assert "nobody/nothing:9" in message
    assert "nobody/nothing:9" in cli_says(yard, run.id)


def test_a_name_that_is_no_image(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", KubernetesRun(image="not::an:image")))
    assert (state, code) == ("Crashed", "image_missing")
    assert "not::an:image" in message


def test_an_image_that_cannot_be_pulled(yard: Yard) -> None:
    nowhere = "127.0.0.1:1/nobody/nothing:9"
    run = yard.run("adds", KubernetesRun(image=nowhere, image_pull_policy="IfNotPresent"))
    assert nowhere in yard.waits_for(run, "cannot be pulled")
    yard.cancelled(run)


@pytest.mark.parametrize(
    ("template", "code", "words"),
    [
        ("bare", "image_without_headrace", "No module named"),
        ("no-program", "program_missing", "/nowhere/python3"),
    ],
)
def test_an_image_without_what_the_run_needs(yard: Yard, template: str, code: str, words: str) -> None:
    found = yard.ended(yard.run("adds", KubernetesRun(job_template=template)))
    assert found[:2] == ("Crashed", code)
    assert words in found[2]


def test_an_image_of_another_architecture(yard: Yard, foreign_image: str) -> None:
    config = KubernetesRun(image=foreign_image, job_template="no-image", image_pull_policy="Never")
    state, code, message = yard.ended(yard.run("adds", config))
    assert (state, code) == ("Crashed", "wrong_architecture")
    assert "another kind of machine" in message


def test_no_image_at_all(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", KubernetesRun(job_template="no-image")))
    assert (state, code) == ("Crashed", "launch_failed")
    assert "names an image" in message


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (KubernetesRun(cpu=1000), "Insufficient cpu"),
        (KubernetesRun(node_selector={"no": "such"}), "node"),
        (KubernetesRun(gpus=1), "Insufficient nvidia.com/gpu"),
    ],
    ids=["cpu", "node selector", "gpu"],
)
def test_no_node_takes_the_pod(yard: Yard, config: KubernetesRun, words: str) -> None:
    """In the scheduler's words."""
    run = yard.run("adds", config)
    said = yard.waits_for(run, "No node takes the pod")
    assert words in said
    assert words in cli_says(yard, run.id)
    yard.cancelled(run)


def test_what_is_waited_for_too_long_ends_the_run(own_yard: Yard) -> None:
    own_yard.write_policy(kubernetes="pending_seconds = 3")
    own_yard.start()
    run = own_yard.run("adds", KubernetesRun(cpu=1000))
    state, code, message = own_yard.ended(run)
    assert (state, code) == ("Crashed", "unschedulable")
    assert "Insufficient cpu" in message
    own_yard.stack.until(lambda: own_yard.is_cleared(run), "the Job is removed")


def test_the_quota_of_pods_is_full(own_yard: Yard) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    own_yard.cluster.make("resourcequotas", quota)
    own_yard.start()
    run = own_yard.run("adds")
    assert "exceeded quota" in own_yard.waits_for(run, "quota")
    own_yard.cancelled(run)


def test_the_quota_of_jobs_is_full(own_yard: Yard) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    own_yard.cluster.make("resourcequotas", quota)
    own_yard.cluster.wait_for_quota("none")
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds"))
    assert (state, code) == ("Crashed", "quota_full")
    assert "exceeded quota" in message


def test_the_agent_may_not_make_jobs(own_yard: Yard) -> None:
    own_yard.cluster.take_right("jobs", "create")
    own_yard.start()
    run = own_yard.run("adds")
    state, code, message = own_yard.ended(run)
    assert (state, code) == ("Crashed", "cluster_refused")
    assert "cannot create resource" in message
    assert "cannot create resource" in cli_says(own_yard, run.id)


def test_the_agent_may_see_nothing(own_yard: Yard) -> None:
    """One run is told why; the others wait."""
    own_yard.cluster.take_right("pods", "list")
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds"), 60)
    assert (state, code) == ("Crashed", "cluster_refused")
    assert "cannot list resource" in message


def test_the_agents_token_is_wrong(own_yard: Yard) -> None:
    own_yard.kubeconfig = own_yard.cluster.write_kubeconfig(own_yard.stack.folder, "wrong")
    own_yard.write_policy()
    own_yard.start()
    state, code, message = own_yard.ended(own_yard.run("adds"), 60)
    assert (state, code) == ("Crashed", "cluster_refused")
    assert "Unauthorized" in message


def test_a_service_account_that_is_not_there(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("adds", KubernetesRun(service_account="nobody")))
    assert (state, code) == ("Crashed", "pod_refused")
    assert "nobody" in message


def test_a_folder_that_is_not_there(yard: Yard) -> None:
    run = yard.run("adds", KubernetesRun(job_template="no-folder"))
    assert "/no/such/folder" in yard.waits_for(run, "A volume cannot be mounted")
    yard.cancelled(run)


def test_a_claim_that_is_not_there(yard: Yard) -> None:
    run = yard.run("adds", KubernetesRun(job_template="no-claim"))
    assert "nothing-of-this-name" in yard.waits_for(run, "persistentvolumeclaim")
    yard.cancelled(run)


def test_a_pod_that_is_deleted(yard: Yard) -> None:
    run = yard.run("waits")
    yard.cluster.delete("pods", yard.pod(run)["metadata"]["name"])
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "removed")
    assert "The pod" in message


def test_a_job_that_is_deleted(yard: Yard) -> None:
    run = yard.run("waits")
    yard.pod(run)
    yard.cluster.delete("jobs", yard.cluster.jobs(run)[0]["metadata"]["name"], "/apis/batch/v1")
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "removed")
    assert "The Job" in message


def test_a_job_that_takes_longer_than_its_deadline(yard: Yard) -> None:
    run = yard.run("waits", KubernetesRun(deadline_seconds=8))
    state, code, message = yard.ended(run, 60)
    assert (state, code) == ("Crashed", "job_deadline")
    assert "8 s" in message


def test_a_run_that_needs_more_memory_than_it_has(yard: Yard) -> None:
    run = yard.run("eats", KubernetesRun(memory="160Mi"))
    state, code, _ = yard.ended(run, 60)
    assert (state, code) == ("Crashed", "out_of_memory")
    assert "out_of_memory" in cli_says(yard, run.id) or "more memory" in cli_says(yard, run.id)


def test_a_pod_that_makes_room_for_a_more_important_one(yard: Yard) -> None:
    """The scheduler evicts it."""
    node = yard.cluster.call("GET", "/api/v1/nodes")["items"][0]
    cores = int(node["status"]["allocatable"]["cpu"]) * 0.6
    name = node["metadata"]["labels"]["kubernetes.io/hostname"]
    here = {"kubernetes.io/hostname": name}
    run = yard.run("waits", KubernetesRun(cpu=cores, node_selector=here))
    yard.pod(run)
    with yard.cluster.priority_class() as important:
        container = {"name": "c", "image": yard.image, "command": ["sleep", "60"], "imagePullPolicy": "Never"}
        container["resources"] = {"requests": {"cpu": str(cores)}}
        spec = {"priorityClassName": important, "nodeSelector": here, "containers": [container]}
        pod = {"metadata": {"name": important}, "spec": {**spec, "terminationGracePeriodSeconds": 1}}
        yard.cluster.make("pods", pod)
        state, code, message = yard.ended(run)
        yard.cluster.delete("pods", important)
    assert (state, code) == ("Crashed", "evicted")
    assert important in message


def test_a_process_that_ends_without_a_word(yard: Yard) -> None:
    state, code, message = yard.ended(yard.run("leaves", code=7))
    assert (state, code) == ("Crashed", "exit_code")
    assert "exit code 7" in message


def test_a_job_of_the_same_name(own_yard: Yard) -> None:
    own_yard.start()
    own_yard.stack.kill(own_yard.stack.agents[own_yard.agent])
    run = own_yard.run("adds")
    name = jobs.name_of(f"{run.id}-1")
    container = {"name": "other", "image": own_yard.image, "command": ["true"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    own_yard.cluster.make(
        "jobs", {"metadata": {"name": name}, "spec": {"template": {"spec": pod}}}, "/apis/batch/v1"
    )
    own_yard.start_agent()
    state, code, message = own_yard.ended(run, 60)
    assert (state, code) == ("Crashed", "name_clash")
    assert name in message
    found = own_yard.cluster.call("GET", own_yard.cluster.path(f"jobs/{name}", "/apis/batch/v1"))
    assert found["spec"]["template"]["spec"]["containers"][0]["name"] == "other"


def test_what_the_policy_does_not_admit(yard: Yard) -> None:
    config = KubernetesRun(labels={"team": "a", "network": "database"}, env={"LD_PRELOAD": "/x"})
    state, code, message = yard.ended(yard.run("adds", config))
    assert (state, code) == ("Crashed", "not_admitted")
    assert "LD_PRELOAD" in message


def test_a_template_that_is_not_there(yard: Yard) -> None:
    state, _, message = yard.ended(yard.run("adds", KubernetesRun(job_template="defualt")))
    assert state == "Crashed"
    assert "Did you mean 'default'?" in message
