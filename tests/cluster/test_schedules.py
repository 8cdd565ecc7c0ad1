"""Schedules of the training pipeline as CronJobs: made, replaced, changed, paused and deleted."""

import pytest

from medweave.config import Settings
from medweave.errors import InputError
from pipelines import schedules

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
