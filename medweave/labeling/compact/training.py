"""Training of `compact` from nothing but drawn scenes: `python -m medweave.labeling.compact.training --work DIR`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch.nn import functional as F

from medweave.compact.encoder import SIDE
from medweave.compact.scenes import make_scene
from medweave.compact.training import Recipe, program
from medweave.compute import in_native_precision
from medweave.labeling.compact.model import build_compact
from medweave.labeling.compact.weights import NAME
from medweave.labeling.compact.windows import HELD_OUT, PROMPTS, Batch, Windows, make_batch

REFINED = 0.25
"""Share of steps in which the second prompt comes with the first one's mask."""
DEFAULTS = Recipe(Path(), steps=20000, decay=4000, batch=24, side=SIDE)


class Prompted:
    """To draw the outline of what a prompt means."""

    name = NAME

    def build(self, recipe: Recipe) -> Sam:
        """A network for the recipe's side."""
        return build_compact(recipe.side)

    def batches(self, recipe: Recipe) -> Windows:
        """Windows with prompts."""
        return Windows(recipe.seed, recipe.batch, recipe.side)

    def loss(self, model: Sam, batch: Batch, recipe: Recipe, step: int) -> torch.Tensor:
        """Loss of two prompts for each window: a box (points for whole images), then another form or a refinement."""
        batch, rng = batch.to(recipe.device), np.random.default_rng((recipe.seed, PROMPTS, step))
        with in_native_precision(batch.inputs.device):
            features = model.image_encoder(batch.inputs)
        first = "points" if batch.whole else "box"
        logits, iou = decode(model, features, batch, first)
        loss = mask_loss(logits, iou, batch.targets)
        second = str(rng.choice(["box", "points", "both"], p=[0.2, 0.4, 0.4]))
        mask = logits.detach()[:, None] if rng.random() < REFINED else None
        return loss + mask_loss(*decode(model, features, batch, second, mask), batch.targets)

    def held_out(self, recipe: Recipe) -> list[Batch]:
        """Batches of 16 windows from scenes that training never sees."""
        scenes = [make_scene((recipe.seed, HELD_OUT, number)) for number in range(16 * recipe.held_out)]
        rng = np.random.default_rng((recipe.seed, HELD_OUT))
        return [make_batch(rng, scenes[i : i + 16], recipe.side, whole=False) for i in range(0, len(scenes), 16)]

    @torch.no_grad()
    def measure(self, model: Sam, batches: list[Batch], recipe: Recipe) -> dict[str, float]:
        """Mean Dice at low resolution for each form of prompt."""
        model.eval()
        found: dict[str, list[torch.Tensor]] = {"box": [], "points": [], "both": []}
        for batch in batches:
            batch = batch.to(recipe.device)
            with in_native_precision(batch.inputs.device):
                features = model.image_encoder(batch.inputs)
            for form, values in found.items():
                seen, true = decode(model, features, batch, form)[0] > 0, batch.targets > 0.5
                total = seen.sum(dim=(1, 2)) + true.sum(dim=(1, 2))
                values.append(2 * (seen & true).sum(dim=(1, 2)) / total.clamp_min(1))
        return {form: round(float(torch.cat(values).mean()), 4) for form, values in found.items()}


def decode(
    model: Sam, features: torch.Tensor, batch: Batch, form: str, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits BxS/2xS/2 and predicted IoU B of the batch's prompts: `form` is box, points or both."""
    with in_native_precision(features.device):
        sparse, dense = model.prompt_encoder(
            points=None if form == "box" else (batch.points, batch.labels),
            boxes=None if form == "points" else batch.boxes,
            masks=mask,
        )
        logits, iou = model.mask_decoder(
            image_embeddings=features,
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
    return logits[:, 0].float(), iou[:, 0].float()


def mask_loss(logits: torch.Tensor, iou: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy + 1 - soft Dice (Milletari et al., 2016) + squared error of the predicted IoU; all of BxHxW."""
    probability = logits.sigmoid()
    overlap = (probability * targets).sum(dim=(1, 2))
    dice = (2 * overlap + 1) / (probability.sum(dim=(1, 2)) + targets.sum(dim=(1, 2)) + 1)
    seen, true = logits.detach() > 0, targets > 0.5
    actual = (seen & true).sum(dim=(1, 2)) / (seen | true).sum(dim=(1, 2)).clamp_min(1)
    return F.binary_cross_entropy_with_logits(logits, targets) + (1 - dice).mean() + F.mse_loss(iou, actual)


if __name__ == "__main__":
    program(Prompted(), DEFAULTS, "Train the built-in promptable model on drawn scenes.")
