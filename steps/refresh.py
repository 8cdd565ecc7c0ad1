"""Bring what shows a monitored task up to date: Evidently's workspace and the metrics for Prometheus."""

from __future__ import annotations

import re

from mlflow.exceptions import MlflowException
from zenml.client import Client
from zenml.enums import ExecutionStatus

from medweave.config import Settings
from medweave.errors import InputError, RunError
from medweave.monitoring import (
    RunState,
    is_monitored,
    reviewed_batches,
    store_of,
    update_workspace,
    versions_of,
    write_metrics,
)
from medweave.progress import say
from medweave.tracking import connect

PIPELINES = {"training": "", "monitoring": "monitoring-"}
"""The pipelines of a task, and what comes between the task and the time in the names of their runs."""
STATES = {
    ExecutionStatus.COMPLETED: "completed",
    ExecutionStatus.CACHED: "completed",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.STOPPED: "failed",
}


def refresh(settings: Settings) -> None:
    """Take up batches, versions and the state of the newest runs; nothing before the task's first batch.

    When a store is out of reach this is only warned of: the next batch brings all up to date.
    """
    if not is_monitored(settings):
        return
    try:
        store, versions = store_of(settings), versions_of(connect(settings.tracking), settings.model_name)
        reviewed = reviewed_batches(store)
        update_workspace(store, versions, reviewed, settings)
        write_metrics(store, versions, reviewed, newest_runs(settings.task), settings)
    except (InputError, RunError, MlflowException) as error:
        say(f"warning: the dashboards are not up to date: {str(error).splitlines()[0]}")


def newest_runs(task: str) -> list[RunState]:
    """The newest run of each pipeline of a task, where there is one."""
    found = []
    for pipeline, between in PIPELINES.items():
        start = f"{task}-{between}"
        runs = Client().list_pipeline_runs(pipeline=pipeline, name=f"startswith:{start}", sort_by="desc:created")
        for run in (run for run in runs.items if re.match(rf"{re.escape(start)}\d{{8}}-", run.name)):
            found.append(RunState(pipeline, STATES.get(run.status, "running"), run.created.timestamp()))
            break
    return found
