"""Split items into folds without ever cutting a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medweave.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt


def group_folds(groups: Sequence[str], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Fold of each item, int64 in [0, `folds`), the same for all items of a group.

    Groups go, largest first (ties in an order drawn from `seed`), to the fold that holds the fewest items: fold sizes
    are as equal as this greedy rule makes them (longest-processing-time scheduling, Graham 1969), and equal to within
    one item when all groups are of one item. No fold is empty. Raises InputError for fewer groups than folds.
    """
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < folds:
        raise InputError(
            f"segmentation.folds: {folds} folds need at least {folds} groups of images, there are {len(names)}; "
            "lower segmentation.folds or add gold images of other patients"
        )
    sizes = np.bincount(members)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold_of_group = np.zeros(len(names), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of_group[group] = filled.argmin()
        filled[filled.argmin()] += sizes[group]
    return fold_of_group[members]
