"""The batches of a task, kept in a folder: what was measured, the verdict and the page of each."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medweave import progress
from medweave.config import Settings
from medweave.errors import InputError, RunError
from medweave.home import home
from medweave.shared import forget, shared

FORMAT = 1
FACTS, ROWS, PAGE = "batch.json", "rows.parquet", "drift.html"


@dataclass(frozen=True)
class Batch:
    """One judged batch.

    `digest` is that of the measured table, `reference` and `champion` say what it was held against and which model
    (`models:/NAME/VERSION`) looked at it, `labels` whose labels it has (`champion`, `given`, `none`). `verdict` is that
    of `BatchVerdict.to_json`; `summary` has `known`, `mean`, `deviation`, `least` and `largest` of every column. `time`
    is in ISO 8601.
    """

    id: str
    time: str
    source: str
    digest: str
    reference: str
    champion: str | None
    labels: str
    images: int
    verdict: Mapping[str, Any]
    summary: Mapping[str, Mapping[str, float]]

    @property
    def level(self) -> str:
        """`ok`, `watch` or `drift`."""
        return str(self.verdict["level"])

    def to_json(self) -> dict[str, Any]:
        """As plain mappings and lists."""
        return asdict(self)


def monitoring_folder(settings: Settings) -> Path:
    """Where the batches of all tasks are kept, with Evidently's workspace and the metrics."""
    return Path(settings.monitoring.folder).absolute() if settings.monitoring.folder else home() / "monitoring"


def is_monitored(settings: Settings) -> bool:
    """Whether a batch of this task was ever taken in."""
    return (monitoring_folder(settings) / settings.task / "batches").is_dir()


def store_of(settings: Settings) -> BatchStore:
    """The batches of this task."""
    return BatchStore(monitoring_folder(settings) / settings.task)


@contextmanager
def shared_store(settings: Settings) -> Iterator[BatchStore]:
    """The batches of this task as all pods have them, and what is added to them there for the next pod."""
    with shared(monitoring_folder(settings)):
        yield store_of(settings)


class BatchStore:
    """The folder of a task's batches: `batches/<id>/` holds batch.json, rows.parquet and drift.html."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            (root / "batches").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{root}: cannot be written ({error.strerror}); choose another monitoring.folder"
            ) from None

    def batches(self) -> list[Batch]:
        """All batches, oldest first; those that are damaged or of another format are told of and left out."""
        found = []
        for folder in sorted((self.root / "batches").iterdir()):
            if not folder.name.startswith("."):
                try:
                    found.append(_read(folder))
                except (OSError, ValueError, TypeError, KeyError) as error:
                    progress.say(f"warning: {folder} is left out ({error}); remove it to silence this")
        return sorted(found, key=lambda batch: (batch.time, batch.id))

    def uris(self) -> set[str]:
        """The URIs of the images of all batches."""
        import pyarrow.parquet as pq

        return {
            uri
            for batch in self.batches()
            for uri in pq.read_table(self.folder(batch) / ROWS, columns=["image_uri"])["image_uri"].to_pylist()
        }

    def folder(self, batch: Batch) -> Path:
        """Where a batch's files are."""
        return self.root / "batches" / batch.id

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store: one batch at a time is judged and added. A process that dies gives it back."""
        with (self.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """A folder to write a batch's files into before it is added."""
        with tempfile.TemporaryDirectory(dir=self.root / "batches", prefix=".") as folder:
            yield Path(folder)

    def add(self, batch: Batch, files: Path) -> None:
        """Keep a batch with what lies in `files` (of `aside`); the same images judged before are replaced."""
        try:
            (files / FACTS).write_text(json.dumps({"format": FORMAT, **asdict(batch)}, indent=1), encoding="utf-8")
            files.chmod(0o755)
            for before in self.batches():
                if before.digest == batch.digest and before.id != batch.id:
                    shutil.rmtree(self.folder(before))
                    forget(self.folder(before))
            if self.folder(batch).exists():
                shutil.rmtree(self.folder(batch))
            files.rename(self.folder(batch))
            files.mkdir()
        except OSError as error:
            raise RunError(f"{self.folder(batch)}: cannot be written ({error.strerror}); free space there") from None


def _read(folder: Path) -> Batch:
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if facts.pop("format", None) != FORMAT:
        raise ValueError("written by another version")
    batch = Batch(**facts)
    if not (folder / ROWS).is_file():
        raise ValueError(f"no {ROWS}")
    batch.verdict["level"]
    return batch
