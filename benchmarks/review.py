"""What an expert's corrections are worth in the order of the review queue, and in others, on phantoms.

    python benchmarks/review.py output/final_models/demo-compact-0 [FOLDER …] [--count 10] [--draws 3]

Each folder is the output of a finished run on phantoms, whose truth is known. So many of its weak labels are corrected:
the truth takes their place and counts as gold. Then the final model is trained anew; coarse model and the other labels
stay. A measured order is kept in the folder and not measured again, so the command may be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable, MaskRef, write_table
from medweave.data.masks import encode_mask, read_mask
from medweave.data.phantoms import phantom
from medweave.quality.review import choose_for_review
from medweave.segmentation import Segmenter, build_training_set, evaluate_segmenter, train_on
from medweave.segmentation.bootstrap import paired_difference
from medweave.segmentation.metrics import image_metrics
from pipelines.references import settings_of
from pipelines.store import artifact, find_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=10, help="Labels to correct.")
    parser.add_argument("--draws", type=int, default=3, help="Random orders.")
    arguments = parser.parse_args()
    measured, patients = [], []
    for folder in arguments.folders:
        orders, groups = _measure(folder, arguments.count, arguments.draws)
        measured.append(orders)
        patients += [(folder, group) for group in groups]
    without = np.concatenate([orders["none"]["dice"] for orders in measured])
    print("| corrected | true Dice of those labels before | test Dice | difference to none |")
    print("|---|---|---|---|")
    for name in ("none", "queue", "least predicted", "random"):
        found = [_averaged(orders, name) for orders in measured]
        dice = np.concatenate([of_run for of_run, _ in found])
        gain = paired_difference(dice, without, patients, resamples=2000, seed=0)
        replaced = "" if name == "none" else f"{np.mean([before for _, before in found]):.3f}"
        print(f"| {name} | {replaced} | {dice.mean():.3f} | {gain.mean:.3f} [{gain.low:.3f}, {gain.high:.3f}] |")


def _averaged(orders: dict[str, dict[str, list[float]]], name: str) -> tuple[np.ndarray, float]:
    """Test Dice of an image, and the Dice of the labels that were corrected, over the orders of this name."""
    same = [found for order, found in orders.items() if order.startswith(name)]
    before = [dice for found in same for dice in found["before"]]
    return np.mean([found["dice"] for found in same], axis=0), float(np.mean(before or [np.nan]))


def _measure(folder: Path, count: int, draws: int) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """By order `dice` of each test image and `before`, that of the labels that were corrected; the images' groups."""
    run = find_run(f"run:{json.loads((folder / 'summary.json').read_text())['run_id']}")
    settings = settings_of(run)
    gold, test = artifact(run, "ingest", "gold"), artifact(run, "ingest", "test")
    weak, coarse = artifact(run, "check_labels", "weak"), artifact(run, "train_coarse", "coarse")
    unchanged = artifact(run, "evaluate", "final_evaluation")
    kept = folder / f"review-{count}.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    orders = {"none": {"dice": [score.dice for score in unchanged.rows], "before": []}}
    for name, chosen in _orders(weak, count, draws, settings.data.max_pixels):
        if name not in found:
            final = _train_with(chosen, gold, weak, coarse, name, settings)
            dice = [score.dice for score in evaluate_segmenter(final, test, settings).rows]
            found[name] = {"dice": dice, "before": [_dice(row, settings) for row in weak if row.image_id in chosen]}
            aside = kept.with_suffix(".part")
            aside.write_text(json.dumps(found), encoding="utf-8")
            aside.replace(kept)
        orders[name] = found[name]
    return orders, [score.group_id for score in unchanged.rows]


def _orders(weak: ImageTable, count: int, draws: int, max_pixels: int) -> Iterator[tuple[str, Collection[str]]]:
    yield "queue", {pick.row.image_id for pick in choose_for_review(weak, count, max_pixels)}
    predicted = {row.image_id: -1.0 if row.predicted_dice is None else row.predicted_dice for row in weak}
    yield "least predicted", sorted(predicted, key=predicted.__getitem__)[:count]
    for draw in range(draws):
        yield f"random {draw + 1}", set(np.random.default_rng(draw).choice(list(predicted), count, replace=False))


def _train_with(
    chosen: Collection[str], gold: ImageTable, weak: ImageTable, coarse: Segmenter, name: str, settings: Settings
) -> Segmenter:
    """The final model where an expert corrected the labels of the `chosen` images."""
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        labels = write_table(
            work / "labels", (_corrected(row, settings) if row.image_id in chosen else row for row in weak)
        )
        data = build_training_set([gold, labels], [], settings, work / "data")
        return train_on(data, coarse.card, settings, name, work)


def _corrected(row: ImageRow, settings: Settings) -> ImageRow:
    mask = MaskRef(png=encode_mask(_truth(row, settings)))
    return replace(row, label_source="gold", mask=mask, decision=None, weight=None)


def _dice(row: ImageRow, settings: Settings) -> float:
    truth = _truth(row, settings)
    mask = read_mask(row.mask, 1, settings.data.max_pixels) if row.mask else np.zeros_like(truth)
    return float(image_metrics(mask, truth, 1, tolerance=1.0)["dice"])


def _truth(row: ImageRow, settings: Settings) -> np.ndarray:
    if settings.data.phantoms is None:
        raise SystemExit(f"{settings.task}: the truth of its unlabeled images is not known; give a run on phantoms")
    split, _, index = row.image_id.rpartition("_")
    return phantom(settings.data.phantoms, settings.seed, split, int(index))[1]


if __name__ == "__main__":
    main()
