"""Parts of a test set that a model must not fail: small and large images and lesions, and the values of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from medweave import config
from medweave.data.sources import group_column
from medweave.data.table import ImageTable

THIRDS = ("small", "medium", "large")


def subgroups(table: ImageTable, names: Iterable[str], settings: config.Data) -> dict[str, dict[str, str]]:
    """Which part each image is in: name → image_id → part; a name whose images are all alike is left out.

    `image_size` is height x width and `lesion_size` the share of the image that is foreground, both in thirds; any
    other name is a column of `data.groups`, where an image without a value is in no part. Raises InputError for a
    column that is not there.
    """
    rows = [row for shard in table.shards(["features"]) for row in shard]
    sizes: Mapping[str, dict[str, float]] = {
        "image_size": {row.image_id: float(row.height * row.width) for row in rows},
        "lesion_size": {row.image_id: row.features.get("foreground_share", 0.0) for row in rows},
    }
    there = {row.image_id for row in rows}
    parts = {name: _thirds(sizes[name]) if name in sizes else group_column(settings, name, there) for name in names}
    return {name: of for name, of in parts.items() if len(set(of.values())) > 1}


def _thirds(values: Mapping[str, float]) -> dict[str, str]:
    if not values:
        return {}
    ends = np.quantile(list(values.values()), [1 / 3, 2 / 3])
    return {key: THIRDS[int(np.searchsorted(ends, value))] for key, value in values.items()}
