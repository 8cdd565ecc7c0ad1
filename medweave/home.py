"""Where medweave keeps things on this machine: `$MEDWEAVE_HOME`, or `~/.medweave`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medweave.errors import InputError


def home() -> Path:
    """The folder for stores, models and work under way; made when it is missing.

    Raises InputError when it cannot be written.
    """
    folder = Path(os.environ.get("MEDWEAVE_HOME") or Path.home() / ".medweave").expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); set MEDWEAVE_HOME to a folder of yours"
        ) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written; set MEDWEAVE_HOME to a folder of yours")
    return folder


@contextmanager
def opening(store: str) -> Iterator[None]:
    """Hold the lock of a store while it is opened: on first use that makes it, which one process at a time may do."""
    with (home() / f"{store}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
