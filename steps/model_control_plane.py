"""The run's version in ZenML's Model Control Plane and its MLflow run and registered version: each names the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zenml import log_metadata
from zenml.client import Client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from zenml.models import ModelVersionResponse

    from medweave.tracking import Sent

TAG = "zenml_model_version"


def name_each_other(
    mlflow: MlflowClient, sent: Sent, version: ModelVersionResponse, labels: Mapping[str, Mapping[str, Any]]
) -> None:
    """Log the MLflow side and the label counts as metadata in ZenML, with a tag a label source; tag the MLflow side.

    A registered version that an earlier run made already keeps that run's name.
    """
    counts = {name: dict(count) for name, count in labels.items()}
    names = {"mlflow_run_id": sent.run_id, "mlflow_model": sent.version.model_uri}
    log_metadata(metadata={**names, "labels": counts}, model_version_id=version.id)
    sources = [f"{source} labels" for source, count in labels.items() if count["learned"]]
    Client().update_model_version(version.model.id, version.id, add_tags=sources)
    name = f"{version.model.name}/{version.name}"
    mlflow.set_tag(sent.run_id, TAG, name)
    if TAG not in sent.version.tags:
        mlflow.set_model_version_tag(sent.version.name, str(sent.version.version), TAG, name)
