"""A segmenter as a logged model of an MLflow run, servable and without pickles."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from medweave.errors import InputError, first_line
from medweave.home import home

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVED_WITH = ("medweave", "mlflow", "torch", "segmentation-models-pytorch", "safetensors", "numpy", "pandas", "pillow")
EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
"""Base64 of a PNG of one grey pixel."""


def log_model(client: MlflowClient, run_id: str, name: str, segmenter: Path, tags: Mapping[str, str]) -> str:
    """Log the folder as a model of the run and return the model's id.

    It goes through the client, as `mlflow.pyfunc.log_model` needs the process-wide tracking URI and active run.
    """
    import pandas as pd
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema

    experiment_id = client.get_run(run_id).info.experiment_id
    model_id = str(client.create_logged_model(experiment_id, name, source_run_id=run_id, tags=dict(tags)).model_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_model(
            path,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"segmenter": str(segmenter.resolve())},
            signature=ModelSignature(Schema([ColSpec("string", "image")]), Schema([ColSpec("string", "mask")])),
            input_example=pd.DataFrame({"image": [EXAMPLE]}),
            pip_requirements=[f"{package}=={installed(package)}" for package in SERVED_WITH],
            mlflow_model=Model(artifact_path=name, run_id=run_id, model_id=model_id, model_uuid=model_id),
        )
        client.log_model_artifacts(model_id, str(path))
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


def logged_segmenter(client: MlflowClient, run_id: str, name: str) -> Path:
    """Local folder of the segmenter that a run logged under this name. Raises InputError when there is none."""
    outputs = client.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs else ():
        model = client.get_logged_model(output.model_id)
        if model.name == name:
            return segmenter_in(local_copy(client, str(model.artifact_location)), f"model {name} of run {run_id}")
    raise InputError(f"run {run_id}: has no model called {name}; choose a version of another run")


def segmenter_in(folder: Path, what: str) -> Path:
    """The segmenter's folder in that of a logged model. Raises InputError when there is none, or not any more."""
    from mlflow.models import Model

    artifacts = Model.load(str(folder)).flavors.get("python_function", {}).get("artifacts") or {}
    if "segmenter" not in artifacts:
        raise InputError(f"{what}: was not registered by medweave; choose another model")
    segmenter = folder / str(artifacts["segmenter"]["path"])
    if not (segmenter / "card.json").is_file():
        raise InputError(f"{segmenter}: the model's files are missing; choose another version")
    return segmenter


def local_copy(client: MlflowClient, uri: str) -> Path:
    """A model's files: in place when they are on this machine, else fetched once into home.

    Raises InputError when they cannot be read.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        if urlsplit(uri).scheme in ("", "file"):
            return Path(download_artifacts(artifact_uri=uri))
        folder = home() / "models" / hashlib.sha256(uri.encode()).hexdigest()[:32]
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
                fetched = download_artifacts(artifact_uri=uri, dst_path=aside, tracking_uri=client.tracking_uri)
                Path(fetched).replace(folder)
        return folder
    except (MlflowException, OSError) as error:
        reason = first_line(error)
        raise InputError(f"{uri}: the model's files cannot be read ({reason}); choose another version") from None
