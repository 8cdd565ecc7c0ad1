"""The coarse model: one member a fold of gold, stopped where the images left out say so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medweave.config import Compute, Segmentation
from medweave.data.leads import lead_over
from medweave.data.splits import group_folds
from medweave.segmentation.metrics import image_metrics
from medweave.segmentation.networks import architecture_of
from medweave.segmentation.postprocessing import class_map, most_components
from medweave.segmentation.segmenter import Card, Segmenter, flips_of
from medweave.segmentation.training import Plan, train
from medweave.segmentation.training_set import TrainingSet

FIRST_SNAPSHOT = 0.4
"""Share of the steps after which the images left out are looked at for the first time."""


def train_coarse(
    data: TrainingSet,
    classes: tuple[str, ...],
    settings: Segmentation,
    compute: Compute,
    seed: int,
    work: Path,
    cross_fit: bool = False,
) -> Segmenter:
    """Train one member a fold of gold and choose the number of steps by the mean out-of-fold Dice.

    Images of `data` that are not gold take part in every fold but those whose group is held out. With `cross_fit` those
    of them that have a label are dealt out over the folds, too, so that what is said of them does not come of their own
    labels, which may be wrong. There are no more folds than groups of gold; with one group there is one member, which
    saw all of it, and nothing is measured.

    The card's `training` has `folds` (group id to the member that never saw it), the out-of-fold Dice over steps,
    `held_out_dice` (image id to its out-of-fold Dice where training stopped), and `stop_share`, the chosen part of the
    planned steps.
    """
    gold = data.subset(np.flatnonzero(data.gold))
    groups = [row.group_id for row in gold.rows]
    count = min(settings.folds, len(set(groups)))
    folds = group_folds(groups, count, seed)
    held_out_of = dict(zip(groups, folds.tolist(), strict=True))
    if cross_fit and count > 1:
        held_out_of = _folds_of_others(data, count, seed) | held_out_of
    steps = snapshots(settings.coarse_steps, settings.evaluations)
    architecture = architecture_of(settings, len(classes))
    flips, most = flips_of(settings), most_components(gold.masks, len(classes))
    trained, scores = [], np.zeros((len(gold), len(steps)))
    for fold in range(count):
        plan = Plan(f"coarse fold {fold + 1}/{count}", settings.coarse_steps, steps, seed + fold)
        held_out = np.flatnonzero(folds == fold)
        seen = data.without({group for group, own in held_out_of.items() if own == fold}) if count > 1 else data
        result = train(architecture, seen, settings, compute, plan, work / f"fold-{fold}")
        card = Card(architecture, classes, settings.image_size, result.encoder_weights, most, flips)
        for column, step in enumerate(steps):
            member = Segmenter(card, [result.networks[step]], compute)
            scores[held_out, column] = _dice(member, gold.subset(held_out), settings.image_size)
        trained.append(result)
    curve = scores.mean(axis=0)
    best = choose_snapshot(scores, groups) if count > 1 else len(steps) - 1
    training = {
        "seed": seed,
        "planned_steps": settings.coarse_steps,
        "steps": steps[best],
        "stop_share": steps[best] / settings.coarse_steps,
        "out_of_fold_dice": [[step, float(value)] for step, value in zip(steps, curve, strict=True) if count > 1],
        "held_out_dice": {
            row.image_id: float(dice) for row, dice in zip(gold.rows, scores[:, best], strict=True) if count > 1
        },
        "folds": held_out_of,
        "losses": {f"coarse fold {fold + 1} loss": result.losses for fold, result in enumerate(trained)},
    }
    card = Card(architecture, classes, settings.image_size, trained[0].encoder_weights, most, flips, training=training)
    return Segmenter(card, [result.networks[steps[best]] for result in trained], compute)


def _folds_of_others(data: TrainingSet, count: int, seed: int) -> dict[str, int]:
    """The fold of each group of labelled images that are not gold: of `count`, or as many as there are groups."""
    groups = [data.rows[index].group_id for index in np.flatnonzero(~data.gold & (data.weights > 0))]
    if not groups:
        return {}
    return dict(zip(groups, group_folds(groups, min(count, len(set(groups))), seed).tolist(), strict=True))


def choose_snapshot(scores: np.ndarray, groups: Sequence[str]) -> int:
    """The snapshot to stop at, from out-of-fold Dice (images x snapshots) and the images' groups.

    The last one, unless an earlier one is better by more than one standard error of the paired difference, over groups:
    a peak within the noise of a few patients is no reason to cut a falling learning rate short.
    """
    best = int(scores.mean(axis=0).argmax())
    lead = lead_over(scores[:, -1], scores[:, best], groups)
    return best if lead.mean > lead.standard_error else scores.shape[1] - 1


def snapshots(steps: int, evaluations: int) -> tuple[int, ...]:
    """Steps at which out-of-fold Dice is measured: evenly from 40 % of the training to its end."""
    if evaluations == 1:
        return (steps,)
    return tuple(sorted({max(1, round(share * steps)) for share in np.linspace(FIRST_SNAPSHOT, 1.0, evaluations)}))


def _dice(segmenter: Segmenter, data: TrainingSet, size: int) -> list[float]:
    probabilities = segmenter.probabilities(list(data.images))
    return [
        image_metrics(
            class_map(probability, size, size, segmenter.card.most_components),
            mask,
            len(segmenter.card.classes),
            tolerance=1.0,
        )["dice"]
        for probability, mask in zip(probabilities, data.masks, strict=True)
    ]
