"""A pipeline run as an MLflow run: settings, metrics, curves, datasets and files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from medweave.errors import RunError, first_line
from medweave.tracking.store import experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

Context = Literal["gold", "unlabeled", "weak", "synthetic", "test"]

METRICS_A_BATCH = 1000
PARAMS_A_BATCH = TAGS_A_BATCH = 100
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_DIGEST = 36


@dataclass(frozen=True)
class DatasetRecord:
    """One dataset that went into a run.

    `digest` is the SHA-256 of its content, `rows` its number of images, `source` where it is, `counts` how many labels
    it has by decision, `columns` the names of its columns and their types in MLflow's words.
    """

    name: str
    context: Context
    digest: str
    rows: int
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """All that MLflow keeps of a run.

    `settings` may be nested; `curves` maps a name to (step, value) pairs; `artifacts` are local files and folders;
    `started` and `ended` are ms since 1970 (None: now).
    """

    task: str
    name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    datasets: Sequence[DatasetRecord] = ()
    artifacts: Sequence[Path] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    started: int | None = None
    ended: int | None = None


def log_run(client: MlflowClient, run: RunRecord) -> str:
    """Log a run to the task's experiment and return its MLflow id; the run is FAILED if logging breaks off."""
    made = client.create_run(experiment(client, run.task), start_time=run.started, run_name=run.name)
    run_id = str(made.info.run_id)
    status = "FAILED"
    try:
        _log(client, run_id, run)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status, end_time=run.ended)
    return run_id


def log_files(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Put all files of a folder among those of a run. Raises RunError when MLflow does not take them."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_artifacts(run_id, str(folder))
    except (MlflowException, OSError) as error:
        raise RunError(f"MLflow did not take them ({first_line(error)}); see that it answers") from None


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as `section.key` to text: strings as they are, all else as JSON."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return flat


def _log(client: MlflowClient, run_id: str, run: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = run.ended or time.time_ns() // 1_000_000
    metrics = [Metric(name, value, now, 0) for name, value in run.metrics.items()]
    metrics += [Metric(name, value, now, step) for name, curve in run.curves.items() for step, value in curve]
    params = [Param(key, value[:LONGEST_PARAM]) for key, value in flatten(run.settings).items()]
    tags = [RunTag(key, value[:LONGEST_TAG]) for key, value in run.tags.items()]

    for batch in _batches(metrics, METRICS_A_BATCH):
        client.log_batch(run_id, metrics=batch)
    for batch in _batches(params, PARAMS_A_BATCH):
        client.log_batch(run_id, params=batch)
    for batch in _batches(tags, TAGS_A_BATCH):
        client.log_batch(run_id, tags=batch)
    if run.datasets:
        client.log_inputs(run_id, datasets=[_dataset_input(dataset) for dataset in run.datasets])
    for path in run.artifacts:
        client.log_artifact(run_id, str(path))


def _dataset_input(dataset: DatasetRecord) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    scheme = urlsplit(dataset.source).scheme
    columns = [{"name": name, "type": kind, "required": False} for name, kind in dataset.columns.items()]
    entity = Dataset(
        name=dataset.name,
        digest=dataset.digest[:LONGEST_DIGEST],
        source_type="local" if scheme in ("", "file") else scheme,
        source=json.dumps({"url" if scheme in ("http", "https") else "uri": dataset.source}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": dataset.rows, **dataset.counts}),
    )
    tags = [InputTag("mlflow.data.context", dataset.context), InputTag("medweave.digest", dataset.digest)]
    return DatasetInput(entity, tags)


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
