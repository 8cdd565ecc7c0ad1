"""One promotion of a model at a time, whatever store MLflow has.

MLflow has no locks, but every store refuses a second registered model of one name, in one transaction: so a model
named `<name>.promotion-lock` is the lock, and whoever made it holds it. It is held for the second that aliases and
tags take to write; one that is `STALE_S` old belongs to a process that died, and is taken over.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medweave.errors import RunError

if TYPE_CHECKING:
    from mlflow import MlflowClient

WAIT_S = 30.0
STALE_S = 300.0
POLL_S = 0.1
SUFFIX = ".promotion-lock"


@contextmanager
def promotion_lock(client: MlflowClient, name: str, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a registered model. Raises RunError, saying who holds it, after `wait_s` seconds."""
    lock, token = f"{name}{SUFFIX}", uuid.uuid4().hex
    deadline = time.monotonic() + wait_s
    while not _create(client, lock, token):
        held = _tags(client, lock)
        since = float(held.get("since", "inf"))
        if time.time() - since > STALE_S:
            _delete(client, lock, held["token"])
        elif time.monotonic() > deadline:
            by = held.get("by", "another process")
            raise RunError(f"{name}: is being promoted by {by}; try again when it has finished")
        else:
            time.sleep(POLL_S)
    try:
        yield
    finally:
        _delete(client, lock, token)


def _create(client: MlflowClient, lock: str, token: str) -> bool:
    from mlflow.exceptions import MlflowException

    by = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        client.create_registered_model(lock, tags={"token": token, "by": by, "since": str(time.time())})
    except MlflowException as error:
        # the latter when the lock was given back while MLflow looked at who has it
        if error.error_code in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            return False
        raise
    return True


def _tags(client: MlflowClient, lock: str) -> dict[str, str]:
    """Who holds the lock; empty when it has just been given back."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(lock).tags)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def _delete(client: MlflowClient, lock: str, token: str) -> None:
    from mlflow.exceptions import MlflowException

    if _tags(client, lock).get("token") != token:
        return
    try:
        client.delete_registered_model(lock)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
