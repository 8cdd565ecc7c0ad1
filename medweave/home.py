"""Where medweave keeps things on this machine: `$MEDWEAVE_HOME`, or `~/.medweave`."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medweave.errors import InputError
from medweave.version import code_digest

_finished: list[Path] = []


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
def work_folder(stage: str, *inputs: Any) -> Iterator[Path]:
    """The folder where a stage keeps what it has finished, so that a killed run goes on from there.

    The same stage of the same code on the same inputs (JSON-serialisable: digests and settings) gets the same
    folder. When the stage ends well the folder goes with `drop_finished`, at the latest when the process ends, since
    its result is in the artifact store by then; when it fails the folder stays.
    """
    content = json.dumps([code_digest(), *inputs], sort_keys=True)
    folder = home() / "work" / f"{stage}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    _finished.append(folder)


@atexit.register
def drop_finished() -> None:
    """Remove the work folders of the stages that have ended well."""
    while _finished:
        shutil.rmtree(_finished.pop(), ignore_errors=True)
