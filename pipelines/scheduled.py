"""What schedules of one machine do: only where there is something new, one at a time, and someone is told."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medweave.config import Settings
from medweave.data.corrections import store_of
from medweave.data.ingest import ingest
from medweave.errors import InputError, RunError
from medweave.home import home
from medweave.labeling.recipe import configured_recipe
from medweave.notifying import notify
from medweave.scheduling import LastRun, held, last_run
from medweave.version import code_digest

NOT_RELEVANT = ("cluster", "monitoring", "tracking")
"""Sections of the settings that do not decide about the model."""
GOING_ON = "{}: the run before is still going on; nothing is started"


def retrain(name: str, settings: Settings, output: Path, train: Callable[[Settings, Path], dict[str, Any]]) -> str:
    """Train if images, masks, settings or code changed since the schedule's last completed run; how it ended.

    A run of this schedule that is still going on is left alone. What `train` raises is told and raised again.
    """
    with held(name) as alone:
        if not alone:
            return GOING_ON.format(name)
        with _failures_told(settings.task):
            made_from = fingerprint(settings)
            before = last_run(name)
            if before is not None and before.fingerprint == made_from:
                text = f"nothing relevant has changed since the last run, which ended so: {before.result}"
                notify(settings.task, "unchanged", text)
                return f"{name}: {text}"
            model = train(settings, output)["model"]
        result = f"{model['name']} version {model['version']}: {model['reason']}"
        last_run(name, LastRun(made_from, result))
        notify(settings.task, "success", result)
        return f"{name}: {result}"


def watch(name: str, settings: Settings, monitor: Callable[[], dict[str, Any]]) -> str:
    """Judge what is new, by `monitor`, unless the schedule's run before is going on; how it ended.

    The pipeline tells of a drift; what `monitor` raises is told and raised again.
    """
    with held(name) as alone:
        if not alone:
            return GOING_ON.format(name)
        with _failures_told(settings.task):
            batch = monitor()
    return f"{name}: {batch['verdict']['level']}, {batch['images']} new images"


@contextmanager
def _failures_told(task: str) -> Iterator[None]:
    try:
        yield
    except (InputError, RunError) as error:
        notify(task, "failure", str(error))
        raise
    except Exception as error:
        notify(task, "failure", f"{type(error).__name__}: {error}")
        raise


def fingerprint(settings: Settings) -> str:
    """SHA-256 of all that a run depends on: images, masks, groups, corrections, the labeler, settings and code."""
    corrections = store_of(settings.data, settings.task)
    with tempfile.TemporaryDirectory() as folder:
        found = ingest(
            settings.data, settings.seed, Path(folder), settings.compute.shard_rows, home() / "phantoms", corrections
        )
        tables = {split: table.digest for split, table in sorted(found.tables.items())}
    of_model = settings.model_dump(mode="json", exclude=set(NOT_RELEVANT))
    made_from = [code_digest(), of_model, configured_recipe(settings), tables]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
