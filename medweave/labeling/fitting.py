"""What gold can teach a labeler, cross-fitted: the weights of `crop`, a decoder's adaptation, the prompts' settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Labeling, Prompts
from medweave.errors import InputError
from medweave.labeling.blending import choose_share
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.fitted import ALL, FittedCard, FittedLabeler, State, labeler_for
from medweave.labeling.gold_prompts import GoldImage, GoldSet, box_errors, gold_objects, gold_prompts
from medweave.labeling.labelers import Labeler, Made, NoMask, Target
from medweave.labeling.prompt_choice import choose_prompts, mean_dice, prompt_candidates
from medweave.labeling.prompts import Bounds, prompts_from_probabilities

if TYPE_CHECKING:
    from medweave.labeling.crop import CropLabeler
    from medweave.labeling.sam import SamLabeler

EXAMS = 2
"""How often each gold image is prompted, with other errors each time, to see how well a labeler does."""


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
        share, dice = choose_share(labels, coarse, masks)
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
    labels: list[Made | NoMask] = []
    for image, seen in zip(images, coarse, strict=True):
        found = prompts_from_probabilities(seen, image.size, prompts, bounds, image.target.image_id)
        target = replace(image.target, prompts=tuple(found), rounds=prompts.rounds)
        labels += labeler.segment([target]) if found else [NoMask("no prompt")]
    return labels


def fit_to_gold(labeler: Labeler, gold: GoldSet, settings: Labeling, work: Path) -> FittedLabeler:
    """Weights for each fold from the gold images of the others, and weights from all gold.

    `crop` is trained; with `settings.adapt` a model of SAM's kind is adapted, and stays as it was if that is not
    better by cross-validation; others learn nothing. Goes on from what an earlier call left in the folder `work`.
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
        return _adapt(labeler, gold, card)
    raise InputError(f"labeling.adapt=true: {labeler.name} has no decoder to adapt; set labeling.adapt=false")


def member(fold: int) -> str:
    """The name of the weights that never saw a fold."""
    return f"fold-{fold}"


def _fit_crop(labeler: CropLabeler, gold: GoldSet, card: FittedCard, work: Path) -> FittedLabeler:
    from medweave.labeling.crop import train_crop

    def trained(name: str, images: Sequence[GoldImage], seed: int) -> State:
        def train() -> State:
            return train_crop(
                images, gold.classes, gold.errors, seed, labeler.device, labeler.precision, f"crop {name}"
            )

        return _kept(work / f"{name}.safetensors", train)

    folds = _folds(gold)
    weights = {member(fold): trained(member(fold), gold.without(fold), gold.seed + fold) for fold in folds}
    weights[ALL] = trained(ALL, gold.images, gold.seed + len(folds))
    exams = exams_on(gold)
    fitted = {fold: labeler.with_network(weights[member(fold)]) for fold in folds}
    before = mean_exam_dice(exams, [EllipseLabeler(gold.classes).segment([exam.target])[0] for exam in exams])
    after = mean_exam_dice(exams, [fitted[exam.fold].segment([exam.target])[0] for exam in exams])
    return FittedLabeler(replace(card, dice={"ellipse": before, "after": after}), weights)


def _adapt(labeler: SamLabeler, gold: GoldSet, card: FittedCard) -> FittedLabeler:
    """Stopped after the number of steps that cross-validation likes best, which may be none."""
    from medweave.labeling.adaptation import RECIPES, Recipe, embed_gold, fine_tune

    recipe = RECIPES.get(labeler.name, Recipe())
    lessons, folds = embed_gold(labeler, gold, recipe), _folds(gold)
    states = {}
    for fold in folds:
        others = [lesson for lesson in lessons if lesson.fold != fold]
        states[fold] = fine_tune(labeler, others, recipe.snapshots, recipe, gold.seed + fold, f"adapt {member(fold)}")
    exams = exams_on(gold)
    embedded = labeler.embed([exam.target for exam in exams])
    before = mean_exam_dice(
        exams, [labeler.label(exam.target, seen) for exam, seen in zip(exams, embedded, strict=True)]
    )
    by_steps = {}
    for steps in recipe.snapshots:
        adapted = {fold: labeler.with_decoder(states[fold][steps]) for fold in folds}
        made = [adapted[exam.fold].label(exam.target, seen) for exam, seen in zip(exams, embedded, strict=True)]
        by_steps[steps] = mean_exam_dice(exams, made)
    best = max(by_steps, key=lambda steps: by_steps[steps])
    training = {**card.training, "steps": best, "dice_by_steps": {str(key): dice for key, dice in by_steps.items()}}
    card = replace(card, dice={"before": before, "after": by_steps[best]}, training=training)
    if by_steps[best] <= before:
        dropped = f"Dice on gold by cross-validation {by_steps[best]:.3f} with it, {before:.3f} without"
        progress.say(f"  adaptation of {labeler.name} dropped: {dropped}")
        return FittedLabeler(replace(card, members={}, dropped=dropped))
    weights = {member(fold): states[fold][best] for fold in folds}
    weights[ALL] = fine_tune(labeler, lessons, [best], recipe, gold.seed + len(folds), "adapt all")[best]
    return FittedLabeler(card, weights)


@dataclass(frozen=True)
class Exam:
    """A gold image of a fold with prompts, and its mask."""

    fold: int
    target: Target
    mask: NDArray[np.uint8]


def exams_on(gold: GoldSet) -> list[Exam]:
    """Every gold image, `EXAMS` times, with one prompt an object, each with other random errors."""
    exams = []
    for index, image in enumerate(gold.images):
        generator = np.random.default_rng([gold.seed, index])
        objects = gold_objects(image.mask, gold.classes)
        for _ in range(EXAMS):
            prompts = tuple(gold_prompts(found, gold.errors, gold.kind, 1, generator)[0] for found in objects)
            exams.append(Exam(gold.fold(image), replace(image.target, prompts=prompts), image.mask))
    return exams


def mean_exam_dice(exams: Sequence[Exam], made: Sequence[Made | NoMask]) -> float:
    """Mean Dice of the labels that were made of exams; 0 where there is none."""
    scores = [mean_dice(label, exam.mask) for exam, label in zip(exams, made, strict=True)]
    return round(float(np.mean(scores)), 4)


def _folds(gold: GoldSet) -> list[int]:
    return sorted({gold.fold(image) for image in gold.images})


def _kept(path: Path, make: Callable[[], State]) -> State:
    """The weights in a file; made and written there when it is not there yet."""
    from safetensors.torch import load_file, save_file

    if not path.exists():
        aside = path.with_suffix(".part")
        save_file(dict(make()), aside)
        aside.replace(path)
    state: State = load_file(path)
    return state
