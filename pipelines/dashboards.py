"""The dashboards of this machine on loopback: Evidently, MLflow and ZenML."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medweave.config import Tracking
from medweave.errors import RunError
from medweave.tracking import artifact_root, tracking_uri
from medweave.uris import without_credentials
from pipelines import store

HOST = "127.0.0.1"
START_S, STOP_S, POLL_S = 180.0, 20.0, 0.2


@dataclass(frozen=True)
class Service:
    """A dashboard: where it answers, what it shows, and the command that starts it (empty: it runs elsewhere)."""

    name: str
    shows: str
    url: str
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None


def services(monitoring: Path, tracking: Tracking) -> list[Service]:
    """Evidently's UI over a monitoring folder, MLflow and ZenML; servers that run elsewhere are only linked to."""
    return [_evidently(monitoring / "evidently"), _mlflow(tracking_uri(tracking)), _zenml()]


@contextmanager
def running(started: Sequence[Service]) -> Iterator[None]:
    """Start the services that have a command, wait until they answer, and end them afterwards.

    Raises RunError for one that ends by itself or does not answer within three minutes.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for service in started:
            if service.command:
                environment = {**os.environ, **(service.environment or {})}
                processes.append(
                    subprocess.Popen(  # noqa: S603
                        service.command,
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
        for service, process in zip([one for one in started if one.command], processes, strict=True):
            _wait(service, process)
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _evidently(workspace: Path) -> Service:
    workspace.mkdir(parents=True, exist_ok=True)
    port = str(_free_port())
    command = (str(Path(sys.executable).with_name("evidently")), "ui", "--workspace", str(workspace))
    environment = {"DO_NOT_TRACK": "1"}
    shows = "verdicts, labels, images and models over time"
    url = f"http://{HOST}:{port}"
    return Service("Evidently", shows, url, (*command, "--host", HOST, "--port", port), environment)


def _mlflow(uri: str) -> Service:
    shows = "runs, metrics, registered models"
    if uri.startswith(("http:", "https:")):
        return Service("MLflow", shows, without_credentials(uri))
    port = str(_free_port())
    command = (sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", port, "--workers", "1")
    root = artifact_root(uri)
    # In the environment, as anyone on the machine can read a command, and a URI may hold a password.
    environment = {"MLFLOW_BACKEND_STORE_URI": uri, **({"MLFLOW_DEFAULT_ARTIFACT_ROOT": root} if root else {})}
    return Service("MLflow", shows, f"http://{HOST}:{port}", command, environment)


def _zenml() -> Service:
    """ZenML's own server on the store in medweave's home, as `zenml login --local` starts it but for this session."""
    store.configure()
    from zenml.client import Client

    shows = "pipelines, steps and artifacts"
    url = Client().zen_store.url
    if url.startswith(("http:", "https:")):
        return Service("ZenML", shows, url)
    port = str(_free_port())
    command = (sys.executable, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", HOST, "--port", port)
    environment = {
        "ZENML_SERVER": "true",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_DISABLE_DATABASE_MIGRATION": "true",
    }
    return Service("ZenML", shows, f"http://{HOST}:{port}", command, environment)


def _wait(service: Service, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        if process.poll() is not None:
            raise RunError(f"{service.name}: ended with status {process.returncode}; run '{' '.join(service.command)}'")
        try:
            urllib.request.urlopen(service.url, timeout=5).close()  # noqa: S310
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RunError(f"{service.name}: did not answer within {START_S:.0f} s; try again") from None
            time.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
