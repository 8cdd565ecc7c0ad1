"""Bring what shows a monitored task up to date: Evidently's workspace and the metrics for Prometheus."""

from __future__ import annotations

from datetime import UTC

from mlflow.exceptions import MlflowException
from zenml.enums import ExecutionStatus

from medweave.config import Settings
from medweave.errors import InputError, RunError, first_line
from medweave.monitoring import (
    RunState,
    is_monitored,
    monitoring_folder,
    reviewed_batches,
    store_of,
    update_workspace,
    versions_of,
    write_metrics,
)
from medweave.progress import say
from medweave.shared import shared
from medweave.tracking import connect
from steps.runs import PIPELINES, newest_run

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
    with shared(monitoring_folder(settings)):
        if not is_monitored(settings):
            return
        try:
            store, versions = store_of(settings), versions_of(connect(settings.tracking), settings.model_name)
            reviewed = reviewed_batches(store)
            update_workspace(store, versions, reviewed, settings)
            write_metrics(store, versions, reviewed, newest_runs(settings.task), settings)
        except (InputError, RunError, MlflowException) as error:
            say(f"warning: the dashboards are not up to date: {first_line(error)}")


def newest_runs(task: str) -> list[RunState]:
    """The newest run of each pipeline of a task, where there is one; ZenML's times are UTC without saying so."""
    found = {pipeline: newest_run(task, pipeline) for pipeline in PIPELINES}
    return [
        RunState(pipeline, STATES.get(run.status, "running"), run.created.replace(tzinfo=UTC).timestamp())
        for pipeline, run in found.items()
        if run is not None
    ]
