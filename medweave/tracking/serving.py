"""MLflow's server on a registered model; it starts again on the new version when the alias moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medweave.errors import InputError, RunError, first_line
from medweave.progress import say
from medweave.tracking.registry import RegisteredVersion, find_version, resolve_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

POLL_S = 5.0
STOP_S = 20.0


def serve(
    client: MlflowClient,
    reference: str,
    host: str,
    port: int,
    told: Callable[[RegisteredVersion], None],
    ended: threading.Event | None = None,
) -> None:
    """Serve what `models:/<name>@<alias>` names on `host`:`port` until `ended` is set (or Ctrl-C).

    The alias is looked at every five seconds; `told` hears of each version that is served. While MLflow is out of
    reach, or the alias names nothing or a version without files, the version goes on being served. Raises RunError when
    the server ends by itself.
    """
    from mlflow.exceptions import MlflowException

    ended = ended or threading.Event()
    served = find_version(client, reference)
    server = _start(_folder(client, served), host, port)
    told(served)
    warned = ""
    try:
        while not ended.wait(POLL_S):
            if server.poll() is not None:
                raise RunError(f"{served.model_uri}: the server ended with status {server.returncode}; see its output")
            try:
                now = find_version(client, reference)
                folder = None if now.version == served.version else _folder(client, now)
            except (MlflowException, InputError) as error:
                reason = first_line(error)
                if reason != warned:
                    say(f"warning: {reason}; {served.model_uri} goes on being served")
                warned = reason
                continue
            if folder is not None:
                _stop(server)
                served, server = now, _start(folder, host, port)
                told(served)
    finally:
        _stop(server)


def _folder(client: MlflowClient, version: RegisteredVersion) -> Path:
    """Local folder of the version's MLflow model, in which its segmenter is."""
    return resolve_model(client, version.model_uri).parents[1]


def _start(folder: Path, host: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder), "--env-manager", "local"]
    command += ["--host", host, "--port", str(port)]
    # MLflow starts its web server by name: that of this environment, whether it was activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.Popen(command, env={**os.environ, "PATH": path}, start_new_session=True)  # noqa: S603


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and the workers that it started, and return when none of them is left to answer."""
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    try:
        server.wait(STOP_S)
        while time.monotonic() < until:
            os.killpg(server.pid, 0)
            time.sleep(0.05)
        os.killpg(server.pid, signal.SIGKILL)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    except ProcessLookupError:
        return
