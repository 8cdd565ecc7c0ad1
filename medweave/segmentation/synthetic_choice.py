"""Whether synthetic images help: the same cross-validation on gold with and without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable
from medweave.segmentation.cross_validation import train_coarse
from medweave.segmentation.training_set import TrainingSet, build_training_set, is_trusted


@dataclass(frozen=True)
class SyntheticChoice:
    """What cross-validation said: out-of-fold Dice on gold (None where nothing was measured) with and without them.

    `offered` synthetic images were accepted, of which `images` are within the share that they may have.
    """

    offered: int
    images: int
    dice_with: float | None = None
    dice_without: float | None = None

    @property
    def kept(self) -> bool:
        """Whether they are trained on: only when they help."""
        return self.dice_with is not None and self.dice_without is not None and self.dice_with > self.dice_without

    def to_json(self) -> dict[str, Any]:
        """The fields, and `kept`."""
        return {**asdict(self), "kept": self.kept}


def within_share(real: Sequence[ImageTable], synthetic: Sequence[ImageRow], share: float) -> list[ImageRow]:
    """The first of the accepted synthetic images, as many as are `share` (0..1) of all labels that are trained on."""
    labels = sum(is_trusted(row) for table in real for shard in table.shards(["decision"]) for row in shard)
    return [row for row in synthetic if is_trusted(row)][: int(labels * share / (1 - share) + 1e-9)]


def choose_synthetic(
    real: Sequence[ImageTable], synthetic: Sequence[ImageRow], settings: Settings, work: Path
) -> tuple[list[ImageRow], SyntheticChoice]:
    """The synthetic images to train on, none when they do not help, and what was measured.

    `real` are gold and weak labels. Two coarse models are trained on the folds of gold, with and without synthetic
    images; those made for a mask of held-out patients are held out with them. The generator saw all of gold, so that
    the figure with them is a little optimistic.
    """
    chosen = within_share(real, synthetic, settings.synthesis.share)
    offered = sum(is_trusted(row) for row in synthetic)
    if not chosen:
        return [], SyntheticChoice(offered, 0)

    def measured(name: str, rows: Sequence[ImageRow]) -> float | None:
        data = build_training_set(real, [rows], settings, work / name / "data")
        return _out_of_fold(data, settings, work / name)

    choice = SyntheticChoice(offered, len(chosen), measured("with", chosen), measured("without", []))
    return (chosen if choice.kept else []), choice


def _out_of_fold(data: TrainingSet, settings: Settings, work: Path) -> float | None:
    coarse = train_coarse(data, settings.data.classes, settings.segmentation, settings.compute, settings.seed, work)
    training = coarse.card.training
    return dict(training["out_of_fold_dice"]).get(training["steps"])
