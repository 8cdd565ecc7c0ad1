"""Runs in pods: that they come to their end, fail with the step's words, go on after a loss, or are given up."""

import json
import time
from types import SimpleNamespace

import pytest
from kubernetes.client import ApiClient

from medweave.config import Cluster as Settings
from medweave.config import Pod
from medweave.errors import InputError, RunError
from pipelines.waiting import ending, wait_for


def submit(how, schedule=None, **settings):
    """Submit the small pipeline as `medweave run`, or `medweave schedule`, submits the training one."""
    from pipelines.cluster import options
    from tests.cluster.small import small

    given = options(Settings(**settings), ["label_some", "count"])
    small.with_options(run_name=f"{how}-{{date}}-{{time}}", schedule=schedule, **given)(how)


def run_of(how):
    from zenml.client import Client

    return next(iter(Client().list_pipeline_runs(name=f"startswith:{how}-", sort_by="desc:created").items), None)


def wait(run):
    from zenml.client import Client

    wait_for(run.id, 600)
    return Client().get_pipeline_run(run.id)


def pods_of(cluster, step):
    pods = cluster.objects["pods"].values()
    return [pod for pod in pods if pod["metadata"]["labels"].get("step_name") == step]


def test_a_scheduled_run_goes_on_when_a_pod_is_killed_while_it_labels(stack, cluster):
    from zenml.config.schedule import Schedule

    from pipelines import schedules

    weekly = Schedule(name="weekly", cron_expression="0 3 * * 0")
    submit("killed", schedule=weekly, pod=Pod(retries=1))
    assert run_of("killed") is None
    (job,) = cluster.objects["cronjobs"]
    cluster.finish(cluster.tick(job))
    run = run_of("killed")
    assert (run.status.value, run.schedule.name) == ("completed", "weekly")
    assert [pod["status"]["phase"] for pod in pods_of(cluster, "label_some")] == ["Failed", "Succeeded"]
    made, labelled_here = (run.steps["label_some"].outputs[f"output_{k}"][0].load() for k in range(2))
    assert (made, labelled_here) == (3, 2)
    assert run.steps["count"].outputs["output"][0].load() == 3
    schedules.delete("weekly")


def test_a_run_that_fails_says_so_in_the_steps_own_words(stack, cluster):
    from pipelines.launch import raise_if_failed

    submit("never", pod=Pod(retries=0))
    run = wait(run_of("never"))
    assert (run.status.value, run.steps["label_some"].status.value) == ("failed", "completed")
    with pytest.raises(InputError, match=r"scan-3\.png: is truncated; copy it again"):
        raise_if_failed(run)


def test_of_a_step_that_ended_without_a_word_the_end_of_its_log_is_told(stack, cluster):
    from pipelines.launch import raise_if_failed

    submit("mute", pod=Pod(retries=1))
    run = wait(run_of("mute"))
    (_, last) = (pod["metadata"]["name"] for pod in pods_of(cluster, "count"))
    with pytest.raises(RunError, match=rf"^step count: its pod ended with: cannot allocate \(pod {last} in "):
        raise_if_failed(run)
    del cluster.logs[last]
    with pytest.raises(RunError, match=rf"^step count: its pod ended without a word \(pod {last} in "):
        raise_if_failed(run)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "its pod was lost: Evicted: low on disk"),
        ({"phase": "Failed"}, "its pod ended without a word"),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]},
            "its pod was killed, as it took more memory than it has; raise cluster.steps.count.memory",
        ),
    ],
)
def test_what_became_of_a_pod_is_told(status, told):
    containers = [
        {"name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        | {"state": {"terminated": {"exitCode": 137, **one["state"]["terminated"]}}}
        for one in status.get("containerStatuses", [])
    ]
    pod = {"status": {**status, "containerStatuses": containers}}
    read = ApiClient().deserialize(SimpleNamespace(data=json.dumps(pod)), "V1Pod")
    assert ending(read, "\n \n", "count") == told


def test_a_step_that_no_node_takes_ends_the_run_though_the_server_was_away_meanwhile(stack, cluster):
    submit("well", steps={"label_some": Pod(gpus=1)})
    happens = iter([cluster.stop, cluster.start])
    with pytest.raises(RunError, match=r"step label_some: no node takes its pod: 0/1 .* Insufficient nvidia.com/gpu"):
        wait_for(run_of("well").id, 5.0, lambda _: next(happens, lambda: time.sleep(0.5))())
    assert wait(run_of("well")).status.value == "failed"
    assert cluster.objects["jobs"] == {}


def test_a_run_that_is_refused_leaves_the_results_of_the_one_before(stack, cluster, tmp_path):
    from medweave.config import Settings as Task
    from pipelines.launch import run_training

    (tmp_path / "report.html").write_text("before")
    cluster.denied = {"create jobs"}
    with pytest.raises(InputError, match="you may not create jobs"):
        run_training(Task(task="tiny"), tmp_path)
    assert (tmp_path / "report.html").read_text() == "before"
