"""From a reference on the command line (`run:…`, `models:/…`, a folder) to the thing itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from medweave.config import Settings, Tracking
from medweave.data import ImageTable, write_table
from medweave.errors import InputError
from medweave.segmentation import Segmenter
from medweave.tracking import connect, resolve_model
from pipelines.store import artifact, find_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from zenml.models import PipelineRunResponse


def segmenter_of(reference: str) -> Segmenter:
    """The model that a run made, a version of a registered model, or a segmenter's folder."""
    if reference.startswith("run:"):
        final: Segmenter = artifact(find_run(reference), "train_final", "final")
        return final
    if reference.startswith("models:/"):
        return Segmenter.load(resolve_model(connect(Tracking()), reference))
    if Path(reference).is_dir():
        return Segmenter.load(Path(reference))
    raise InputError(
        f"{reference}: not a model; write run:latest, run:ID, models:/NAME@champion or models:/NAME/VERSION"
    )


def tracking_of(reference: str) -> MlflowClient:
    """A client of the store that `run:…` named in `tracking.uri`; of anything else, of the environment's or our own.

    Raises InputError as `settings_of`, and for a store that MLflow cannot open.
    """
    return connect(settings_of(find_run(reference)).tracking if reference.startswith("run:") else Tracking())


@contextmanager
def labels_of(reference: str) -> Iterator[tuple[ImageTable, Settings]]:
    """All labels that a run made, weak and synthetic, and the run's settings."""
    run = find_run(reference)
    settings = settings_of(run)
    tables = [artifact(run, "check_labels", "weak")]
    if "check_synthetic" in run.steps:
        tables.append(artifact(run, "check_synthetic", "synthetic"))
    with tempfile.TemporaryDirectory() as folder:
        yield write_table(folder, chain(*tables)), settings


def weak_labels_of(reference: str) -> tuple[ImageTable, Settings, str]:
    """The checked labels of a run's unlabeled images, the run's settings and its id."""
    run = find_run(reference)
    weak: ImageTable = artifact(run, "check_labels", "weak")
    return weak, settings_of(run), str(run.id)


def settings_of(run: PipelineRunResponse) -> Settings:
    """The settings of a training run, whole as they were. Raises InputError for one that ended before labels were used.

    Steps before that have parts of them, and the pipeline those that were given, without defaults.
    """
    for step in ("report", "check_drift"):
        if step in run.steps:
            return Settings.model_validate(run.steps[step].config.parameters["settings"])
    raise InputError(f"run:{run.id}: ended before its labels were checked; give a run that got further")
