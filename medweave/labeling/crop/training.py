"""Training of `crop` on gold: boxes with the coarse model's errors, flips, brightness and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from medweave import progress
from medweave.compute import Precision, in_precision
from medweave.errors import RunError
from medweave.labeling.crop.network import CropNetwork
from medweave.labeling.crop.views import region_in, view
from medweave.labeling.gold_prompts import BoxErrors, GoldImage, GoldObject, gold_objects, jittered
from medweave.labeling.losses import mask_loss

State = dict[str, torch.Tensor]

SPREADS = 0.5, 2.0
"""Factors that the errors' spread varies between, as a few gold images tell it only roughly."""


@dataclass(frozen=True)
class Recipe:
    """Steps of `batch` objects; AdamW with a one-cycle learning rate; `ema` is the decay of the averaged weights.

    `contrast` and `brightness` are deviations, of the logarithm and in units of the standardised view.
    """

    steps: int = 400
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    ema: float = 0.98
    contrast: float = 0.3
    brightness: float = 0.3


def train_crop(
    gold: Sequence[GoldImage],
    classes: int,
    errors: BoxErrors,
    seed: int,
    device: str,
    precision: Precision,
    name: str = "crop",
    recipe: Recipe | None = None,
) -> State:
    """Weights of a CropNetwork trained on gold images. Raises RunError when the loss is no longer finite."""
    recipe = recipe or Recipe()
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CropNetwork(classes)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.2
    )
    objects = [(image, found) for image in gold for found in gold_objects(image.mask, classes)]
    with progress.task(name, recipe.steps) as task:
        for _ in range(recipe.steps):
            drawn = [objects[index] for index in generator.integers(len(objects), size=recipe.batch)]
            views, shares = _batch(drawn, errors, recipe, generator)
            channels = torch.tensor([found.class_index - 1 for _, found in drawn])
            with in_precision(precision, device):
                logits = network(views.to(device, memory_format=torch.channels_last))
            loss = mask_loss(logits.float()[torch.arange(len(drawn)), channels], shares.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            if not torch.isfinite(loss):
                raise RunError(f"{name}: the loss is not finite; look at the gold images and masks")
            task.advance(note=f"loss {float(loss.detach()):.3f}")
    return {key: value.detach().cpu().contiguous() for key, value in average.module.state_dict().items()}


def _batch(
    drawn: Sequence[tuple[GoldImage, GoldObject]], errors: BoxErrors, recipe: Recipe, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Views Bx4xSxS of objects, with random errors of the boxes, flips and changes of light, and the shares BxSxS."""
    views, shares = [], []
    for image, found in drawn:
        roughly = replace(errors, spread=errors.spread * generator.uniform(*SPREADS))
        seen = view(image.target.image, jittered(found.box, roughly, image.size, generator))
        both = np.concatenate([seen.pixels, region_in(seen.window, found.region)[None]])
        for axis in (1, 2):
            if generator.random() < 0.5:
                both = np.flip(both, axis)
        contrast = np.exp(generator.normal(0, recipe.contrast))
        light = generator.normal(0, recipe.brightness) + generator.normal(0, recipe.brightness / 3, (3, 1, 1))
        views.append(np.concatenate([both[:3] * contrast + light, both[3:4]]))
        shares.append(both[4])
    return torch.from_numpy(np.stack(views).astype(np.float32)), torch.from_numpy(np.stack(shares))
