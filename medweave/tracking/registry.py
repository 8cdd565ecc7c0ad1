"""The model registry: versions of a task's segmenter, their aliases, and the way from a reference to the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medweave.errors import InputError
from medweave.tracking.lock import SUFFIX
from medweave.tracking.logged_models import local_copy, log_model, segmenter_in

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REFERENCE = re.compile(r"models:/(?P<name>[^/@'\"]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d{1,9}))")
ELSEWHERE = "if tracking.uri names another store, set MLFLOW_TRACKING_URI to it"


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
    if (before := registered_before(client, name, model_digest, evaluation_digest)) is not None:
        return before
    model_id = log_model(client, run_id, "final", segmenter, digests)
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


def registered_before(
    client: MlflowClient, name: str, model_digest: str, evaluation_digest: str
) -> RegisteredVersion | None:
    """The version with this model and evaluation, if there is one."""
    for made in client.search_model_versions(f"name='{name}' and tags.model_digest='{model_digest}'"):
        if made.tags.get("evaluation_digest") == evaluation_digest:
            return _registered(made)
    return None


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
        models = client.search_registered_models()
        names = sorted(model.name for model in models if not model.name.endswith(SUFFIX))
        raise InputError(f"{name}: no such registered model; there are: {', '.join(names) or 'none yet'}; {ELSEWHERE}")
    there = [str(number) for number in sorted(int(version.version) for version in versions)]
    there += [f"@{alias}" for alias in sorted(client.get_registered_model(name).aliases)]
    what = f"no version {which}" if isinstance(which, int) else f"no version is called @{which}"
    raise InputError(f"{name}: {what}; there are: {', '.join(there)}; {ELSEWHERE}")


def champion(client: MlflowClient, name: str) -> RegisteredVersion | None:
    """The version in use, if there is one."""
    return _find(client, name, "champion")


def find_version(client: MlflowClient, reference: str) -> RegisteredVersion:
    """The version that `models:/<name>@<alias>` or `models:/<name>/<version>` names; see `get_version`."""
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise InputError(f"{reference}: not a model; write models:/NAME@champion or models:/NAME/VERSION")
    return get_version(client, parts["name"], parts["alias"] or int(parts["version"]))


def aliases_of(client: MlflowClient, name: str) -> dict[str, int]:
    """The model's aliases and the versions that they name."""
    return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}


def resolve_model(client: MlflowClient, reference: str) -> Path:
    """Local folder of the segmenter that `models:/<name>@<alias>` or `models:/<name>/<version>` names.

    Files on another machine are fetched once, into home. Raises InputError when there is no such model.
    """
    found = find_version(client, reference)
    uri = str(client.get_model_version_download_uri(found.name, str(found.version)))
    try:
        return segmenter_in(local_copy(client, uri), reference)
    except InputError as error:
        raise InputError(f"{found.model_uri}: {error}") from None


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
