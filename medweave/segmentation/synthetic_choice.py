"""Whether synthetic images help: the same cross-validation on gold with and without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable
from medweave.data.leads import group_means, lead_over
from medweave.segmentation.cross_validation import train_coarse
from medweave.segmentation.training_set import TrainingSet, build_training_set


@dataclass(frozen=True)
class SyntheticChoice:
    """What cross-validation said: out-of-fold Dice on gold (None where nothing was measured) with and without them.

    `offered` synthetic images were accepted, of which `images` are within the share that they may have. Both figures
    are means over gold's groups, and `standard_error` is that of their paired difference.
    """

    offered: int
    images: int
    dice_with: float | None = None
    dice_without: float | None = None
    standard_error: float | None = None

    @property
    def kept(self) -> bool:
        """Whether they are trained on: only when they help by more than one standard error."""
        if self.dice_with is None or self.dice_without is None or self.standard_error is None:
            return False
        return self.dice_with - self.dice_without > self.standard_error

    def to_json(self) -> dict[str, Any]:
        """The fields, and `kept`."""
        return {**asdict(self), "kept": self.kept}


def within_share(real: Sequence[ImageTable], synthetic: Sequence[ImageRow], share: float) -> list[ImageRow]:
    """The first of the accepted synthetic images, as many as are `share` (0..1) of all labels that are trained on."""
    labels = sum(row.is_trusted for table in real for shard in table.shards(["decision"]) for row in shard)
    return [row for row in synthetic if row.is_trusted][: int(labels * share / (1 - share) + 1e-9)]


def choose_synthetic(
    real: Sequence[ImageTable], synthetic: Sequence[ImageRow], settings: Settings, work: Path
) -> tuple[list[ImageRow], SyntheticChoice]:
    """The synthetic images to train on, none when they do not help, and what was measured.

    `real` are gold and weak labels. Two coarse models are trained on the folds of gold, with and without synthetic
    images; those made for a mask of held-out patients are held out with them. The generator saw all of gold, so that
    the figure with them is a little optimistic.
    """
    chosen = within_share(real, synthetic, settings.synthesis.share)
    offered = sum(row.is_trusted for row in synthetic)
    if not chosen:
        return [], SyntheticChoice(offered, 0)

    def measured(name: str, rows: Sequence[ImageRow]) -> dict[str, float]:
        data = build_training_set(real, [rows], settings, work / name / "data")
        return _out_of_fold(data, settings, work / name)

    choice = compare(measured("with", chosen), measured("without", []), offered, len(chosen))
    return (chosen if choice.kept else []), choice


def compare(with_: Mapping[str, float], without: Mapping[str, float], offered: int, images: int) -> SyntheticChoice:
    """The choice from the out-of-fold Dice of the same groups with and without synthetic images, two groups or none."""
    if not with_:
        return SyntheticChoice(offered, images)
    dice = np.array([(with_[group], without[group]) for group in with_])
    error = lead_over(dice[:, 1], dice[:, 0], list(with_)).standard_error
    return SyntheticChoice(offered, images, float(dice[:, 0].mean()), float(dice[:, 1].mean()), error)


def _out_of_fold(data: TrainingSet, settings: Settings, work: Path) -> dict[str, float]:
    """Mean Dice of each group of gold that was held out; nothing when there is only one."""
    coarse = train_coarse(data, settings.data.classes, settings.segmentation, settings.compute, settings.seed, work)
    dice, group_of = coarse.card.training["held_out_dice"], {row.image_id: row.group_id for row in data.rows}
    groups = [group_of[image_id] for image_id in dice]
    return dict(zip(dict.fromkeys(groups), group_means(list(dice.values()), groups).tolist(), strict=True))
