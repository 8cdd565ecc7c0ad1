"""Work under way: what a stage has finished, kept until its result is."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medweave.home import home
from medweave.shared import forget, shared
from medweave.version import code_digest

_finished: list[Path] = []


@contextmanager
def work_folder(stage: str, *inputs: Any) -> Iterator[Path]:
    """The folder where a stage keeps what it has finished, so that a killed run goes on from there, on any node.

    The same stage of the same code on the same inputs (JSON-serialisable: digests and settings) gets the same
    folder. When the stage ends well the folder goes with `drop_finished`, at the latest when the process ends, since
    its result is in the artifact store by then; when it fails the folder stays.
    """
    content = json.dumps([code_digest(), *inputs], sort_keys=True)
    folder = home() / "work" / f"{stage}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
    folder.mkdir(parents=True, exist_ok=True)
    with shared(folder):
        yield folder
    _finished.append(folder)


@atexit.register
def drop_finished() -> None:
    """Remove the work folders of the stages that have ended well."""
    while _finished:
        folder = _finished.pop()
        forget(folder)
        shutil.rmtree(folder, ignore_errors=True)
