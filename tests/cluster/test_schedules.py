"""Schedules as CronJobs: made, replaced, changed, paused, deleted, and started out of their time."""

import json

import pytest
from zenml.orchestrators.exceptions import PipelineSubmissionError

from medweave.config import Settings
from medweave.errors import InputError, RunError
from pipelines import schedules
from steps.start_retraining import start_retraining

TASK = Settings(task="tiny")


def test_a_schedule_from_its_making_to_its_end(stack, cluster):
    jobs = cluster.objects["cronjobs"]
    assert schedules.on_cluster()
    assert schedules.create("weekly", "0 3 * * 0", TASK) is False
    ((first, job),) = jobs.items()
    assert (job["spec"]["schedule"], job["spec"]["concurrencyPolicy"]) == ("0 3 * * 0", "Forbid")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "orchestrator"
    assert schedules.listed() == [("weekly", "0 3 * * 0", True)]

    assert schedules.create("weekly", "0 4 * * 0", TASK) is True
    ((second, job),) = jobs.items()
    assert (second != first, job["spec"]["schedule"]) == (True, "0 4 * * 0")
    schedules.update("weekly", cron="5 5 * * *")
    schedules.update("weekly", active=False)
    assert (job["spec"]["schedule"], job["spec"]["suspend"]) == ("5 5 * * *", True)
    assert schedules.listed() == [("weekly", "5 5 * * *", False)]
    schedules.update("weekly", active=True)
    assert job["spec"]["suspend"] is False
    schedules.delete("weekly")
    assert (jobs, schedules.listed()) == ({}, [])
    with pytest.raises(InputError, match="weekly: no such schedule on this stack; there are: none"):
        schedules.update("weekly", active=True)


def test_without_the_right_to_make_cron_jobs_nothing_is_left(stack, cluster):
    cluster.denied = {"create cronjobs"}
    with pytest.raises(InputError, match="rights: in medweave you may not create cronjobs"):
        schedules.create("weekly", "0 3 * * 0", TASK)
    assert schedules.listed() == []


def test_a_schedule_stays_where_another_cannot_take_its_place(stack, cluster):
    schedules.create("weekly", "0 3 * * 0", TASK)
    before = json.dumps(cluster.objects["cronjobs"])
    cluster.over_quota = {"create cronjobs"}
    for name in ("weekly", "other"):
        with pytest.raises(PipelineSubmissionError, match="exceeded quota: cronjobs"):
            schedules.create(name, "0 4 * * 0", TASK)
        assert schedules.listed() == [("weekly", "0 3 * * 0", True)]
        assert json.dumps(cluster.objects["cronjobs"]) == before
    cluster.over_quota = set()
    assert schedules.create("weekly", "0 4 * * 0", TASK) is True
    assert schedules.listed() == [("weekly", "0 4 * * 0", True)]
    assert [job["spec"]["schedule"] for job in cluster.objects["cronjobs"].values()] == ["0 4 * * 0"]
    schedules.delete("weekly")


def test_corrections_go_where_pods_see_them(stack):
    from pipelines.cluster import require_seen_corrections

    with pytest.raises(InputError, match=r"data\.corrections: the run kept none in object storage"):
        require_seen_corrections(TASK)
    for data in ({"corrections": "s3://zenml/corrections"}, {"root": "s3://zenml/data", "corrections": "corrections"}):
        require_seen_corrections(Settings(task="tiny", data=data))


@pytest.fixture
def scheduled():
    """Makes schedules of the training pipeline that are gone after the test."""
    names = []

    def make(name, settings):
        schedules.create(name, "0 3 * * 0", settings)
        names.append(name)

    yield make
    for name in names:
        schedules.delete(name)


def test_monitoring_wants_images_that_pods_see_and_a_schedule_to_start(stack, cluster, scheduled):
    retraining = Settings(task="tiny", monitoring={"retrain": True})
    for settings, images, told in (
        (TASK, "/new", "--images /new: pods do not see folders of this machine"),
        (retraining, "s3://zenml/new", "tiny: with monitoring.retrain a drift starts the schedule that trains"),
    ):
        with pytest.raises(InputError, match=told):
            schedules.create_monitoring("daily", "0 6 * * *", settings, images, None)
    scheduled("weekly", TASK)
    assert schedules.create_monitoring("daily", "0 6 * * *", retraining, "s3://zenml/new", None) is False
    assert {name for name, *_ in schedules.listed()} == {"weekly", "daily"}
    schedules.delete("daily")


def command(spec):
    (container,) = spec["template"]["spec"]["containers"]
    return container["args"]


def snapshot_of(arguments):
    """How the runs are named that a pod with these arguments makes."""
    from zenml.client import Client

    return Client().get_snapshot(arguments[arguments.index("--snapshot_id") + 1]).run_name_template


def test_a_drift_starts_the_tasks_own_schedule_once_for_a_cause(stack, cluster, scheduled):
    drift = {"start": True, "reason": "drift in image.noise higher", "cause": "models:/m/1: image.noise higher"}
    with pytest.raises(RunError, match="tiny: a drift asks for retraining, and there is no active schedule"):
        start_retraining.entrypoint(drift, "tiny")
    scheduled("other", Settings(task="other"))
    scheduled("weekly", TASK)
    cluster.refusal = "no pod in this test"
    start_retraining.entrypoint({**drift, "start": False}, "tiny")
    assert cluster.objects["jobs"] == {}
    for _ in range(2):
        start_retraining.entrypoint(drift, "tiny")
    ((name, job),) = cluster.objects["jobs"].items()
    (cron_job,) = [of for of in cluster.objects["cronjobs"].values() if name.startswith(of["metadata"]["name"])]
    assert command(job["spec"]) == command(cron_job["spec"]["jobTemplate"]["spec"])
    assert snapshot_of(command(job["spec"])) == "tiny-{date}-{time}"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("CronJob", cron_job["metadata"]["uid"])
    cron_job["status"]["active"] = [{"name": "a run"}]
    start_retraining.entrypoint({**drift, "cause": "models:/m/1: image.contrast lower"}, "tiny")
    assert len(cluster.objects["jobs"]) == 1
