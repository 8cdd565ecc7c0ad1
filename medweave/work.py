"""Work under way: what a stage has finished, kept until its result is."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from medweave.home import home
from medweave.shared import forget, shared
from medweave.version import code_digest

_finished: list[Path] = []
_locks: dict[Path, IO[str]] = {}
"""The folders that are this process's, and the files by which it holds them."""


@contextmanager
def work_folder(stage: str, *inputs: Any) -> Iterator[Path]:
    """The folder where a stage keeps what it has finished, so that a killed run goes on from there, on any node.

    The same stage of the same code on the same inputs (JSON-serialisable: digests and settings) gets the same
    folder, or one of its own while another process of this machine works there. When the stage ends well the folder
    goes with `drop_finished`, at the latest when the process ends, since its result is in the artifact store by then;
    when it fails the folder stays.
    """
    content = json.dumps([code_digest(), *inputs], sort_keys=True)
    folder = home() / "work" / f"{stage}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
    if not _hold(folder):
        folder = folder.with_name(f"{folder.name}-{os.getpid()}")
        _hold(folder)
    try:
        with shared(folder):
            yield folder
    except BaseException:
        _release(folder)
        raise
    _finished.append(folder)


@atexit.register
def drop_finished() -> None:
    """Remove the work folders of the stages that have ended well."""
    while _finished:
        folder = _finished.pop()
        forget(folder)
        shutil.rmtree(folder, ignore_errors=True)
        _release(folder)


def _hold(folder: Path) -> bool:
    """Make the folder, if it is not there, and lock it for this process; False when another one has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    while folder not in _locks:
        lock = _lock_of(folder).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), _lock_of(folder).stat()):
                _locks[folder] = lock
                break
        lock.close()  # whoever had it has just removed it
    folder.mkdir(exist_ok=True)
    return True


def _release(folder: Path) -> None:
    """Let others have the folder, or make it anew when it has been removed."""
    if lock := _locks.pop(folder, None):
        _lock_of(folder).unlink(missing_ok=True)
        lock.close()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")
