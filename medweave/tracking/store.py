"""Where MLflow keeps runs and models: a server, a database, or a store embedded in medweave's home folder."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from medweave.config import Tracking
from medweave.errors import InputError, first_line
from medweave.home import home, opening
from medweave.uris import without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow reads these when it is imported, which another library may do before `connect` does.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # of a server that went away: seven take four minutes

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def stated_uri(settings: Tracking) -> str | None:
    """The configured MLflow URI, else $MLFLOW_TRACKING_URI; None: neither names one."""
    return settings.uri or os.environ.get("MLFLOW_TRACKING_URI") or None


def tracking_uri(settings: Tracking) -> str:
    """What `stated_uri` says, else the embedded SQLite store."""
    return stated_uri(settings) or f"sqlite:///{home() / 'mlflow.db'}"


def artifact_root(uri: str) -> str | None:
    """Where files of a store without a server go: beside SQLite's file, else in home; None: the server knows.

    Without it MLflow puts them into `mlruns` in the working directory.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme not in DATABASES:
        return None
    folder = _folder(uri) if scheme == "sqlite" else home()
    return (folder / "mlartifacts").as_uri()


def connect(settings: Tracking) -> MlflowClient:
    """A client of the configured store; the embedded one is made on first use.

    Raises InputError for a URI that MLflow cannot open.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request
    from sqlalchemy.exc import SQLAlchemyError

    uri = tracking_uri(settings)
    origin = "tracking.uri" if settings.uri else "MLFLOW_TRACKING_URI"
    if uri.startswith("sqlite:") and not os.access(_folder(uri), os.W_OK):
        raise InputError(f"{origin}: {_folder(uri)} is no folder to write to; name a file in one that is")
    try:
        if uri.startswith(("http:", "https:")):  # the client's own retries would take four minutes
            credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
            http_request(credentials, "/health", "GET", max_retries=1, timeout=10)  # type: ignore[no-untyped-call]
        with opening("mlflow") if uri.startswith("sqlite:") else nullcontext():
            client = MlflowClient(uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        reason = without_credentials(first_line(error))
        raise InputError(
            f"{origin}: MLflow cannot use this store ({reason}); give the URI of a server or database that answers"
        ) from None
    return client


def experiment(client: MlflowClient, task: str) -> str:
    """Id of the task's experiment `medweave-<task>`; made when absent, restored when deleted."""
    name = f"medweave-{task}"
    found = client.get_experiment_by_name(name)
    if found is None:
        root = artifact_root(client.tracking_uri)
        return str(client.create_experiment(name, artifact_location=root and f"{root}/{name}"))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _folder(sqlite_uri: str) -> Path:
    return Path(sqlite_uri.partition(":///")[2]).resolve().parent
