"""What a run has to tell MLflow: kept in medweave's home first, then sent, and kept until that succeeds."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave import config
from medweave.errors import InputError, RunError, first_line
from medweave.home import home
from medweave.shared import fetch, forget
from medweave.tracking.logged_models import log_model
from medweave.tracking.registry import RegisteredVersion, find_version, register_model, registered_before
from medweave.tracking.runs import DatasetRecord, RunRecord, log_run
from medweave.tracking.store import experiment, stated_uri
from medweave.tracking.system_metrics import Sample, log_samples

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORD = "record.json"
REST = "rest.json"
FILES = "files"
MODELS = "models"
SAMPLES = "samples.json"
FINAL = "final"
KEY = "zenml_run_id"
"""The tag that tells which pipeline run something is of."""
VERSION = "medweave.version"
"""The tag that names the version of a run's final model."""


@dataclass(frozen=True)
class Registration:
    """The registered model that a run's final model becomes a version of; see `register_model`."""

    name: str
    model_digest: str
    evaluation_digest: str
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Sent:
    """The MLflow run that a record became, and the version of its final model."""

    run_id: str
    version: RegisteredVersion


def keep(run_id: str, run: RunRecord, registration: Registration, models: Mapping[str, Path]) -> Path:
    """Copy a pipeline run's record, its files and its models (segmenters' folders by role) into home.

    `models` has one called `final`. Returns the folder. A record of the same run that is there is replaced.
    """
    folder = home() / "outbox" / run_id
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as made:
        aside = Path(made) / run_id
        (aside / FILES).mkdir(parents=True)
        for path in run.artifacts:
            if path.is_dir():
                shutil.copytree(path, aside / FILES / path.name)
            else:
                shutil.copy2(path, aside / FILES)
        for role, segmenter in models.items():
            shutil.copytree(segmenter, aside / MODELS / role)
        uri = stated_uri(config.Tracking.model_validate(run.settings.get("tracking", {})))
        record = {"uri": uri, "run": asdict(replace(run, artifacts=())), "registration": asdict(registration)}
        _write(aside / RECORD, record)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    return folder


def keep_rest(run_id: str, mlflow_run_id: str, tracking: config.Tracking) -> Path:
    """The folder in home for what MLflow did not get any more of a pipeline run whose record it has."""
    folder = home() / "outbox" / run_id
    (folder / FILES).mkdir(parents=True, exist_ok=True)
    _write(folder / REST, {"uri": stated_uri(tracking), "mlflow_run_id": mlflow_run_id})
    return folder


def add_file(folder: Path, name: str, text: str) -> None:
    """Put one more file, such as `report.html` or `plots/x.svg`, among those of a kept record."""
    path, aside = folder / FILES / name, folder / "file.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def add_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Put samples of the machine into a kept record."""
    aside = folder / "samples.part"
    aside.write_text(json.dumps([asdict(sample) for sample in samples]), encoding="utf-8")
    aside.replace(folder / SAMPLES)


def kept() -> list[Path]:
    """The records, and the rests of records, that were not sent, oldest first; those that pods left are fetched."""
    fetch(home() / "outbox")
    found = [path.parent for name in (RECORD, REST) for path in (home() / "outbox").glob(f"*/{name}")]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def destination(folder: Path) -> config.Tracking:
    """The MLflow that a kept record is for, as its run knew it."""
    # Not validated, as the environment may name a URI with a password, which settings may not.
    return config.Tracking.model_construct(uri=_load(folder, REST if (folder / REST).exists() else RECORD)["uri"])


def send(client: MlflowClient, folder: Path) -> Sent:
    """Record the run, its files and its models in MLflow, register the final one, and forget the kept record.

    What an attempt that broke off left in MLflow is deleted first, so that nothing is there twice. A final model that
    is registered already keeps its version, and its run's models. Of a rest, what MLflow lacks is added to the run.
    Raises RunError when MLflow does not take it.
    """
    from mlflow.exceptions import MlflowException

    try:
        return (_send_rest if (folder / REST).exists() else _send_record)(client, folder)
    except (MlflowException, OSError) as error:
        reason = first_line(error)
        raise RunError(
            f"MLflow did not take the record ({reason}); it is kept: send it with 'medweave runs sync'"
        ) from None


def _send_record(client: MlflowClient, folder: Path) -> Sent:
    run, registration = _read(folder)
    before = (registration.name, registration.model_digest, registration.evaluation_digest)
    made = registered_before(client, *before)
    if made is not None and made.run_id and made.tags.get(KEY) == run.tags[KEY]:
        client.set_tag(made.run_id, VERSION, made.model_uri)
        _add(client, made.run_id, folder)
        return Sent(made.run_id, made)
    _delete_unfinished(client, run)
    run_id = log_run(client, run)
    if made is None:
        for path in sorted((folder / MODELS).iterdir()):
            if path.name != FINAL:
                log_model(client, run_id, path.name, path, {"role": path.name})
    version = register_model(
        client,
        run_id,
        registration.name,
        folder / MODELS / FINAL,
        model_digest=registration.model_digest,
        evaluation_digest=registration.evaluation_digest,
        tags=registration.tags,
        description=registration.description,
    )
    client.set_tag(run_id, VERSION, version.model_uri)
    _send_samples(client, run_id, folder)
    _drop(folder)
    return Sent(run_id, version)


def _send_rest(client: MlflowClient, folder: Path) -> Sent:
    run_id = str(_load(folder, REST)["mlflow_run_id"])
    version = find_version(client, client.get_run(run_id).data.tags[VERSION])
    _add(client, run_id, folder)
    return Sent(run_id, version)


def _add(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Add files and samples to a run that MLflow has, and forget them."""
    client.log_artifacts(run_id, str(folder / FILES))
    _send_samples(client, run_id, folder)
    _drop(folder)


def _send_samples(client: MlflowClient, run_id: str, folder: Path) -> None:
    if (folder / SAMPLES).exists():
        log_samples(client, run_id, [Sample(**one) for one in json.loads((folder / SAMPLES).read_text())])


def _drop(folder: Path) -> None:
    forget(folder)
    shutil.rmtree(folder)


def _read(folder: Path) -> tuple[RunRecord, Registration]:
    record = _load(folder, RECORD)
    try:
        run = record["run"]
        run["datasets"] = [DatasetRecord(**dataset) for dataset in run["datasets"]]
        run["artifacts"] = sorted((folder / FILES).iterdir())
        return RunRecord(**run), Registration(**record["registration"])
    except (OSError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: is no record of a run ({error}); delete it") from None


def _load(folder: Path, name: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
        return {"uri": record["uri"], **record}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: is no record of a run ({error}); delete it") from None


def _write(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON that the owner alone may read, as a URI may hold a password."""
    aside = path.with_name(f"{path.name}.part")
    aside.touch(mode=0o600)
    aside.write_text(json.dumps(record), encoding="utf-8")
    aside.replace(path)


def _delete_unfinished(client: MlflowClient, run: RunRecord) -> None:
    for found in client.search_runs([experiment(client, run.task)], f"tags.{KEY} = '{run.tags[KEY]}'"):
        client.delete_run(found.info.run_id)
