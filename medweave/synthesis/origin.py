"""Where samples come from: they belong to the patients whose masks they were made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from medweave.data.table import ImageRow


def in_origin_groups(samples: Iterable[ImageRow], real: Iterable[ImageRow]) -> Iterator[ImageRow]:
    """Samples in the group of the first image whose mask they were made for, so that a split does not part them.

    All groups that a mask came from stand in `made_by["condition"]["groups"]`. A free sample keeps a group of its own.
    """
    group_of = {row.image_id: row.group_id for row in real}
    for sample in samples:
        condition = sample.made_by["condition"]
        if condition is None:
            yield sample
            continue
        groups = list(dict.fromkeys(group_of[image_id] for image_id in condition["origin"]))
        made_by = {**sample.made_by, "condition": {**condition, "groups": groups}}
        yield replace(sample.with_label("synthetic", sample.mask, made_by), group_id=groups[0])
