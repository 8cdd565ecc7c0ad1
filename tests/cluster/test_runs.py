"""Runs in pods: that they come to their end, fail with the step's words, go on after a loss, or are given up."""

import pytest

from medweave.config import Cluster as Settings
from medweave.config import Pod
from medweave.errors import InputError, RunError

pytestmark = pytest.mark.soak


def submit(how, **settings):
    """Submit the small pipeline as `medweave run` submits the training one; returns the run."""
    from zenml.client import Client

    from pipelines.cluster import options
    from tests.cluster.small import small

    small.with_options(run_name=how, **options(Settings(**settings), ["count", "double"]))(how)
    (run,) = Client().list_pipeline_runs(pipeline="small", sort_by="desc:created", size=1).items
    return run


def wait(run, patience=600):
    from zenml.client import Client

    from pipelines.waiting import wait_for

    wait_for(run.id, patience)
    return Client().get_pipeline_run(run.id)


def test_a_step_that_failed_once_is_done_by_its_second_pod(stack, cluster):
    run = wait(submit("at the second try", pod=Pod(retries=1)))
    assert run.status.value == "completed"
    assert run.steps["double"].outputs["output"][0].load() == 12
    pods = [pod for pod in cluster.objects["pods"].values() if pod["metadata"]["labels"].get("step_name") == "double"]
    assert len(pods) == 2
    assert pods[0]["status"]["phase"] == "Failed"


def test_a_run_that_fails_says_so_in_the_steps_own_words(stack, cluster):
    from pipelines.launch import raise_if_failed

    run = wait(submit("never", pod=Pod(retries=0)))
    assert (run.status.value, run.steps["count"].status.value) == ("failed", "completed")
    with pytest.raises(InputError, match=r"scan-6\.png: is truncated; copy it again"):
        raise_if_failed(run)


def test_a_step_that_no_node_takes_ends_the_run(stack, cluster):
    run = submit("well", steps={"count": Pod(gpus=1)})
    with pytest.raises(RunError, match=r"step count: no node takes its pod: 0/1 nodes .* Insufficient nvidia.com/gpu"):
        wait(run, patience=0.1)
    assert wait(run).status.value == "failed"
    assert cluster.objects["jobs"] == {}
