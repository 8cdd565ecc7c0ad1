"""The runs of a task, found by their names."""

from __future__ import annotations

import re
from itertools import count
from typing import Literal

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse

PipelineName = Literal["training", "monitoring"]
PIPELINES: dict[PipelineName, str] = {"training": "", "monitoring": "monitoring-"}
"""The pipelines of a task, and what comes between the task and the time in the names of their runs."""


def scheduled_name(task: str, pipeline: PipelineName) -> str:
    """How ZenML is to name the runs of a schedule."""
    return f"{task}-{PIPELINES[pipeline]}{{date}}-{{time}}"


def newest_run(task: str, pipeline: PipelineName, status: ExecutionStatus | None = None) -> PipelineRunResponse | None:
    """The newest run of a task's pipeline, of those of this status if one is given; None where there is none."""
    start = f"{task}-{PIPELINES[pipeline]}"
    named = re.compile(rf"{re.escape(start)}[\d_]{{8,}}-")
    for page in count(1):
        found = Client().list_pipeline_runs(
            pipeline=pipeline, name=f"startswith:{start}", status=status, sort_by="desc:created", page=page
        )
        for run in found.items:
            if named.match(run.name):
                return run
        if page >= found.total_pages:
            return None
    return None
