"""The verdict on a batch of images: does it look like what the model was made for? `ok`, `watch` or `drift`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medweave.config import Monitoring
from medweave.quality.joint_test import compare_columns
from medweave.quality.two_samples import Difference, Way

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["ok", "watch", "drift"]
LEVELS: tuple[Level, ...] = ("ok", "watch", "drift")
MAX_ROWS = 1000
"""The tests look at so many rows of a side, drawn at random: more find no difference that matters."""
MIN_PAST = 5
"""Batches from whose differences a limit can be learned."""
PAST_COVERAGE = 0.95
EXAMPLES = 4


@dataclass(frozen=True)
class Column:
    """What one column of a batch says beside the same column of a reference.

    `effect`, `spread` and the adjusted `p` are those of `compare_columns`; `usual` is the range of effects that
    earlier batches lead to expect, or None while there are too few. `typical` and `extreme` are image ids: those
    nearest to the batch's median, and those that went farthest the way that the column moved.
    """

    column: str
    against: str
    level: Level
    way: Way
    effect: float
    spread: float
    p: float
    median: float
    reference_median: float
    usual: tuple[float, float] | None
    typical: tuple[str, ...] = ()
    extreme: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchVerdict:
    """The verdict, how many images it is about, every compared column (those that decided it first), and notes."""

    level: Level
    images: int
    columns: tuple[Column, ...]
    notes: tuple[str, ...]

    @property
    def deciding(self) -> tuple[Column, ...]:
        """The columns of the verdict's level; none for `ok`."""
        return tuple(one for one in self.columns if one.level == self.level != "ok")

    def to_json(self) -> dict[str, Any]:
        """As plain mappings and lists."""
        return asdict(self)


def judge_batch(
    references: Mapping[str, pd.DataFrame],
    batch: pd.DataFrame,
    past: Mapping[tuple[str, str], Sequence[float]],
    settings: Monitoring,
    seed: int,
) -> BatchVerdict:
    """Compare a batch with each reference, column by column.

    Frames have a row an image, indexed by image id, and float columns; NaN is a value that is not known. Columns of the
    reference that the batch lacks altogether have vanished. `past` maps (reference, column) to the effects that
    earlier accepted batches had.

    `drift`: a column differs for sure (p at most `settings.false_alarms`, adjusted for all columns and references), by
    an effect of at least `settings.effect`, and more than `usual`: the prediction interval of the next effect, mean
    ± t sd sqrt(1 + 1/k) over k past ones (Student). `watch`: it differs with p at most `settings.watch_alarms`, or a
    column vanished, or a side has fewer than `settings.min_images` images. A batch from the reference's own source
    is `drift` in at most `false_alarms` of cases, and `drift` or `watch` in at most `watch_alarms`.
    """
    columns: list[Column] = []
    notes: list[str] = []
    large = {name: frame for name, frame in references.items() if len(frame) >= settings.min_images}
    if len(batch) < settings.min_images:
        return BatchVerdict(
            "watch", len(batch), (), (f"{_images(len(batch))}; {settings.min_images} are needed to judge",)
        )
    for name in references:
        if name not in large:
            notes.append(f"{name}: {_images(len(references[name]))}; {settings.min_images} are needed to compare")
    for name, reference in large.items():
        there, known = _known(batch, 1), _known(batch, settings.min_images)
        expected = _known(reference, settings.min_images)
        notes += [f"{c} has vanished: {name} has it, the batch does not" for c in expected if c not in there]
        shared = [column for column in expected if column in known]
        sides = _sample(reference[shared], seed), _sample(batch[shared], seed)
        found = compare_columns(sides[0].to_numpy(float), sides[1].to_numpy(float), seed)
        columns += [
            _column(column, name, sides, one, past.get((name, column), ()), len(large), settings)
            for column, one in zip(shared, found, strict=True)
        ]
    columns.sort(key=lambda one: (-LEVELS.index(one.level), one.p, -max(abs(one.effect), abs(one.spread)), one.column))
    levels: list[Level] = ["watch" if notes else "ok", *(one.level for one in columns)]
    level = max(levels, key=LEVELS.index)
    return BatchVerdict(level, len(batch), tuple(columns), tuple(notes))


def usual_effects(past: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % prediction interval of the next of these effects, within -1..1; None for fewer than five."""
    from scipy.stats import t

    if len(past) < MIN_PAST:
        return None
    reach = t.ppf((1 + PAST_COVERAGE) / 2, len(past) - 1) * np.std(past, ddof=1) * math.sqrt(1 + 1 / len(past))
    middle = float(np.mean(past))
    return max(-1.0, middle - float(reach)), min(1.0, middle + float(reach))


def _column(
    name: str,
    against: str,
    sides: Sequence[pd.DataFrame],
    found: Difference,
    past: Sequence[float],
    comparisons: int,
    settings: Monitoring,
) -> Column:
    reference, values = (side[name].dropna() for side in sides)
    p, usual, way = min(1.0, found.p * comparisons), usual_effects(past), found.way
    within = usual is not None and usual[0] <= found.effect <= usual[1] and abs(found.spread) < settings.effect
    level: Level = "ok"
    if p <= settings.watch_alarms and not within:
        level = "drift" if p <= settings.false_alarms and found.size >= settings.effect else "watch"
    median = float(values.median())
    by_middle = (values - median).abs().sort_values(kind="stable").index
    farthest = {
        "higher": values.sort_values(ascending=False, kind="stable").index,
        "lower": values.sort_values(kind="stable").index,
        "wider": by_middle[::-1],
    }.get(way, by_middle[:0])
    shown = EXAMPLES if level != "ok" else 0
    return Column(
        name,
        against,
        level,
        way,
        found.effect,
        found.spread,
        p,
        median,
        float(reference.median()),
        usual,
        tuple(map(str, by_middle[:shown])),
        tuple(map(str, farthest[:shown])),
    )


def _known(frame: pd.DataFrame, least: int) -> list[str]:
    return [str(column) for column in frame if frame[column].notna().sum() >= least]


def _sample(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame if len(frame) <= MAX_ROWS else frame.sample(MAX_ROWS, random_state=seed)


def _images(count: int) -> str:
    return f"only {count} image{'' if count == 1 else 's'}"
