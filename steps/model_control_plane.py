"""The run's version in ZenML's Model Control Plane and its MLflow run and registered version: each names the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zenml import get_step_context, log_metadata
from zenml.client import Client

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from medweave.tracking import Sent

TAG = "zenml_model_version"


def name_each_other(mlflow: MlflowClient, sent: Sent, labels: Mapping[str, Mapping[str, Any]]) -> None:
    """Log the MLflow side and the label counts as metadata in ZenML, with a tag a label source; tag the MLflow side."""
    model = get_step_context().model
    version = Client().get_model_version(model.name, model.version)
    mlflow_side: dict[str, Any] = {"mlflow_run_id": sent.run_id, "mlflow_model": sent.version.model_uri}
    log_metadata(
        metadata={**mlflow_side, "labels": {name: dict(count) for name, count in labels.items()}}, infer_model=True
    )
    sources = [f"{source} labels" for source, count in labels.items() if count["learned"]]
    Client().update_model_version(model.name, version.id, add_tags=sources)
    name = f"{model.name}/{version.name}"
    mlflow.set_tag(sent.run_id, TAG, name)
    mlflow.set_model_version_tag(sent.version.name, str(sent.version.version), TAG, name)
