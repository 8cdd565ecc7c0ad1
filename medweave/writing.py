"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medweave.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file written aside that takes its name when the block ends well and is removed otherwise.

    Raises IsADirectoryError for the path of a folder, before the block begins.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder written aside that takes its name when the block ends well and is removed otherwise.

    Raises InputError for a name that is taken (but for an empty folder) and where nothing can be written.
    """
    folder = folder.absolute()
    aside = folder.with_name(f".{folder.name}.part")
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(f"{folder}: exists and is not an empty folder; choose a new one")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        aside.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
