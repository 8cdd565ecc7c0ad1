"""Read the lineage of a run: in place on a disk or in object storage, and through a server by a copy in home."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from medweave.errors import InputError
from medweave.home import home
from medweave.tracking.lineage import FACTS, FOLDER, FORMAT, LABELS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from mlflow import MlflowClient

MAKINGS = ("source", "labeler", "weights", "fitted", "coarse", "person", "date", "generator", "decision")
"""What the labels of a model are counted by."""


@dataclass(frozen=True)
class Lineage:
    """A run's labels and the facts they share; `folder` is a URI or a path that fsspec opens."""

    facts: Mapping[str, Any]
    folder: str

    @property
    def labels_uri(self) -> str:
        """Where the full list of labels is."""
        return f"{self.folder}/{LABELS}"

    def makings(self) -> list[dict[str, Any]]:
        """Labels counted by how they were made: `MAKINGS`, `labels`, and `weight`, their sum; most first."""
        with self._open(MAKINGS) as file:
            table = file.read([*MAKINGS, "weight"], use_threads=False).unify_dictionaries()
        grouped = table.group_by(list(MAKINGS), use_threads=False).aggregate([("weight", "count"), ("weight", "sum")])
        rows = grouped.rename_columns([*MAKINGS, "labels", "weight"]).to_pylist()
        return sorted(rows, key=lambda row: (str(row["source"]), -row["labels"], str(row["labeler"])))

    def find(self, columns: Sequence[str], value: str) -> pa.Table:
        """The labels that have this value in any of these columns.

        Of the columns alone all is read; of the rest only the parts of the file that hold such a label.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        with self._open() as file:
            found = [file.schema_arrow.empty_table()]
            for group in range(file.num_row_groups):
                keys = file.read_row_group(group, columns=list(columns), use_threads=False)
                mask = _any_of(keys, columns, lambda column: pc.equal(column, value))
                if pc.any(mask).as_py():
                    found.append(file.read_row_group(group, use_threads=False).filter(mask))
        return pa.concat_tables(found)

    def count(self, columns: Sequence[str], digest: str) -> dict[str, int]:
        """How many `labels` have a value that begins with this one in any of these columns; how many were `learned`."""
        import pyarrow.compute as pc

        labels = learned = 0
        with self._open() as file:
            for group in range(file.num_row_groups):
                keys = file.read_row_group(group, columns=[*columns, "weight"], use_threads=False)
                mask = _any_of(keys, columns, lambda column: pc.starts_with(column, digest))
                weights = keys["weight"].filter(mask)
                labels += len(weights)
                learned += pc.sum(pc.greater(weights, 0)).as_py() or 0
        return {"labels": labels, "learned": learned}

    def column(self, *names: str) -> pa.Table:
        """These columns of all labels that were learned from."""
        import pyarrow.compute as pc

        with self._open() as file:
            table = file.read(list(dict.fromkeys([*names, "weight"])), use_threads=False)
        return table.filter(pc.greater(table["weight"], 0))

    def write_csv(self, path: Path) -> int:
        """Write all labels that were learned from as CSV, a part at a time; return how many."""
        import pyarrow.compute as pc
        from pyarrow import csv

        written = 0
        aside = path.with_name(f".{path.name}.part")
        try:
            with self._open() as file, csv.CSVWriter(aside, file.schema_arrow) as writer:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, use_threads=False)
                    table = table.filter(pc.greater(table["weight"], 0))
                    writer.write_table(table)
                    written += len(table)
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another file") from None
        return written

    def _open(self, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        import fsspec
        import pyarrow.parquet as pq

        try:
            files, path = fsspec.core.url_to_fs(self.labels_uri)
            return pq.ParquetFile(files.open(path, "rb"), read_dictionary=list(dictionaries))
        except FileNotFoundError:
            raise InputError(f"{self.labels_uri}: is missing; restore it from a backup of MLflow's files") from None
        except Exception as error:  # storage clients raise errors of their own
            raise InputError(f"{self.labels_uri}: cannot be read ({error}); check it and your access") from None


def open_lineage(client: MlflowClient, run_id: str) -> Lineage:
    """The lineage of an MLflow run. Raises InputError, saying which file is missing, when it is not there."""
    import fsspec

    folder = _folder(client, run_id)
    uri = f"{folder}/{FACTS}"
    try:
        with fsspec.open(uri, "rb") as file:
            facts = json.loads(file.read())
    except FileNotFoundError:
        raise InputError(f"{uri}: is missing; restore it from a backup of MLflow's files") from None
    except Exception as error:  # storage clients raise errors of their own
        raise InputError(f"{uri}: cannot be read ({error}); check it and your access") from None
    if facts.get("format") != FORMAT:
        raise InputError(f"{uri}: lineage of format {facts.get('format')}; this version reads {FORMAT}")
    return Lineage(facts, folder)


def exists(uri: str) -> bool:
    """Whether there is something at a path or URI that fsspec knows."""
    import fsspec
    from mlflow.utils.file_utils import local_file_uri_to_path

    try:
        local = urlsplit(uri).scheme in ("", "file")
        path = local_file_uri_to_path(uri) if local else uri  # type: ignore[no-untyped-call]
        files, path = fsspec.core.url_to_fs(path)
        return bool(files.exists(path))
    except Exception:  # storage clients raise errors of their own
        return False


def _folder(client: MlflowClient, run_id: str) -> str:
    """Where the run's `lineage` is; what only a server can reach is copied into home once, as it never changes."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.file_utils import local_file_uri_to_path

    try:
        uri = str(client.get_run(run_id).info.artifact_uri)
    except MlflowException:
        raise InputError(f"run {run_id}: is not in MLflow; it was deleted") from None
    scheme = urlsplit(uri).scheme
    if scheme in ("", "file"):
        return f"{local_file_uri_to_path(uri)}/{FOLDER}"  # type: ignore[no-untyped-call]
    if scheme not in ("mlflow-artifacts", "http", "https"):
        return f"{uri.rstrip('/')}/{FOLDER}"
    copy = home() / FOLDER / run_id
    copy.mkdir(parents=True, exist_ok=True)
    for name in (FACTS, LABELS):
        if (copy / name).exists():
            continue
        try:
            with tempfile.TemporaryDirectory(dir=copy) as aside:
                Path(client.download_artifacts(run_id, f"{FOLDER}/{name}", aside)).replace(copy / name)
        except (MlflowException, OSError):
            raise InputError(f"{uri}/{FOLDER}/{name}: is missing; restore it from a backup of MLflow's files") from None
    return str(copy)


def _any_of(table: pa.Table, columns: Sequence[str], test: Callable[[Any], Any]) -> Any:
    """Which rows pass the test in at least one of the columns."""
    import pyarrow.compute as pc

    return reduce(pc.or_, (pc.fill_null(test(table[name]), False) for name in columns))
