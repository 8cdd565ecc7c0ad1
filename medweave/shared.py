"""Folders in medweave's home that the pods of a run share by way of object storage.

`$MEDWEAVE_SHARED` is the URI (fsspec's) that stands for home there. Without it, as on one machine, nothing is copied.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medweave import progress
from medweave.errors import InputError, first_line
from medweave.home import home

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SHARED = "MEDWEAVE_SHARED"
EVERY = 5.0
"""Seconds between two looks at what is new in a folder: the most that a lost pod's successor has to do again."""


def is_shared() -> bool:
    """Whether this process is one of several, in pods, that share folders."""
    return bool(os.environ.get(SHARED))


def shared_uri(path: Path) -> str:
    """Where other pods find a path: its URI in shared storage if it is in home, else the absolute path."""
    path = path.absolute()
    if not _is_shared(path):
        return str(path)
    return f"{os.environ[SHARED].rstrip('/')}/{path.relative_to(home()).as_posix()}"


def _is_shared(path: Path) -> bool:
    return is_shared() and path.absolute().is_relative_to(home())


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Bring `folder` to what other pods have put there, and let them have what becomes new in it.

    Files are sent as they come about, so that a killed pod loses little, and once more at the end; the oldest first, so
    that one which tells of others is not there before them. What is hidden and what ends in `.part` stays here, a
    removal does too, and so does all of a folder that is not in home. Raises InputError when the storage is out of
    reach.
    """
    if not _is_shared(folder):
        yield
        return
    copy = _Copy(folder)
    copy.fetch()
    ended = threading.Event()
    sender = threading.Thread(target=copy.send_until, args=(ended,), daemon=True)
    sender.start()
    try:
        yield
    except BaseException:
        with suppress(InputError):
            copy.send()
        raise
    else:
        copy.send()
    finally:
        ended.set()
        sender.join()


def fetch(folder: Path) -> None:
    """Bring `folder` to what pods have put there, once. Raises InputError when the storage is out of reach."""
    if _is_shared(folder):
        _Copy(folder).fetch()


def forget(path: Path) -> None:
    """Remove a file or a folder from shared storage, if it can be reached."""
    if _is_shared(path):
        with suppress(InputError), _reaching(path) as (files, there):
            files.rm(there, recursive=True)


class _Copy:
    """A folder and its copy in shared storage; `_known` is what both have: time of change and size by path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def fetch(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with _reaching(self._folder) as (files, path):
            names = [found[len(path) + 1 :] for found in files.find(path)]
            missing = [name for name in names if not (self._folder / name).exists()]
            aside = [self._folder / f"{name}.part" for name in missing]
            for part in {part.parent for part in aside}:
                part.mkdir(parents=True, exist_ok=True)
            if missing:
                files.get([f"{path}/{name}" for name in missing], [str(part) for part in aside])
        for part in aside:
            part.rename(part.with_suffix(""))
        there = self._finished()
        self._known = {name: there[name] for name in missing}

    def send(self) -> None:
        with self._lock, _reaching(self._folder) as (files, path):
            for name, stamp in self._finished().items():
                if self._known.get(name) != stamp:
                    files.put_file(str(self._folder / name), f"{path}/{name}")
                    self._known[name] = stamp

    def send_until(self, ended: threading.Event) -> None:
        warned = False
        while not ended.wait(EVERY):
            try:
                self.send()
            except InputError as error:
                if not warned:
                    progress.say(f"warning: {error}")
                warned = True

    def _finished(self) -> dict[str, tuple[int, int]]:
        """Finished files, oldest first: time of change and size."""
        found = {}
        for path in self._folder.rglob("*"):
            parts = path.relative_to(self._folder).parts
            if path.suffix == ".part" or any(part.startswith(".") for part in parts):
                continue
            with suppress(FileNotFoundError):
                if path.is_file():
                    stat = path.stat()
                    found[path.relative_to(self._folder).as_posix()] = (stat.st_mtime_ns, stat.st_size)
        return dict(sorted(found.items(), key=lambda item: item[1]))


@contextmanager
def _reaching(folder: Path) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The storage and the folder's path there; InputError for whatever the storage's client has against it."""
    import fsspec

    uri = shared_uri(folder)
    try:
        files, path = fsspec.core.url_to_fs(uri)
        files.invalidate_cache()
        yield files, path
    except Exception as error:  # storage clients raise errors of their own
        raise InputError(
            f"{uri}: cannot be reached ({first_line(error)}); check {SHARED} and its credentials"
        ) from None
