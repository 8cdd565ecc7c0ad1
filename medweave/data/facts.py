"""The frame that validation's rules judge: the inventory's columns and what compares a row with others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from medweave.data.inventory import NAMED, Inventory, InventoryRow, Pool

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Facts:
    """What rules compare and tell of one row beyond the inventory's own columns.

    Lists of files are text, of at most `NAMED` and then an ellipsis, or None.

    `absent`: listed, but not there. `side`: geometric mean of height and width. `training_*` are duplicates in
    training, `later_*` those on the row's own side with a greater key, so that each pair is told once. `group_splits`
    are the splits of training that have images of the row's group.
    """

    row: int
    pool: Pool
    file: str
    absent: bool
    size: str | None
    mask_size: str | None
    side: float | None
    shorter_side: int | None
    image_problem: str | None
    image_advice: str | None
    mask_problem: str | None
    mask_advice: str | None
    namesakes: str | None
    training_namesakes: str | None
    training_group: str | None
    group_splits: str | None
    training_duplicates: str | None
    later_duplicates: str | None
    training_near: str | None
    later_near: str | None


def rule_frame(inventory: Inventory) -> pd.DataFrame:
    """The inventory's frame with the columns of `Facts`."""
    import pandas as pd

    index = _Index(inventory)
    facts = [asdict(_facts(place, row, index)) for place, row in enumerate(inventory)]
    names = [field.name for field in fields(Facts)]
    return pd.concat([inventory.to_frame(), pd.DataFrame.from_records(facts, columns=names)], axis=1)


class _Index:
    """Looks up the files of rows by key, by id within training or test, and the groups of training."""

    def __init__(self, inventory: Inventory) -> None:
        self.by_key: defaultdict[str, list[str]] = defaultdict(list)
        self.by_id: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for row in inventory:
            self.by_key[row.key].append(_file(row))
            self.by_id[row.pool, row.image_id].append(_file(row))
        self.splits_of: defaultdict[str | None, set[str]] = defaultdict(set)
        for row in inventory:
            if row.pool == "training" and row.given_group is not None:
                self.splits_of[row.given_group].add(row.split)

    def files(self, keys: Sequence[str]) -> str | None:
        return _listed([file for key in keys for file in self.by_key[key]])


def _facts(place: int, row: InventoryRow, index: _Index) -> Facts:
    image_problem, image_advice = _told(row.image_error, row.image_uri)
    mask_problem, mask_advice = _told(row.mask_error, row.mask_uri)
    return Facts(
        row=place,
        pool=row.pool,
        file=_file(row),
        absent=row.image_uri is None and row.mask_uri is None,
        size=f"{row.width}x{row.height}" if row.width else None,
        mask_size=f"{row.mask_width}x{row.mask_height}" if row.mask_width else None,
        side=(row.height * row.width) ** 0.5 if row.height and row.width else None,
        shorter_side=min(row.height, row.width) if row.height and row.width else None,
        image_problem=image_problem,
        image_advice=image_advice,
        mask_problem=mask_problem,
        mask_advice=mask_advice,
        namesakes=_listed(index.by_id[row.pool, row.image_id]),
        training_namesakes=_listed(index.by_id["training", row.image_id]),
        training_group=row.given_group if row.given_group in index.splits_of else None,
        group_splits=" and ".join(sorted(index.splits_of.get(row.given_group, ()))) or None,
        training_duplicates=index.files(_of_pool("training", row.duplicate_of)),
        later_duplicates=index.files([key for key in _of_pool(row.pool, row.duplicate_of) if key > row.key]),
        training_near=index.files(_of_pool("training", row.near_duplicate_of)),
        later_near=index.files([key for key in _of_pool(row.pool, row.near_duplicate_of) if key > row.key]),
    )


def _of_pool(pool: Pool, keys: Sequence[str]) -> list[str]:
    return [key for key in keys if key.startswith("test:") == (pool == "test")]


def _file(row: InventoryRow) -> str:
    return row.image_uri or row.mask_uri or row.key


def _listed(files: Sequence[str]) -> str | None:
    names = list(dict.fromkeys(files))
    return ", ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])]) or None


def _told(error: str | None, uri: str | None) -> tuple[str | None, str | None]:
    """The problem and the advice in 'file: problem; advice'."""
    if error is None:
        return None, None
    problem, _, advice = error.removeprefix(f"{uri}: ").rpartition("; ")
    return (problem, advice) if problem else (advice, "replace the file or remove it")
