"""Adaptation of a model of SAM's kind to a task: its decoder is fine-tuned on gold, over frozen image embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from medweave import progress
from medweave.errors import RunError
from medweave.labeling.exams import Exam, folds_of, mean_exam_dice
from medweave.labeling.gold_prompts import GoldImage, GoldSet, gold_objects, gold_prompts
from medweave.labeling.losses import mask_loss
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam import Embedding, SamLabeler

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a decoder is fine-tuned.

    Each gold image is embedded once for each of `views`, which are the axes (height 0, width 1) that it is flipped
    along, with `alternatives` prompts an object. A step takes `batch` frames with one of their prompts each. AdamW
    with the learning rate warmed up over `warm_up` steps;
    the weights are averaged with the decay `ema`. Which of the numbers of steps in `snapshots` is taken is for
    cross-validation to say.
    """

    views: tuple[tuple[int, ...], ...] = ((), (1,))
    alternatives: int = 8
    batch: int = 4
    snapshots: tuple[int, ...] = (30, 60)
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    warm_up: int = 10
    ema: float = 0.95


RECIPES: Mapping[str, Recipe] = {"compact": Recipe(views=((), (0,)), alternatives=3, batch=8, snapshots=(30, 60, 120))}
"""Recipes of labelers whose encoder costs little and whose frames depend on the prompts; `compact` mirrors frames."""


@dataclass(frozen=True)
class Tuned:
    """A decoder after the number of steps that cross-validation likes best; none of them where that is 0.

    `dice` is the mean Dice of the exams after each number of steps, 0 among them. `states` has the weights for each
    fold from the gold images of the others, and (None) from all gold.
    """

    steps: int
    dice: Mapping[int, float]
    states: Mapping[int | None, State]


def tune_decoder(labeler: SamLabeler, gold: GoldSet, exams: Sequence[Exam]) -> Tuned:
    """The labeler's decoder fine-tuned on gold, cross-fitted, and measured on exams."""
    recipe = RECIPES.get(labeler.name, Recipe())
    lessons, folds = embed_gold(labeler, gold, recipe), folds_of(gold)
    states = {}
    for fold in folds:
        others = [lesson for lesson in lessons if lesson.fold != fold]
        states[fold] = fine_tune(labeler, others, recipe.snapshots, recipe, gold.seed + fold, f"adapt fold-{fold}")
    embedded = labeler.embed([exam.target for exam in exams])

    def measured(tuned: Mapping[int, SamLabeler]) -> float:
        both = zip(exams, embedded, strict=True)
        return mean_exam_dice(exams, (tuned[exam.fold].label(exam.target, seen) for exam, seen in both))

    dice = {0: measured(dict.fromkeys(folds, labeler))}
    for steps in recipe.snapshots:
        dice[steps] = measured({fold: labeler.with_decoder(states[fold][steps]) for fold in folds})
    best = max(dice, key=lambda steps: dice[steps])
    kept: dict[int | None, State] = {fold: states[fold][best] for fold in folds} if best else {}
    if best:
        kept[None] = fine_tune(labeler, lessons, [best], recipe, gold.seed + len(folds), "adapt all")[best]
    return Tuned(best, dice, kept)


@dataclass(frozen=True)
class Lesson:
    """A frame of a gold image: its prompts, and for each the share of every low-resolution pixel that is object."""

    fold: int
    embedding: Embedding
    prompts: Sequence[Prompt]
    shares: torch.Tensor


def embed_gold(labeler: SamLabeler, gold: GoldSet, recipe: Recipe) -> list[Lesson]:
    """The gold images' embeddings, with prompts that have errors like those of the coarse model."""
    lessons = []
    with progress.task("embed gold", len(recipe.views) * len(gold.images)) as task:
        for view, axes in enumerate(recipe.views):
            for index, image in enumerate(gold.images):
                generator = np.random.default_rng([gold.seed, view, index])
                seen = _flipped(image, axes)
                objects = gold_objects(seen.mask, gold.classes)
                prompts = tuple(
                    prompt
                    for found in objects
                    for prompt in gold_prompts(found, gold.errors, gold.kind, recipe.alternatives, generator)
                )
                regions = {(found.class_index, found.component): found.region.astype(np.uint8) for found in objects}
                (frames,) = labeler.embed([replace(seen.target, prompts=prompts)])
                for embedding, served in frames:
                    shares = [
                        labeler.low_resolution(regions[prompt.class_index, prompt.component], embedding.frame)
                        for prompt in served
                    ]
                    lessons.append(Lesson(gold.fold(image), embedding, served, torch.stack(shares)))
                task.advance()
    return lessons


def fine_tune(
    labeler: SamLabeler, lessons: Sequence[Lesson], steps: Sequence[int], recipe: Recipe, seed: int, name: str
) -> dict[int, State]:
    """The decoder's averaged weights after each of `steps`. Raises RunError when the loss is no longer finite."""
    generator = np.random.default_rng(seed)
    student = labeler.with_decoder(labeler.decoder_state())
    parameters = _learned(student)
    average = {key: parameter.detach().clone() for key, parameter in parameters.items()}
    optimizer = torch.optim.AdamW(parameters.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / recipe.warm_up))
    states = {}
    with progress.task(name, max(steps)) as task:
        for step in range(1, max(steps) + 1):
            drawn = generator.choice(len(lessons), min(recipe.batch, len(lessons)), replace=False)
            loss = torch.stack([_loss(student, lessons[index], generator) for index in drawn]).mean()
            if not torch.isfinite(loss):
                raise RunError(f"{name}: the loss is not finite at step {step}; set labeling.adapt=false")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            warm.step()
            decay = min(recipe.ema, step / (step + 9))
            for key, parameter in parameters.items():
                average[key].lerp_(parameter.detach(), 1 - decay)
            if step in steps:
                averaged = {key: value.cpu().clone() for key, value in average.items()}
                states[step] = labeler.decoder_state() | averaged
            task.advance(note=f"loss {float(loss.detach()):.3f}")
    return states


def _learned(student: SamLabeler) -> dict[str, torch.nn.Parameter]:
    """Decoder and prompt encoder; what takes in masks stays as it is, as there are none in training."""
    parts = {"mask_decoder": student.sam.mask_decoder, "prompt_encoder": student.sam.prompt_encoder}
    return {
        f"{part}.{name}": parameter.requires_grad_(True)
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
    }


def _loss(student: SamLabeler, lesson: Lesson, generator: np.random.Generator) -> torch.Tensor:
    """Of a random prompt: the mask's loss, and the squared error of the IoU that the model expects."""
    chosen = int(generator.integers(len(lesson.prompts)))
    shares = lesson.shares[chosen : chosen + 1]
    logits, expected = student.logits(lesson.embedding, lesson.prompts[chosen : chosen + 1])
    found, truth = logits.detach() > 0, shares > 0.5
    overlap = (found & truth).sum() / (found | truth).sum().clamp_min(1)
    return mask_loss(logits, shares) + (expected - overlap).square().mean()


def _flipped(image: GoldImage, axes: tuple[int, ...]) -> GoldImage:
    """The image and its mask; with a digest of its own, as it is another image to a cache of embeddings."""
    if not axes:
        return image
    target = image.target
    pixels = np.ascontiguousarray(np.flip(target.image, axes))
    renamed = replace(target, image=pixels, image_sha256=f"{target.image_sha256}-flipped-{axes}")
    return GoldImage(renamed, np.ascontiguousarray(np.flip(image.mask, axes)))
