"""Training of `compact` from nothing but drawn scenes: `python -m medweave.labeling.compact.training --work DIR`.

Started again with the same folder it goes on from its checkpoint, and with more `--steps` it trains further. Batches
depend on the seed and their number alone, so a broken run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch.nn import functional as F
from torch.utils.data import DataLoader

from medweave.labeling.compact.model import SIDE, build_compact
from medweave.labeling.compact.scenes import make_scene
from medweave.labeling.compact.weights import export
from medweave.labeling.compact.windows import HELD_OUT, PROMPTS, Batch, Windows, make_batch

WARM_UP = 200
EMA = 0.998
PARTS = ("model", "averaged", "optimizer")
REFINED = 0.25
"""Share of steps in which the second prompt comes with the first one's mask."""


@dataclass(frozen=True)
class Recipe:
    """What a run of the training program does; the rate falls to zero over the last `decay` steps.

    The checkpoint is written, and Dice is measured on `held_out` batches, each `every` steps.
    """

    work: Path
    steps: int = 20000
    decay: int = 4000
    batch: int = 24
    side: int = SIDE
    rate: float = 1e-3
    seed: int = 0
    device: str = "cpu"
    threads: int = 2
    workers: int = 1
    every: int = 500
    held_out: int = 8


class Training:
    """A network on its way: its weights, their average, the optimizer, and the stages it has gone through."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.model, self.averaged = (build_compact(recipe.side).to(recipe.device) for _ in range(2))
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=recipe.rate, weight_decay=0.05, fused=True)
        self.step = 0
        self.stages: list[dict[str, Any]] = []
        if self._checkpoint.exists():
            self._restore()

    @property
    def _checkpoint(self) -> Path:
        return self.recipe.work / "checkpoint.pt"

    def update(self, batch: Batch) -> float:
        """One step on a batch; returns the loss."""
        recipe, device = self.recipe, self.recipe.device
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, (self.step + 1) / WARM_UP, (recipe.steps - self.step) / recipe.decay)
        loss = batch_loss(self.model, batch.to(device), np.random.default_rng((recipe.seed, PROMPTS, self.step)))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        keep = min(EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        self.step += 1
        return loss.item()

    def save(self, seconds: float) -> None:
        """Write the checkpoint, `seconds` after the last one."""
        stage = {name: getattr(self.recipe, name) for name in ("side", "batch", "seed")}
        if not self.stages or any(self.stages[-1][name] != value for name, value in stage.items()):
            self.stages.append(stage | {"until_step": 0, "seconds": 0.0})
        self.stages[-1]["until_step"] = self.step
        self.stages[-1]["seconds"] += seconds
        self.recipe.work.mkdir(parents=True, exist_ok=True)
        aside = self._checkpoint.with_suffix(".part")
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        torch.save(parts | {"step": self.step, "stages": self.stages}, aside)
        aside.replace(self._checkpoint)

    def _restore(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.recipe.device, weights_only=True)
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.stages = state["step"], state["stages"]


def train(recipe: Recipe) -> Training:
    """Train, or go on with the training in the recipe's folder, until `steps` are done."""
    torch.set_num_threads(recipe.threads)
    training = Training(recipe)
    held_out = held_out_batches(recipe.seed, recipe.side, recipe.held_out)
    batches: DataLoader[Batch] = DataLoader(
        Windows(recipe.seed, recipe.batch, recipe.side),
        sampler=range(training.step, recipe.steps),
        batch_size=None,
        num_workers=recipe.workers,
        prefetch_factor=4 if recipe.workers else None,
    )
    began, losses = time.monotonic(), []
    for batch in batches:
        losses.append(training.update(batch))
        if training.step % recipe.every == 0 or training.step == recipe.steps:
            training.save(time.monotonic() - began)
            entry: dict[str, Any] = {"step": training.step, "loss": round(float(np.mean(losses)), 4)}
            entry |= {"seconds": round(time.monotonic() - began, 1), "dice": held_out_dice(training.averaged, held_out)}
            with (recipe.work / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            began, losses = time.monotonic(), []
    return training


def batch_loss(model: Sam, batch: Batch, rng: np.random.Generator) -> torch.Tensor:
    """Loss of two prompts for each window: a box (points for whole images), then another form or a refinement."""
    with torch.autocast(batch.inputs.device.type, torch.bfloat16):
        features = model.image_encoder(batch.inputs)
    first = "points" if batch.whole else "box"
    logits, iou = decode(model, features, batch, first)
    loss = mask_loss(logits, iou, batch.targets)
    second = str(rng.choice(["box", "points", "both"], p=[0.2, 0.4, 0.4]))
    mask = logits.detach()[:, None] if rng.random() < REFINED else None
    return loss + mask_loss(*decode(model, features, batch, second, mask), batch.targets)


def decode(
    model: Sam, features: torch.Tensor, batch: Batch, form: str, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits BxS/2xS/2 and predicted IoU B of the batch's prompts: `form` is box, points or both."""
    with torch.autocast(features.device.type, torch.bfloat16):
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


def held_out_batches(seed: int, side: int, count: int = 8) -> list[Batch]:
    """Batches of 16 windows from scenes that training never sees."""
    scenes = [make_scene((seed, HELD_OUT, number)) for number in range(16 * count)]
    rng = np.random.default_rng((seed, HELD_OUT))
    return [make_batch(rng, scenes[16 * i : 16 * i + 16], side, whole=False) for i in range(count)]


@torch.no_grad()
def held_out_dice(model: Sam, batches: list[Batch]) -> dict[str, float]:
    """Mean Dice at low resolution for each form of prompt."""
    model.eval()
    device = model.device
    found: dict[str, list[torch.Tensor]] = {"box": [], "points": [], "both": []}
    for batch in batches:
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            features = model.image_encoder(batch.inputs)
        for form, values in found.items():
            seen, true = decode(model, features, batch, form)[0] > 0, batch.targets > 0.5
            total = seen.sum(dim=(1, 2)) + true.sum(dim=(1, 2))
            values.append(2 * (seen & true).sum(dim=(1, 2)) / total.clamp_min(1))
    return {form: round(float(torch.cat(values).mean()), 4) for form, values in found.items()}


def main() -> None:
    """The command line: see `--help`."""
    parser = argparse.ArgumentParser(description="Train the built-in promptable model on drawn scenes.")
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint and the log")
    parser.add_argument("--export", type=Path, help="folder for the weights and their card, when all steps are done")
    for field in fields(Recipe)[1:]:
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    options = vars(parser.parse_args())
    folder = options.pop("export")
    training = train(Recipe(**options))
    if folder is not None:
        recipe = training.recipe
        dice = held_out_dice(training.averaged, held_out_batches(recipe.seed, recipe.side, recipe.held_out))
        export(training.averaged, {"stages": training.stages, "held_out_dice": dice}, folder)


if __name__ == "__main__":
    main()
