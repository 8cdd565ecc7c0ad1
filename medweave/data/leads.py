"""By how much one way to do it leads over another on the same images, where each group (a patient) counts once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Lead:
    """The mean over groups of a paired difference, and its standard error, 0 with a single group."""

    mean: float
    standard_error: float


def lead_over(others: ArrayLike, values: ArrayLike, groups: Sequence[Hashable]) -> Lead:
    """The lead of `values` over `others`, one number an image each, in the order of the images' `groups`."""
    leads = group_means(np.subtract(values, others), groups)
    error = leads.std(ddof=1) / np.sqrt(len(leads)) if len(leads) > 1 else 0.0
    return Lead(float(leads.mean()), float(error))


def group_means(values: ArrayLike, groups: Sequence[Hashable]) -> NDArray[np.float64]:
    """The mean of each group, G or GxK, of one value or row of K an image, N or NxK; groups as they first appear."""
    array = np.asarray(values, np.float64)
    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    return np.array([array[places].mean(axis=0) for places in members.values()])
