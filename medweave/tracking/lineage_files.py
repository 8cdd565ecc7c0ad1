"""Read the lineage of a run: in place on a disk or in object storage, and through a server by a copy in home."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from medweave.errors import InputError
from medweave.home import home
from medweave.tracking.lineage import FACTS, FOLDER, FORMAT, LABELS
from medweave.writing import whole_file

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
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
        makings = ", ".join(MAKINGS)
        counted = f"SELECT {makings}, count(*) AS labels, sum(weight) AS weight FROM labels GROUP BY ALL"  # noqa: S608
        return list(self._ask(f"{counted} ORDER BY source, labels DESC, {makings}").to_pylist())

    def find(self, columns: Sequence[str], value: str) -> pa.Table:
        """The labels that have this value in any of these columns."""
        return self._ask(f"FROM labels WHERE {' OR '.join(f'{column} = $value' for column in columns)}", value=value)

    def count(self, columns: Sequence[str], digest: str) -> dict[str, int]:
        """How many `labels` have a value that begins with this one in any of these columns; how many were `learned`."""
        begins = " OR ".join(f"starts_with({column}, $digest)" for column in columns)
        counted = "SELECT count(*) AS labels, count(*) FILTER (weight > 0) AS learned FROM labels"
        (row,) = self._ask(f"{counted} WHERE {begins}", digest=digest).to_pylist()
        return dict(row)

    def column(self, *names: str) -> pa.Table:
        """These columns of all labels that were learned from, and their `weight`."""
        columns = ", ".join(dict.fromkeys([*names, "weight"]))
        return self._ask(f"SELECT {columns} FROM labels WHERE weight > 0")  # noqa: S608

    def write_csv(self, path: Path) -> int:
        """Write all labels that were learned from as CSV; return how many."""
        copy = "COPY (FROM labels WHERE weight > 0) TO $to (FORMAT csv)"
        try:
            with whole_file(path) as aside, self._database() as database:
                aside.touch()
                (written,) = database.execute(copy, {"to": str(aside)}).fetchone() or (0,)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another file") from None
        return int(written)

    def _ask(self, query: str, **values: str) -> pa.Table:
        """What DuckDB answers to a query of the table `labels`."""
        with self._database() as database:
            return database.sql(query, params=values).to_arrow_table()

    @contextmanager
    def _database(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB with the view `labels` of the list, which is read where it lies."""
        import duckdb
        import fsspec

        try:
            files, path = fsspec.core.url_to_fs(self.labels_uri)
            if not files.exists(path):
                raise InputError(f"{self.labels_uri}: is missing; restore it from a backup of MLflow's files")
            with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
                if "file" not in files.protocol:
                    database.register_filesystem(files)
                    path = files.unstrip_protocol(path)
                database.read_parquet(path).create_view("labels")
                yield database
        except InputError:
            raise
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
