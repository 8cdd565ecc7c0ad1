"""The baseline and the final model: trained as far as cross-validation on gold said."""

from __future__ import annotations

from pathlib import Path

from medweave.config import Settings
from medweave.segmentation.networks import architecture_of
from medweave.segmentation.postprocessing import most_components
from medweave.segmentation.segmenter import Card, Segmenter, flips_of
from medweave.segmentation.training import Plan, train
from medweave.segmentation.training_set import TrainingSet


def train_on(data: TrainingSet, coarse: Card, settings: Settings, name: str, work: Path) -> Segmenter:
    """Train `members` networks that differ in their seeds.

    The learning rate falls over `final_steps`; training stops at the share of them that the cross-validation of the
    coarse model with this card chose.
    """
    recipe, classes = settings.segmentation, settings.data.classes
    stop = max(1, round(coarse.training["stop_share"] * recipe.final_steps))
    architecture = architecture_of(recipe, len(classes))
    names = [f"{name} {member + 1}/{recipe.members}" for member in range(recipe.members)]
    trained = [
        train(
            architecture,
            data,
            recipe,
            settings.compute,
            Plan(member, recipe.final_steps, (stop,), settings.seed + index),
            work / f"member-{index}",
        )
        for index, member in enumerate(names)
    ]
    training = {
        "seed": settings.seed,
        "planned_steps": recipe.final_steps,
        "steps": stop,
        "images": {
            "gold": int(data.gold.sum()),
            "labelled": int((~data.gold & (data.weights > 0)).sum()),
            "unlabelled": int((data.weights == 0).sum()),
        },
        "losses": {f"{member} loss": result.losses for member, result in zip(names, trained, strict=True)},
    }
    encoder_weights, most = trained[0].encoder_weights, most_components(data.masks[data.gold], len(classes))
    card = Card(architecture, classes, recipe.image_size, encoder_weights, most, flips_of(recipe), training=training)
    return Segmenter(card, [result.networks[stop] for result in trained], settings.compute)
