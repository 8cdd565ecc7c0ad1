"""How far the predicted Dice of labels holds, on test images that are labelled as if they were unlabeled.

    python benchmarks/trust.py output/final_models/busi-compact-0 [FOLDER …]

Each folder is the output of a finished run, whose coarse model, labeler and calibration label and judge its test
images; their masks only tell the true Dice. It tells how many of the 90 % intervals hold it, and their mean width. The
95 % intervals of these figures are of the bootstrap over groups.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from medweave.config import Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import read_mask
from medweave.labeling import configured_chain, label_images
from medweave.quality import check_labels, gold_standard, with_coarse
from medweave.quality.features import mask_dice
from medweave.segmentation import OutOfFold
from medweave.segmentation.bootstrap import bootstrap_mean
from pipelines.references import settings_of
from pipelines.store import artifact, find_run

RESAMPLES = 2000
DECISIONS = ("accept", "review", "reject")


@dataclass(frozen=True)
class Judged:
    """A label of a test image: its group, what was said of it, and its true Dice."""

    group_id: str
    decision: str
    predicted: float
    low: float
    high: float
    dice: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    print("| run | labels | rank correlation | true Dice of accepted | to review | rejected | intervals hold | width |")
    print("|---|---|---|---|---|---|---|---|")
    for folder in arguments.folders:
        judged = _judge(folder)
        if not judged:
            raise SystemExit(
                f"{folder}: no test image gets a label with an interval; give a run whose labeler makes labels"
            )
        by_decision = [[one for one in judged if one.decision == decision] for decision in DECISIONS]
        told = " | ".join(_mean([one.dice for one in some], some) for some in by_decision)
        held = _mean([one.low <= one.dice <= one.high for one in judged], judged)
        width = np.mean([one.high - one.low for one in judged])
        rank = _rank_correlation(judged)
        print(f"| {folder.name} | {len(judged)} | {rank} | {told} | {held} | {width:.2f} |", flush=True)


def _judge(folder: Path) -> list[Judged]:
    run = find_run(f"run:{json.loads((folder / 'summary.json').read_text())['run_id']}")
    settings = settings_of(run)
    gold, test, coarse = (
        artifact(run, step, name) for step, name in (("ingest", "gold"), ("ingest", "test"), ("train_coarse", "coarse"))
    )
    fitted, gold_weak = artifact(run, "fit_labeler", "fitted_labeler"), artifact(run, "label_gold", "labels")
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        images = write_table(work / "images", (replace(row, mask=MaskRef(), label_source="none") for row in test))
        chain = configured_chain(settings, gold, OutOfFold(coarse), fitted)
        labels = label_images(images, chain, "weak", work / "labels", max_pixels, work / "store")
        reference = with_coarse(gold, gold_weak, work / "gold")
        standard = gold_standard(reference, gold_weak, [labels], settings.quality, classes, max_pixels)
        checked = check_labels(labels, standard, settings.quality, classes, max_pixels, work / "checked")
        return [one for row, true in zip(checked, test, strict=True) if (one := _compared(row, true, settings))]


def _compared(row: ImageRow, true: ImageRow, settings: Settings) -> Judged | None:
    if not row.mask or row.predicted_dice is None or row.low is None or row.high is None:
        return None
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    dice = mask_dice(read_mask(row.mask, classes, max_pixels), read_mask(true.mask, classes, max_pixels), classes)
    return Judged(row.group_id, str(row.decision), row.predicted_dice, row.low, row.high, dice)


def _mean(values: Sequence[float], judged: Sequence[Judged]) -> str:
    if not judged:
        return "none"
    found = bootstrap_mean(values, [one.group_id for one in judged], RESAMPLES, seed=0)
    return f"{len(judged)}: {found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _rank_correlation(judged: Sequence[Judged]) -> str:
    """Spearman's, of predicted and true Dice."""
    pairs = np.array([(one.predicted, one.dice) for one in judged])
    groups = [
        np.flatnonzero([one.group_id == group for one in judged]) for group in sorted({one.group_id for one in judged})
    ]
    rng = np.random.default_rng(0)
    drawn = (np.concatenate([groups[g] for g in rng.integers(len(groups), size=len(groups))]) for _ in range(RESAMPLES))
    low, high = np.quantile([spearmanr(pairs[some]).statistic for some in drawn], [0.025, 0.975])
    return f"{spearmanr(pairs).statistic:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
