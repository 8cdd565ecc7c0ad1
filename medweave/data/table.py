"""The image table: one row an image, in Parquet shards under a content-addressed manifest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from medweave.errors import InputError
from medweave.writing import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

LabelSource = Literal["none", "gold", "weak", "synthetic"]
Decision = Literal["accept", "review", "reject"]
Opener = Callable[[str, str], AbstractContextManager[IO[bytes]]]

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class MaskRef:
    """Where a mask is: a URI (masks that came with the data) or PNG bytes (masks that medweave made)."""

    uri: str | None = None
    png: bytes | None = None

    def __bool__(self) -> bool:
        return self.uri is not None or self.png is not None


@dataclass(frozen=True)
class ImageRow:
    """One image and, if it has one, its label.

    `coarse` holds the coarse model's foreground probabilities as a PNG of uint8 (probability x 255), classes
    stacked along the height, at the network's input size. `features` are the per-image and per-label numbers
    that validation and quality control compare. `made_by` says everything needed to make the label again.
    """

    image_id: str
    group_id: str
    image_uri: str
    image_sha256: str
    height: int
    width: int
    label_source: LabelSource = "none"
    label_id: str | None = None
    mask: MaskRef = MaskRef()
    made_by: dict[str, Any] = field(default_factory=dict)
    predicted_dice: float | None = None
    low: float | None = None
    high: float | None = None
    decision: Decision | None = None
    weight: float | None = None
    coarse: bytes | None = None
    features: dict[str, float] = field(default_factory=dict)

    @property
    def is_trusted(self) -> bool:
        """Whether the label is learned from: it is gold, or was accepted."""
        return self.label_source == "gold" or self.decision == "accept"

    @property
    def training_weight(self) -> float:
        """How much the label weighs in training, 0..1: gold 1, an accepted one as much as it is trusted, others 0."""
        if not self.is_trusted:
            return 0.0
        return 1.0 if self.weight is None else self.weight

    def with_label(
        self, source: LabelSource, mask: MaskRef, made_by: dict[str, Any], mask_sha256: str | None = None
    ) -> ImageRow:
        """This row with a label; `label_id` is the content address of the mask and how it was made.

        `mask_sha256` is required for a mask that is referred to by URI.
        """
        digest = mask_sha256 or hashlib.sha256(mask.png or b"").hexdigest()
        return replace(
            self,
            label_source=source,
            label_id=_sha256({"mask": digest, "made_by": made_by, "image": self.image_sha256})[:24],
            mask=mask,
            made_by=made_by,
        )


class ImageTable:
    """A table of ImageRow in Parquet shards under `root` (a folder or URI that `opener` can read).

    Shards are read one at a time, so memory does not grow with the table.
    """

    def __init__(self, root: str | Path, opener: Opener | None = None) -> None:
        self.root = str(root)
        self._open = opener or _open

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Format, digest, and the shards' files and numbers of rows."""
        try:
            with self.open(MANIFEST) as file:
                manifest: dict[str, Any] = json.loads(file.read())
        except FileNotFoundError:
            raise InputError(f"{self.root}: no image table here (no {MANIFEST})") from None
        if manifest.get("format") != FORMAT:
            raise InputError(
                f"{self.root}: image table of format {manifest.get('format')}; this version reads {FORMAT}"
            )
        return manifest

    @property
    def digest(self) -> str:
        """SHA-256 over the rows' content, whatever the shards' size."""
        return str(self.manifest["digest"])

    @property
    def files(self) -> list[str]:
        """Names of the files under `root` that make up the table."""
        return [MANIFEST, *(shard["file"] for shard in self.manifest["shards"])]

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open one of the table's files for reading."""
        return self._open(f"{self.root}/{name}", "rb")

    def __len__(self) -> int:
        return sum(int(shard["rows"]) for shard in self.manifest["shards"])

    def __iter__(self) -> Iterator[ImageRow]:
        for rows in self.shards():
            yield from rows

    def shards(self, columns: Sequence[str] | None = None) -> Iterator[list[ImageRow]]:
        """Yield the rows of one shard after the other; with `columns`, other optional columns keep defaults."""
        for index in range(len(self.manifest["shards"])):
            yield self.shard(index, columns)

    def decisions(self) -> Counter[Decision | None]:
        """How many labels have each decision (None: not judged, as gold is); images without a label do not count."""
        rows = (row for shard in self.shards(["decision"]) for row in shard)
        return Counter(row.decision for row in rows if row.label_source != "none")

    def part(self, part: int, parts: int, root: str | Path, shard_rows: int = 64) -> ImageTable:
        """Every row whose place, modulo `parts`, is `part`, as a table in the local folder `root`."""
        return write_table(root, islice(self, part, None, parts), shard_rows)

    def shard(self, index: int, columns: Sequence[str] | None = None) -> list[ImageRow]:
        """The rows of one shard; see `shards`."""
        import pyarrow.parquet as pq

        with self.open(self.manifest["shards"][index]["file"]) as file:
            table = pq.read_table(file, columns=None if columns is None else [*_REQUIRED, *columns])
        return [_from_record(record) for record in table.to_pylist()]


def write_table(root: str | Path, rows: Iterable[ImageRow], shard_rows: int = 64) -> ImageTable:
    """Write rows as a table in the local folder `root`; the manifest comes last, so half a table is no table."""
    with_rows = iter(rows)
    batches = iter(lambda: [row for _, row in zip(range(shard_rows), with_rows, strict=False)], [])
    return write_shards(root, batches)


def write_shards(root: str | Path, shards: Iterable[Sequence[ImageRow]]) -> ImageTable:
    """Write each sequence of rows as one shard, in place of what was there; see `write_table`."""
    writer = ShardWriter(root)
    writer.clear()
    for index, rows in enumerate(shards):
        writer.write(index, rows)
    return writer.finish()


class ShardWriter:
    """Writes a table shard by shard into a local folder; finished shards survive a killed run.

    `has(index)` tells whether a shard is there already: a stage that starts again skips it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.root}: cannot be written ({error.strerror}); choose another folder") from None

    def has(self, index: int) -> bool:
        """Whether this shard is there."""
        return self._path(index).exists()

    def clear(self) -> None:
        """Remove the shards and the manifest that are there."""
        (self.root / MANIFEST).unlink(missing_ok=True)
        for path in self.root.glob("shard-*.parquet"):
            path.unlink()

    def write(self, index: int, rows: Sequence[ImageRow]) -> None:
        """Write one shard. Raises InputError when the folder cannot be written."""
        import pyarrow.parquet as pq

        path = self._path(index)
        table = _to_arrow(rows).replace_schema_metadata({"digest": _rows_digest(rows)})
        try:
            with whole_file(path) as aside:
                pq.write_table(table, aside, compression="zstd")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error}); free space there") from None

    def finish(self) -> ImageTable:
        """Write the manifest over all shards and return the table."""
        import pyarrow.parquet as pq

        shards, digest = [], hashlib.sha256()
        for path in sorted(self.root.glob("shard-*.parquet")):
            metadata = pq.read_metadata(path)
            content = metadata.metadata[b"digest"].decode()
            for row_digest in content.split(","):
                digest.update(row_digest.encode())
            shards.append({"file": path.name, "rows": metadata.num_rows})
        manifest = {"format": FORMAT, "digest": digest.hexdigest(), "shards": shards}
        with whole_file(self.root / MANIFEST) as aside:
            aside.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        return ImageTable(self.root)

    def _path(self, index: int) -> Path:
        return self.root / f"shard-{index:06d}.parquet"


def _open(uri: str, mode: str) -> AbstractContextManager[IO[bytes]]:
    import fsspec

    opened: AbstractContextManager[IO[bytes]] = fsspec.open(uri, mode)
    return opened


def schema() -> pa.Schema:
    """The table's Arrow schema."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("image_id", pa.string(), nullable=False),
            pa.field("group_id", pa.string(), nullable=False),
            pa.field("image_uri", pa.string(), nullable=False),
            pa.field("image_sha256", pa.string(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("label_source", pa.string(), nullable=False),
            pa.field("label_id", pa.string()),
            pa.field("mask", pa.struct([("uri", pa.string()), ("png", pa.binary())])),
            pa.field("made_by", pa.string()),
            pa.field("predicted_dice", pa.float64()),
            pa.field("low", pa.float64()),
            pa.field("high", pa.float64()),
            pa.field("decision", pa.string()),
            pa.field("weight", pa.float64()),
            pa.field("coarse", pa.binary()),
            pa.field("features", pa.map_(pa.string(), pa.float64())),
        ]
    )


_REQUIRED = ("image_id", "group_id", "image_uri", "image_sha256", "height", "width", "label_source")


def _to_arrow(rows: Sequence[ImageRow]) -> pa.Table:
    import pyarrow as pa

    records = []
    for row in rows:
        record = {f.name: getattr(row, f.name) for f in fields(row)}
        record["mask"] = asdict(row.mask)
        record["made_by"] = json.dumps(row.made_by, sort_keys=True)
        record["features"] = sorted(row.features.items())
        records.append(record)
    return pa.Table.from_pylist(records, schema=schema())


def _from_record(record: dict[str, Any]) -> ImageRow:
    if "mask" in record:
        record["mask"] = MaskRef(**(record["mask"] or {}))
    if "made_by" in record:
        record["made_by"] = json.loads(record["made_by"] or "{}")
    if "features" in record:
        record["features"] = dict(record["features"] or ())
    return ImageRow(**record)


def _rows_digest(rows: Sequence[ImageRow]) -> str:
    return ",".join(_sha256(asdict(row)) for row in rows)


def _sha256(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=lambda value: hashlib.sha256(value).hexdigest())
    return hashlib.sha256(text.encode()).hexdigest()
