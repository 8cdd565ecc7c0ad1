"""The model registry: versions of a task's segmenter, their aliases, and the way from a reference to the files."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from medweave.errors import InputError
from medweave.home import home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REFERENCE = re.compile(r"models:/(?P<name>[^/@'\"]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d{1,9}))")
SERVED_WITH = ("medweave", "mlflow", "torch", "segmentation-models-pytorch", "safetensors", "numpy", "pandas", "pillow")
EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
"""Base64 of a PNG of one grey pixel."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model; `run_id` is the MLflow run that made it."""

    name: str
    version: int
    model_uri: str
    run_id: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


def register_model(
    client: MlflowClient,
    run_id: str,
    name: str,
    segmenter: Path,
    *,
    model_digest: str,
    evaluation_digest: str,
    tags: Mapping[str, str] | None = None,
    description: str = "",
) -> RegisteredVersion:
    """Register a segmenter's folder as a new version of `name`, as a servable MLflow model without pickles.

    A version with the same model and evaluation digest is returned as it is, so that a run that starts again
    registers nothing twice. Raises InputError when the folder is no segmenter.
    """
    if not (segmenter / "card.json").is_file():
        raise InputError(f"{segmenter}: no segmenter here (no card.json); give the folder of a trained model")
    digests = {"model_digest": model_digest, "evaluation_digest": evaluation_digest}
    for made in client.search_model_versions(f"name='{name}' and tags.model_digest='{model_digest}'"):
        if made.tags.get("evaluation_digest") == evaluation_digest:
            return _registered(made)

    model_id = _log_model(client, run_id, name, segmenter, digests)
    _ensure_registered_model(client, name)
    made = client.create_model_version(
        name,
        source=client.get_logged_model(model_id).artifact_location,
        run_id=run_id,
        model_id=model_id,
        tags={**(tags or {}), **digests},
        description=description,
    )
    return _registered(made)


def set_alias(client: MlflowClient, name: str, alias: str, version: int) -> None:
    """Make `alias` name this version and no other."""
    client.set_registered_model_alias(name, alias, str(version))


def get_version(client: MlflowClient, name: str, which: int | str) -> RegisteredVersion:
    """The version by number or alias; raises InputError that says what there is instead."""
    found = _find(client, name, which)
    if found is not None:
        return found
    versions = client.search_model_versions(f"name='{name}'")
    if not versions:
        names = sorted(model.name for model in client.search_registered_models())
        raise InputError(f"{name}: no such registered model; there are: {', '.join(names) or 'none yet'}")
    there = [str(number) for number in sorted(int(version.version) for version in versions)]
    there += [f"@{alias}" for alias in sorted(client.get_registered_model(name).aliases)]
    what = f"no version {which}" if isinstance(which, int) else f"no version is called @{which}"
    raise InputError(f"{name}: {what}; there are: {', '.join(there)}")


def champion(client: MlflowClient, name: str) -> RegisteredVersion | None:
    """The version in use, if there is one."""
    return _find(client, name, "champion")


def resolve_model(client: MlflowClient, reference: str) -> Path:
    """Local folder of the segmenter that `models:/<name>@<alias>` or `models:/<name>/<version>` names.

    Files on another machine are fetched once, into home. Raises InputError when there is no such model.
    """
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise InputError(f"{reference}: not a model; write models:/NAME@champion or models:/NAME/VERSION")
    which = parts["alias"] or int(parts["version"])
    folder = _local_copy(client, get_version(client, parts["name"], which))

    from mlflow.models import Model

    artifacts = Model.load(str(folder)).flavors.get("python_function", {}).get("artifacts") or {}
    if "segmenter" not in artifacts:
        raise InputError(f"{reference}: was not registered by medweave; choose another model")
    return folder / str(artifacts["segmenter"]["path"])


def _find(client: MlflowClient, name: str, which: int | str) -> RegisteredVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        if isinstance(which, int):
            return _registered(client.get_model_version(name, str(which)))
        return _registered(client.get_model_version_by_alias(name, which))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _registered(found: ModelVersion) -> RegisteredVersion:
    number = int(found.version)
    return RegisteredVersion(found.name, number, f"models:/{found.name}/{number}", found.run_id, dict(found.tags))


def _log_model(client: MlflowClient, run_id: str, name: str, segmenter: Path, tags: dict[str, str]) -> str:
    """Log the folder as a model of the run and return the model's id.

    It goes through the client, as `mlflow.pyfunc.log_model` needs the process-wide tracking URI and active run.
    """
    import pandas as pd
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema

    experiment_id = client.get_run(run_id).info.experiment_id
    model_id = str(client.create_logged_model(experiment_id, name, source_run_id=run_id, tags=tags).model_id)
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


def _local_copy(client: MlflowClient, found: RegisteredVersion) -> Path:
    """The version's files: in place when they are on this machine, else fetched once into home."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    uri = client.get_model_version_download_uri(found.name, str(found.version))
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
        reason = str(error).splitlines()[0]
        raise InputError(f"{found.model_uri}: its files cannot be read ({reason}); choose another version") from None
