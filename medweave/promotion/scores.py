"""Per-image scores of a registered version on a test set: those on record, or measured anew and put on record."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError
from medweave.segmentation import Evaluation, Segmenter, evaluate_segmenter
from medweave.tracking import RegisteredVersion, logged_segmenter, resolve_model
from medweave.version import code_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient

Role = Literal["final", "gold_only"]
FOLDER = "scores"


def write_scores(folder: Path, role: Role, test: ImageTable, evaluation: Evaluation) -> Path:
    """Write the scores as a file whose name says of what model and test set they are; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(role, test)
    evaluation.to_frame().to_parquet(path, index=False)
    return path


def scores_of(
    client: MlflowClient, version: RegisteredVersion, role: Role, test: ImageTable, settings: Settings
) -> Evaluation:
    """The scores of a version's final model, or of the gold-only model of its run, on this very test set.

    The model is measured again for a test set that changed, and by other code than measured it. Raises InputError when
    the model's files are gone.
    """
    if version.run_id is None:
        raise InputError(f"{version.model_uri}: was not registered by medweave; choose another version")
    found = _recorded(client, version.run_id, f"{FOLDER}/{_name(role, test)}")
    if found is not None:
        return found
    if role == "final":
        folder = resolve_model(client, version.model_uri)
    else:
        folder = logged_segmenter(client, version.run_id, role)
    measured = evaluate_segmenter(Segmenter.load(folder, settings.compute), test, settings)
    with tempfile.TemporaryDirectory() as made:
        client.log_artifact(version.run_id, str(write_scores(Path(made), role, test, measured)), FOLDER)
    return measured


def _name(role: Role, test: ImageTable) -> str:
    return f"{role}-{test.digest[:24]}-{code_digest('data', 'segmentation')[:8]}.parquet"


def _recorded(client: MlflowClient, run_id: str, path: str) -> Evaluation | None:
    if path not in [file.path for file in client.list_artifacts(run_id, FOLDER)]:
        return None
    with tempfile.TemporaryDirectory() as folder:
        frame = pd.read_parquet(client.download_artifacts(run_id, path, folder))
    return Evaluation.from_frame(frame)
