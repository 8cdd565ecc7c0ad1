"""The lineage of one model: its run's facts, how its labels were made, how it was measured, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medweave.errors import InputError
from medweave.tracking.lineage_files import Lineage, exists, open_lineage
from medweave.tracking.registry import RegisteredVersion, aliases_of, find_version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def run_of(client: MlflowClient, zenml_run_id: str) -> str:
    """The MLflow run that recorded a pipeline run. Raises InputError when there is none."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.zenml_run_id = '{zenml_run_id}'", max_results=1)
    if not found:
        raise InputError(f"run:{zenml_run_id}: MLflow has no record of it; send kept records with 'medweave runs sync'")
    return str(found[0].info.run_id)


def version_of_run(client: MlflowClient, zenml_run_id: str) -> RegisteredVersion:
    """The version that a pipeline run registered, or found registered. Raises InputError when there is none."""
    reference = client.get_run(run_of(client, zenml_run_id)).data.tags.get("medweave.version", "")
    if not reference:
        raise InputError(f"run:{zenml_run_id}: registered no model; choose a completed run")
    return find_version(client, reference)


def describe(client: MlflowClient, reference: str, run_id: str, version: RegisteredVersion | None) -> dict[str, Any]:
    """What made a model, JSON-serialisable.

    `reference`, `mlflow_run_id`, `model`, `version`, `aliases` and `tags` of the registry (None and empty for a run
    that made no version), `metrics`, `facts` (None when lost), `makings` (see `Lineage.makings`), `labels_uri`, and
    `missing`, a line for everything that is gone.
    """
    missing: list[str] = []
    facts, makings, labels_uri = None, [], None
    try:
        lineage = open_lineage(client, run_id)
        facts, labels_uri = lineage.facts, lineage.labels_uri
        missing += _lost_tables(lineage)
        makings = lineage.makings()
    except InputError as error:
        missing.append(str(error))
    if version is not None:
        uri = str(client.get_model_version_download_uri(version.name, str(version.version)))
        if not uri.startswith("mlflow-artifacts:") and not exists(uri):
            missing.append(f"{uri}: the model's files are missing; choose another version to predict with")
    aliases = {} if version is None else aliases_of(client, version.name)
    return {
        "reference": reference,
        "mlflow_run_id": run_id,
        "model": version and version.name,
        "version": version and version.version,
        "aliases": sorted(alias for alias, number in aliases.items() if version and number == version.version),
        "tags": dict(version.tags) if version else {},
        "metrics": metrics_of(client, run_id),
        "facts": facts,
        "makings": makings,
        "labels_uri": labels_uri,
        "missing": missing,
    }


def metrics_of(client: MlflowClient, run_id: str) -> dict[str, float]:
    """What a run measured on the test set."""
    from mlflow.exceptions import MlflowException

    try:
        metrics = client.get_run(run_id).data.metrics
    except MlflowException:
        return {}
    return {name: value for name, value in metrics.items() if name.startswith("test/")}


def _lost_tables(lineage: Lineage) -> list[str]:
    tables = lineage.facts["datasets"].items()
    return [
        f"{one['where']}: the table of {name} images is missing" for name, one in tables if not exists(one["where"])
    ]
