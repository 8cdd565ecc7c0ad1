"""What gold can teach a labeler, cross-fitted: the weights of `crop`, a decoder's adaptation, the prompts' settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Labeling, Prompts
from medweave.errors import InputError
from medweave.labeling.blending import choose_share
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.exams import Exam, exams_on, folds_of, mean_exam_dice
from medweave.labeling.fitted import ALL, FittedCard, FittedLabeler, State, labeler_for, with_weights
from medweave.labeling.gold_prompts import GoldImage, GoldSet, box_errors, gold_objects
from medweave.labeling.labelers import Labeler, Made, NoMask, prompted_with
from medweave.labeling.prompt_choice import choose_prompts, prompt_candidates
from medweave.labeling.prompts import Bounds, prompts_from_probabilities
from medweave.writing import whole_file

if TYPE_CHECKING:
    from medweave.labeling.crop import CropLabeler
    from medweave.labeling.sam import SamLabeler


def fit_labeler(
    labeler: Labeler,
    images: Sequence[GoldImage],
    coarse: Sequence[NDArray[np.float32]],
    folds: Mapping[str, int],
    bounds: Bounds,
    settings: Labeling,
    seed: int,
    work: Path,
) -> FittedLabeler:
    """What gold teaches `labeler`, given the coarse model's out-of-fold probabilities CxHxW for each gold image.

    `folds` says which fold each group of gold images is in. See `fit_to_gold`; with `settings.prompts.auto` the
    settings of the prompts are chosen for the labeler as fitted, and then the coarse model's share in the labels.
    """
    given = 0.0 if settings.coarse_share == "auto" else settings.coarse_share
    if not labeler.requires_prompts:
        return FittedLabeler(FittedCard(labeler.name, labeler.digest, settings.prompts, coarse_share=given))
    classes = len(bounds.classes)
    prompted = (
        (
            gold_objects(image.mask, classes),
            prompts_from_probabilities(seen, image.size, settings.prompts, bounds, image.target.image_id),
        )
        for image, seen in zip(images, coarse, strict=True)
    )
    gold = GoldSet(images, folds, classes, box_errors(prompted), settings.prompts.kind, seed)
    fitted = fit_to_gold(labeler, gold, settings, work)
    made, masks = labeler_for(fitted, labeler), [image.mask for image in images]
    card = replace(fitted.card, coarse_share=given)
    if settings.prompts.auto:
        targets, candidates = [image.target for image in images], prompt_candidates(settings.prompts)
        chosen, measured = choose_prompts(made, targets, masks, coarse, bounds, candidates)
        table = [{**one.prompts.model_dump(mode="json"), "dice": float(one.dice.mean())} for one in measured]
        card = replace(card, prompts=chosen, prompt_dice=table)
    if settings.coarse_share == "auto":
        labels = labels_of_gold(made, images, coarse, bounds, card.prompts)
        share, dice = choose_share(labels, coarse, masks, [image.target.group_id for image in images])
        card = replace(card, coarse_share=share, share_dice={str(key): round(value, 4) for key, value in dice.items()})
    return FittedLabeler(card, fitted.weights)


def labels_of_gold(
    labeler: Labeler,
    images: Sequence[GoldImage],
    coarse: Sequence[NDArray[np.float32]],
    bounds: Bounds,
    prompts: Prompts,
) -> list[Made | NoMask]:
    """What the labeler makes of each gold image, prompted by the coarse model's probabilities CxHxW."""
    labeler, labels = prompted_with(labeler, prompts), list[Made | NoMask]()
    for image, seen in zip(images, coarse, strict=True):
        found = prompts_from_probabilities(seen, image.size, prompts, bounds, image.target.image_id)
        target = replace(image.target, prompts=tuple(found), rounds=prompts.rounds)
        labels += labeler.segment([target]) if found else [NoMask("no prompt")]
    return labels


def fit_to_gold(labeler: Labeler, gold: GoldSet, settings: Labeling, work: Path) -> FittedLabeler:
    """Weights for each fold from the gold images of the others, and weights from all gold.

    `crop` is trained. With `settings.adapt` a model of SAM's kind is adapted: its decoder is fine-tuned, and where
    prompts have boxes its masks are averaged with those of a `crop`, each if that is better by cross-validation.
    Others learn nothing. Goes on from what an earlier call left in the folder `work`.
    Raises InputError for a labeler that cannot adapt, for gold in which there is no object, and for gold of one group.
    """
    card = FittedCard(labeler.name, labeler.digest, settings.prompts)
    if labeler.name != "crop" and not settings.adapt:
        return FittedLabeler(card)
    if not any(image.mask.any() for image in gold.images):
        raise InputError(
            f"labeling.labeler={labeler.name}: there is no object in any gold mask; add gold that has some"
        )
    if len(set(gold.folds.values())) < 2:
        raise InputError(
            f"labeling.labeler={labeler.name}: what it learns from gold is measured on gold of other groups, and there "
            "is one group; add gold, or take a labeler that learns nothing (labeling.adapt=false)"
        )
    from medweave.labeling.crop import CropLabeler
    from medweave.labeling.sam import SamLabeler

    members = {image.target.image_id: member(gold.fold(image)) for image in gold.images}
    training = {"seed": gold.seed, "errors": asdict(gold.errors)}
    card = replace(card, members=members, training=training)
    if isinstance(labeler, CropLabeler):
        return _fit_crop(labeler, gold, card, work)
    if isinstance(labeler, SamLabeler):
        return _adapt(labeler, gold, card, work)
    raise InputError(f"labeling.adapt=true: {labeler.name} has no decoder to adapt; set labeling.adapt=false")


def member(fold: int) -> str:
    """The name of the weights that never saw a fold."""
    return f"fold-{fold}"


def _fit_crop(labeler: CropLabeler, gold: GoldSet, card: FittedCard, work: Path) -> FittedLabeler:
    weights, exams = _train_crops(labeler, gold, work), exams_on(gold)
    before = mean_exam_dice(exams, [EllipseLabeler(gold.classes).segment([exam.target])[0] for exam in exams])
    after = mean_exam_dice(exams, _unseen_labels(labeler, weights, exams))
    return FittedLabeler(replace(card, dice={"ellipse": before, "after": after}), weights)


def _adapt(labeler: SamLabeler, gold: GoldSet, card: FittedCard, work: Path) -> FittedLabeler:
    """First the decoder, then the average with `crop`: each is kept where it is better by cross-validation."""
    from medweave.labeling.adaptation import tune_decoder
    from medweave.labeling.averaging import joined
    from medweave.labeling.crop import CropLabeler

    exams = exams_on(gold)
    tuned = tune_decoder(labeler, gold, exams)
    weights = {ALL if fold is None else member(fold): state for fold, state in tuned.states.items()}
    dice = {"before": tuned.dice[0], "decoder": max(value for steps, value in tuned.dice.items() if steps)}
    if gold.kind != "points":
        crop = CropLabeler(gold.classes, str(labeler.sam.device), labeler.precision)
        crops = _train_crops(crop, gold, work)
        averaged = {name: joined(weights.get(name, {}), state) for name, state in crops.items()}
        dice["averaged"] = mean_exam_dice(exams, _unseen_labels(labeler, averaged, exams))
        if dice["averaged"] > tuned.dice[tuned.steps]:
            weights = averaged
    by_steps = {str(steps): value for steps, value in tuned.dice.items()}
    training = {**card.training, "steps": tuned.steps, "dice_by_steps": by_steps}
    card = replace(card, dice={**dice, "after": max(dice.values())}, training=training)
    if not weights:
        best = max(value for name, value in dice.items() if name != "before")
        dropped = f"Dice on gold by cross-validation {best:.3f} with it, {dice['before']:.3f} without"
        progress.say(f"  adaptation of {labeler.name} dropped: {dropped}")
        return FittedLabeler(replace(card, members={}, dropped=dropped))
    return FittedLabeler(card, weights)


def _train_crops(labeler: CropLabeler, gold: GoldSet, work: Path) -> dict[str, State]:
    """Weights of `crop` for every member."""
    from medweave.labeling.crop import train_crop

    def trained(name: str, images: Sequence[GoldImage], seed: int) -> State:
        def train() -> State:
            return train_crop(
                images, gold.classes, gold.errors, seed, labeler.device, labeler.precision, f"crop {name}"
            )

        return _kept(work / f"{name}.safetensors", train)

    folds = folds_of(gold)
    weights = {member(fold): trained(member(fold), gold.without(fold), gold.seed + fold) for fold in folds}
    return weights | {ALL: trained(ALL, gold.images, gold.seed + len(folds))}


def _unseen_labels(labeler: Labeler, weights: Mapping[str, State], exams: Sequence[Exam]) -> Iterator[Made | NoMask]:
    """What the labeler makes of each exam with the weights that never saw its fold."""
    members = {fold: with_weights(labeler, weights[member(fold)]) for fold in {exam.fold for exam in exams}}
    for exam in exams:
        yield from members[exam.fold].segment([exam.target])


def _kept(path: Path, make: Callable[[], State]) -> State:
    """The weights in a file; made and written there when it is not there yet."""
    from safetensors.torch import load_file, save_file

    if not path.exists():
        weights = dict(make())
        with whole_file(path) as aside:
            save_file(weights, aside)
    state: State = load_file(path)
    return state
