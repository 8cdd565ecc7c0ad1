"""Start the monitoring pipeline on a folder, wait for it, and start the retraining that it asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medweave.config import Settings
from medweave.errors import InputError
from medweave.progress import say
from pipelines import cluster, store
from pipelines.launch import (
    check_writable,
    new_name,
    raise_if_failed,
    run_training,
    runs_named,
    show,
    write_result,
)
from pipelines.waiting import wait_for


def require_uris(images: str, labels: str | None) -> None:
    """Raise InputError for a folder that pods would not find."""
    for option, told in (("--images", images), ("--labels", labels)):
        if told is not None and "://" not in told:
            raise InputError(f"{option} {told}: pods do not see folders of this machine; give a URI such as s3://…")


def run_monitoring(
    settings: Settings, images: str, since: str | None, labels: str | None, output: Path, debug: bool = False
) -> dict[str, Any]:
    """Judge one batch; writes drift.html and drift.json (`Batch.to_json`) into `output` and returns the latter.

    `since` is a time in ISO 8601, `last` (what no batch had yet), or None. Where no image is new `images` is 0.

    A retraining that was decided on runs before this returns, its results in `output`/retraining. Raises InputError or
    RunError with the failed step's own message, and InputError for an `output` that cannot be written, before the batch
    is looked at.
    """
    check_writable(output)
    store.configure(debug)
    from zenml.exceptions import RunInterruptedException

    from pipelines.monitoring import monitoring
    from steps.refresh import refresh

    name = new_name(f"{settings.task}-monitoring")
    given = settings, images, since, labels, False
    if cluster.is_kubernetes():
        require_uris(images, labels)
    try:
        monitoring.with_options(run_name=name, **cluster.of_pipeline(settings, monitoring, *given))(*given)
    except RunInterruptedException:
        raise KeyboardInterrupt from None
    except Exception:
        if debug or not runs_named(name) or cluster.is_kubernetes():
            raise
    if cluster.is_kubernetes():
        wait_for(runs_named(name)[0].id, settings.cluster.wait)
    refresh(settings)
    run = runs_named(name)[0]
    raise_if_failed(run)
    batch: dict[str, Any] = store.artifact(run, "judge_batch", "batch")
    write_result(output / "drift.html", store.artifact(run, "judge_batch", "drift_page"))
    write_result(output / "drift.json", json.dumps(batch, indent=1))
    retraining = store.artifact(run, "decide_retraining", "retraining")
    if retraining["start"]:
        say(f"retraining: {retraining['reason']}")
        show(run_training(settings, output / "retraining", debug), output / "retraining")
    elif batch["verdict"]["level"] == "drift":
        say(f"no retraining: {retraining['reason']}")
    return batch
