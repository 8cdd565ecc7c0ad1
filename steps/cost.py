"""What a run has cost: seconds and memory."""

from __future__ import annotations

import resource
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

LABEL_STEPS = "label_"


def label_seconds(run: PipelineRunResponse) -> float:
    """Seconds that labelling took in this run; reused steps took none."""
    steps = [step for name, step in run.steps.items() if name.startswith(LABEL_STEPS)]
    return sum(
        (step.end_time - step.start_time).total_seconds()
        for step in steps
        if step.status == ExecutionStatus.COMPLETED and step.start_time and step.end_time
    )


def seconds_since_start(run: PipelineRunResponse) -> float:
    """Seconds since this run started (ZenML's times are UTC); 0 when it has not."""
    return 0.0 if run.start_time is None else (datetime.now(UTC).replace(tzinfo=None) - run.start_time).total_seconds()


def peak_memory_mb() -> int:
    """Most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
