"""A pipeline of two steps, the second of which can fail for good or at its first try."""

import os
from pathlib import Path

from zenml import pipeline, step
from zenml.enums import ExecutionMode

from medweave.errors import InputError


@step(enable_cache=False)
def count() -> int:
    """Six."""
    return 6


@step(enable_cache=False)
def double(number: int, how: str) -> int:
    """Twice the number; `how` is `well`, `never` or `at the second try`."""
    seen = Path(os.environ["MEDWEAVE_HOME"]) / "seen"
    first = not seen.exists()
    seen.write_text("")
    if how == "never" or (how == "at the second try" and first):
        raise InputError(f"scan-{number}.png: is truncated; copy it again")
    return 2 * number


@pipeline(name="small", execution_mode=ExecutionMode.FAIL_FAST, enable_cache=False)
def small(how: str) -> None:
    """Count, then double."""
    double(count(), how)
