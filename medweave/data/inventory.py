"""What was found in a task's files: one row an image, mask or pair, with what was measured, without judging it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medweave.errors import InputError
from medweave.writing import whole_file

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

Split = Literal["gold", "unlabeled", "test"]
SPLITS: tuple[Split, ...] = ("gold", "unlabeled", "test")
Pool = Literal["training", "test"]
NAMED = 10
"""How many other files a finding names before it says that there are more."""
SPECK = 1e-4
"""Share of the image below which a connected component is not counted."""


@dataclass(frozen=True)
class InventoryRow:
    """An image and its mask, or one without the other (URI None), or neither (an id that a list names in vain).

    `given_group` is the group that a CSV states, `group_id` the one after merging duplicates. `intensity_*` are of the
    8-bit gray image, in [0, 255]. `pixels_sha256` is of the decoded 8-bit pixels. `class_values` are the mask's values
    that stand for a class and `foreign_values` those that stand for none, both without 0. `foreground_share` is in [0,
    1]; `components` counts 8-connected pieces of foreground that cover at least 0.01 % of the image. Duplicates are
    named 'split:image_id'; near ones differ in their pixels. Of a row's duplicates in training, and of those in test,
    `NAMED` and one are named at most, first those after it in order. `correction` is the id of an expert's correction
    of this image's label; with one, a training image is in gold.
    """

    split: Split
    image_id: str
    group_id: str
    given_group: str | None = None
    image_uri: str | None = None
    mask_uri: str | None = None
    image_error: str | None = None
    mask_error: str | None = None
    image_sha256: str | None = None
    pixels_sha256: str | None = None
    mask_sha256: str | None = None
    height: int | None = None
    width: int | None = None
    mask_height: int | None = None
    mask_width: int | None = None
    phash: str | None = None
    intensity_min: float | None = None
    intensity_max: float | None = None
    intensity_mean: float | None = None
    intensity_std: float | None = None
    class_values: tuple[str, ...] = ()
    foreign_values: tuple[str, ...] = ()
    foreground_share: float | None = None
    components: int | None = None
    duplicate_of: tuple[str, ...] = ()
    near_duplicate_of: tuple[str, ...] = ()
    correction: str | None = None

    @property
    def key(self) -> str:
        """The row as others name it: 'split:image_id'."""
        return f"{self.split}:{self.image_id}"

    @property
    def pool(self) -> Pool:
        """The side it is on: gold and unlabeled images are both for training."""
        return "test" if self.split == "test" else "training"

    @property
    def error(self) -> str | None:
        """Why the image or its mask cannot be read, in one line."""
        return self.image_error or self.mask_error

    @property
    def usable(self) -> bool:
        """Whether the image is there and readable and, but for unlabeled ones, its mask too."""
        has_files = self.image_uri is not None and (self.split == "unlabeled" or self.mask_uri is not None)
        return has_files and self.error is None


@dataclass(frozen=True)
class Note:
    """What looking for the files showed and no row can tell: a warning's words (see `validation.Finding`)."""

    rule: str
    file: str
    message: str
    advice: str


class Inventory(Sequence[InventoryRow]):
    """The rows of all splits, in a fixed order, and `notes` on how they were found."""

    def __init__(self, rows: Sequence[InventoryRow], notes: Sequence[Note] = ()) -> None:
        self._rows = tuple(rows)
        self.notes = tuple(notes)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[InventoryRow]:
        return iter(self._rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all rows and notes, as 64 hexadecimal digits."""
        text = json.dumps([asdict(entry) for entry in (*self, *self.notes)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        """For each split how many rows were `found`, how many are `usable`, and how many are `set_aside`."""
        counts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            usable = [row.usable for row in self if row.split == split]
            counts[split] = {"found": len(usable), "usable": sum(usable), "set_aside": len(usable) - sum(usable)}
        return counts

    def to_frame(self) -> pd.DataFrame:
        """One column a field, and `usable`; lists become text joined by ', ', and empty lists become nulls."""
        import pandas as pd

        names = [field.name for field in fields(InventoryRow)]
        records = [{**asdict(row), "usable": row.usable} for row in self]
        frame = pd.DataFrame.from_records(records, columns=[*names, "usable"])
        for name in ("class_values", "foreign_values", "duplicate_of", "near_duplicate_of"):
            frame[name] = [", ".join(values) or None for values in frame[name]]
        return frame

    def to_parquet(self, path: str | Path) -> None:
        """Write the rows as one Parquet file, with the notes in its metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, whole, real = pa.list_(pa.string()), pa.int64(), pa.float64()
        types = {"tuple[str, ...]": texts, "int | None": whole, "float | None": real}
        schema = pa.schema([(field.name, types.get(str(field.type), pa.string())) for field in fields(InventoryRow)])
        notes = json.dumps([asdict(note) for note in self.notes])
        table = pa.Table.from_pylist([asdict(row) for row in self], schema=schema.with_metadata({"notes": notes}))
        try:
            with whole_file(Path(path)) as aside:
                pq.write_table(table, aside, compression="zstd")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from None

    @classmethod
    def from_parquet(cls, path: str | Path) -> Inventory:
        """Read what `to_parquet` wrote."""
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        notes = [Note(**note) for note in json.loads(table.schema.metadata[b"notes"])]
        lists = [field.name for field in fields(InventoryRow) if field.type == "tuple[str, ...]"]
        records = table.to_pylist()
        rows = [InventoryRow(**{**record, **{name: tuple(record[name]) for name in lists}}) for record in records]
        return cls(rows, notes)


def measure_image(row: InventoryRow, max_pixels: int) -> InventoryRow:
    """The row with what its image says; why it cannot be read goes to `image_error`."""
    if row.image_uri is None:
        return row
    try:
        return _measure_image(row, row.image_uri, max_pixels)
    except (InputError, OSError) as error:
        return replace(row, image_error=_one_line(error))


def measure_mask(row: InventoryRow, classes: int, max_pixels: int) -> InventoryRow:
    """The row with what its mask says; why it cannot be read goes to `mask_error`."""
    if row.mask_uri is None:
        return row
    try:
        return _measure_mask(row, row.mask_uri, classes, max_pixels)
    except (InputError, OSError) as error:
        return replace(row, mask_error=_one_line(error))


def count_components(foreground: npt.NDArray[np.bool_]) -> int:
    """Number of 8-connected components of an HxW mask that cover at least 0.01 % of the image."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(foreground.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int(np.count_nonzero(areas >= SPECK * foreground.size))


def _measure_image(row: InventoryRow, uri: str, max_pixels: int) -> InventoryRow:
    from PIL import Image

    from medweave.data.duplicates import perceptual_hash
    from medweave.data.images import decode_image, read_bytes, to_rgb8

    data = read_bytes(uri)
    rgb = to_rgb8(decode_image(data, uri, max_pixels))
    gray = np.asarray(Image.fromarray(rgb).convert("L"))
    return replace(
        row,
        image_sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=hashlib.sha256(f"{rgb.shape}".encode() + rgb.tobytes()).hexdigest(),
        height=rgb.shape[0],
        width=rgb.shape[1],
        phash=perceptual_hash(gray),
        intensity_min=float(gray.min()),
        intensity_max=float(gray.max()),
        intensity_mean=float(gray.mean()),
        intensity_std=float(gray.std()),
    )


def _measure_mask(row: InventoryRow, uri: str, classes: int, max_pixels: int) -> InventoryRow:
    from medweave.data.images import read_bytes
    from medweave.data.masks import foreign_values, raw_mask

    data = read_bytes(uri)
    mask = raw_mask(data, uri, max_pixels)
    values = np.unique(mask)
    foreign = foreign_values(values, classes)
    return replace(
        row,
        mask_sha256=hashlib.sha256(data).hexdigest(),
        mask_height=mask.shape[0],
        mask_width=mask.shape[1],
        class_values=tuple(str(value) for value in values if value != 0 and value not in foreign),
        foreign_values=tuple(str(value) for value in foreign),
        foreground_share=float((mask > 0).mean()),
        components=count_components(mask > 0),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
