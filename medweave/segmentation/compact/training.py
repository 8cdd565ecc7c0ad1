"""Training of the built-in segmentation network to find all objects of drawn scenes, without a prompt.

`python -m medweave.segmentation.compact.training --work DIR`. It starts from the promptable model's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from medweave.compact.scenes import make_scene
from medweave.compact.training import Recipe, program
from medweave.compact.weights import load_state
from medweave.compute import in_native_precision
from medweave.data.resizing import squash_image, squash_mask
from medweave.segmentation.compact import NAME
from medweave.segmentation.compact.network import Compact
from medweave.segmentation.losses import label_loss
from medweave.segmentation.preprocessing import normalise

DEFAULTS = Recipe(Path(), steps=16500, decay=6000, batch=8, side=160)
SIDES = (-32, 0, 0, 32)
"""Added to the recipe's side, batch by batch."""
SCENES, HELD_OUT = 4, 5
"""What a random stream is for: the second number of its seed."""

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images Bx3xSxS uint8, and masks BxSxS uint8 of all their objects."""


class Unprompted:
    """To find all objects of an image."""

    name = NAME

    def build(self, _recipe: Recipe) -> Compact:
        """The network with the weights that it shares with the promptable model."""
        network = Compact(1)
        shared, _ = load_state("compact")
        renamed = {
            name.replace("image_encoder.", "encoder.").removeprefix("mask_decoder."): value
            for name, value in shared.items()
        }
        state = network.state_dict()
        state |= {name: value for name, value in renamed.items() if name in state and not name.startswith("mix.")}
        network.load_state_dict(state)
        return network

    def batches(self, recipe: Recipe) -> Dataset[Batch]:
        """Scenes of changing sizes."""
        return Scenes(recipe)

    def loss(self, model: Compact, batch: Batch, recipe: Recipe, _step: int) -> torch.Tensor:
        """Cross-entropy and soft Dice."""
        images, masks = (part.to(recipe.device) for part in batch)
        with in_native_precision(images.device):
            logits = model(normalise(images))
        return label_loss(logits.float(), masks, torch.ones_like(masks, dtype=torch.float32)).mean()

    def held_out(self, recipe: Recipe) -> list[Batch]:
        """Batches from scenes that training never sees."""
        return [
            _batch([(recipe.seed, HELD_OUT, index, number) for number in range(16)], recipe.side)
            for index in range(recipe.held_out)
        ]

    @torch.no_grad()
    def measure(self, model: Compact, batches: list[Batch], recipe: Recipe) -> dict[str, float]:
        """Mean Dice."""
        values = []
        for images, masks in batches:
            with in_native_precision(recipe.device):
                seen = model(normalise(images.to(recipe.device)))[:, 0] > 0
            true = masks.to(recipe.device) > 0
            total = seen.sum(dim=(1, 2)) + true.sum(dim=(1, 2))
            values.append(2 * (seen & true).sum(dim=(1, 2)) / total.clamp_min(1))
        return {"all objects": round(float(torch.cat(values).mean()), 4)}


class Scenes(Dataset[Batch]):
    """Batch number i, always the same for the same recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __getitem__(self, index: int) -> Batch:
        recipe = self._recipe
        seeds = [(recipe.seed, SCENES, index, number) for number in range(recipe.batch)]
        return _batch(seeds, recipe.side + SIDES[index % len(SIDES)])


def _batch(seeds: Sequence[tuple[int, ...]], side: int) -> Batch:
    cv2.setNumThreads(1)
    scenes = [make_scene(seed) for seed in seeds]
    images = np.stack([squash_image(scene.image, side) for scene in scenes])
    masks = np.stack([squash_mask(scene.masks.max(axis=0), side) for scene in scenes])
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(masks)


if __name__ == "__main__":
    program(Unprompted(), DEFAULTS, "Train the built-in segmentation network on drawn scenes.")
