"""Promotion from the command line: the version that is meant, and the test set that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medweave import promotion
from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError
from medweave.tracking import PromotionDecision, RegisteredVersion, find_version, version_of_run
from pipelines.references import settings_of, tracking_of
from pipelines.store import artifact, completed_runs, find_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


def promote_reference(reference: str, forced: str | None) -> PromotionDecision:
    """Judge a version on the test set of its task's newest completed run and carry the decision out.

    The gate is that of the newest run's settings. `forced` is the reason to promote against the gate. Raises
    InputError for a reference that names no version, and when no run of the task is left to take the test set from.
    """
    client = tracking_of(reference)
    version = _version(client, reference)
    test, settings = _current_test(version.name)
    return promotion.promote(client, promotion.judge(client, version, test, settings), forced)


def _version(client: MlflowClient, reference: str) -> RegisteredVersion:
    if reference.startswith("run:"):
        return version_of_run(client, str(find_run(reference).id))
    return find_version(client, reference)


def _current_test(name: str) -> tuple[ImageTable, Settings]:
    for run in completed_runs():
        settings = settings_of(run)
        if settings.model_name == name:
            return artifact(run, "ingest", "test"), settings
    raise InputError(
        f"{name}: no completed run of this task is here to take the test set from; run 'medweave run' first"
    )
