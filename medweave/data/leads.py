"""By how much one way to do it leads over another on the same images, which groups (patients) hold together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Lead:
    """The mean over images of a paired difference, and its standard error, 0 with a single group.

    The error is robust to images of one group being alike (Liang and Zeger, "Longitudinal data analysis using
    generalized linear models", Biometrika 1986); with one image a group it is that over images.
    """

    mean: float
    standard_error: float


def lead_over(others: ArrayLike, values: ArrayLike, groups: Sequence[Hashable]) -> Lead:
    """The lead of `values` over `others`, one number an image each, in the order of the images' `groups`."""
    leads = np.subtract(values, others, dtype=np.float64)
    off = np.array([(leads[places] - leads.mean()).sum() for places in _places(groups)])
    error = np.sqrt(len(off) / (len(off) - 1) * (off**2).sum()) / len(leads) if len(off) > 1 else 0.0
    return Lead(float(leads.mean()), float(error))


def group_means(values: ArrayLike, groups: Sequence[Hashable]) -> NDArray[np.float64]:
    """The mean of each group, G or GxK, of one value or row of K an image, N or NxK; groups as they first appear."""
    array = np.asarray(values, np.float64)
    return np.array([array[places].mean(axis=0) for places in _places(groups)])


def _places(groups: Sequence[Hashable]) -> list[list[int]]:
    """Where the images of each group stand, groups as they first appear."""
    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    return list(members.values())
