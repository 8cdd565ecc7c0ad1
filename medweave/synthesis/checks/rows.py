"""Samples that passed their checks, as rows that quality control judges like any made label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

from medweave.data.table import ImageRow
from medweave.synthesis.checks.run import Checked


def kept_rows(samples: Iterable[ImageRow], labelled: Iterable[ImageRow], checked: Checked) -> Iterator[ImageRow]:
    """The kept samples with what the coarse model saw on them, and how they did in the checks in `made_by["checks"]`.

    The label of a sample is the mask it was made for; of a free one it is what labelling found, if anything. The rows
    of `labelled` are those of `samples` after labelling, and `checked` is of them, all in the same order.
    """
    for sample, row, check in zip(samples, labelled, checked.samples, strict=True):
        if check.reasons:
            continue
        closest = {"image": check.copy.nearest, **asdict(check.copy.closeness)}
        made_by = {**sample.made_by, "checks": {"agreement": dict(check.agreement), "closest": closest}}
        if sample.mask:
            kept = sample.with_label("synthetic", sample.mask, made_by)
            yield replace(kept, coarse=row.coarse, features={**sample.features, **row.features})
        elif row.mask:
            yield row.with_label("synthetic", row.mask, {**row.made_by, **made_by})
        else:
            yield replace(row, made_by={**row.made_by, **made_by})
