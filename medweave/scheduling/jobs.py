"""What is scheduled on this machine, and what each of it last saw: JSON files in medweave's home."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medweave.errors import InputError
from medweave.home import home


@dataclass(frozen=True)
class Job:
    """A task's retraining: its name, when it is due, its configuration with overrides, and where results go.

    It runs in `folder`, where it was made, so that relative paths of the configuration go on to mean the same.
    With `images` it is the monitoring of what is new there, with masks from `labels` if they are given.
    """

    name: str
    cron: str
    config: str
    overrides: tuple[str, ...]
    output: str
    folder: str
    active: bool = True
    images: str | None = None
    labels: str | None = None

    @property
    def does(self) -> str:
        """What it does at its times, in one word."""
        return "retrains" if self.images is None else "monitors"


@dataclass(frozen=True)
class LastRun:
    """What the last completed scheduled run was made from (SHA-256), and how it ended."""

    fingerprint: str
    result: str


def jobs() -> list[Job]:
    """All that is scheduled here, by name."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(_folder().glob("*.job.json")))
    return [Job(**{"folder": _folder_of(job), **job, "overrides": tuple(job["overrides"])}) for job in found]


def find_job(name: str) -> Job:
    """The job of this name. Raises InputError when there is none."""
    for job in jobs():
        if job.name == name:
            return job
    names = ", ".join(job.name for job in jobs()) or "none"
    raise InputError(f"{name}: no such schedule on this machine; there are: {names}")


def check_name(job: Job) -> None:
    """Raise InputError when the schedule of the job's name does something else."""
    for other in jobs():
        same = os.path.realpath(other.config) == os.path.realpath(job.config) and other.does == job.does
        if other.name == job.name and not same:
            told = f"is the schedule that {other.does} for {other.config}; choose another --name, or delete it first"
            raise InputError(f"{job.name}: {told}")


def save_job(job: Job) -> None:
    """Keep a job, in place of the one of its name."""
    _write(_folder() / f"{job.name}.job.json", json.dumps(asdict(job), indent=1))


def remove_job(name: str) -> None:
    """Forget a job and what it last saw."""
    for kind in ("job", "last"):
        (_folder() / f"{name}.{kind}.json").unlink(missing_ok=True)


def last_run(name: str, now: LastRun | None = None) -> LastRun | None:
    """What the last completed run of a schedule saw; with `now` that is recorded first."""
    path = _folder() / f"{name}.last.json"
    if now is not None:
        _write(path, json.dumps(asdict(now), indent=1))
    return LastRun(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


@contextmanager
def held(name: str) -> Iterator[bool]:
    """Hold the schedule's lock; False when another process, which is still running, holds it."""
    with (_folder() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _folder_of(job: dict[str, Any]) -> str:
    """The folder of a job that states none: the one in which its results' folder is `output/TASK`, or else this one."""
    output = Path(job["output"])
    return str(output.parents[1] if output.parent.name == "output" else Path.cwd())


def _folder() -> Path:
    folder = home() / "schedules"
    folder.mkdir(exist_ok=True)
    return folder


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
