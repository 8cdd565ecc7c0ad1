"""The loop by which the built-in networks learn from drawn scenes.

Started again with the same folder it goes on from its checkpoint, and with more `steps` it trains further. Batches
depend on the seed and their number alone, so a broken run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from medweave.compact.weights import export
from medweave.writing import whole_file

WARM_UP = 200
EMA = 0.998
PARTS = ("model", "averaged", "optimizer")


@dataclass(frozen=True)
class Recipe:
    """What a run does; the rate falls to zero over the last `decay` steps.

    The checkpoint is written, and Dice is measured on `held_out` batches, each `every` steps.
    """

    work: Path
    steps: int
    decay: int
    batch: int
    side: int
    rate: float = 1e-3
    seed: int = 0
    device: str = "cpu"
    threads: int = 2
    workers: int = 1
    every: int = 500
    held_out: int = 8


class Task(Protocol):
    """What a network is to learn."""

    name: str

    def build(self, recipe: Recipe, /) -> nn.Module:
        """The network to start from."""

    def batches(self, recipe: Recipe, /) -> Dataset[Any]:
        """Batch number i is item i."""

    def loss(self, model: Any, batch: Any, recipe: Recipe, step: int, /) -> torch.Tensor:
        """A scalar to minimise, the same for the same seed and step."""

    def held_out(self, recipe: Recipe, /) -> list[Any]:
        """Batches from scenes that training never sees."""

    def measure(self, model: Any, batches: list[Any], recipe: Recipe, /) -> dict[str, float]:
        """Mean Dice on the held-out batches."""


class Training:
    """A network on its way: its weights, their average, the optimizer, and the stages it has gone through."""

    def __init__(self, task: Task, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.task, self.recipe = task, recipe
        self.model, self.averaged = (task.build(recipe).to(recipe.device) for _ in range(2))
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=recipe.rate, weight_decay=0.05, fused=True)
        self.step = 0
        self.stages: list[dict[str, Any]] = []
        if self._checkpoint.exists():
            self._restore()

    @property
    def _checkpoint(self) -> Path:
        return self.recipe.work / "checkpoint.pt"

    def update(self, batch: Any) -> float:
        """One step on a batch; returns the loss."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, (self.step + 1) / WARM_UP, (recipe.steps - self.step) / recipe.decay)
        loss = self.task.loss(self.model, batch, recipe, self.step)
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
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        with whole_file(self._checkpoint) as aside:
            torch.save(parts | {"step": self.step, "stages": self.stages}, aside)

    def _restore(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.recipe.device, weights_only=True)
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.stages = state["step"], state["stages"]


def train(task: Task, recipe: Recipe) -> Training:
    """Train, or go on with the training in the recipe's folder, until `steps` are done."""
    torch.set_num_threads(recipe.threads)
    training = Training(task, recipe)
    held_out = task.held_out(recipe)
    batches: DataLoader[Any] = DataLoader(
        task.batches(recipe),
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
            dice = task.measure(training.averaged, held_out, recipe)
            entry |= {"seconds": round(time.monotonic() - began, 1), "dice": dice}
            with (recipe.work / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            began, losses = time.monotonic(), []
    return training


def program(task: Task, defaults: Recipe, description: str) -> None:
    """The command line of a training program: see its `--help`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint and the log")
    parser.add_argument("--export", type=Path, help="folder for the weights and their card, when all steps are done")
    for field in fields(Recipe)[1:]:
        default = getattr(defaults, field.name)
        parser.add_argument(f"--{field.name}", type=type(default), default=default)
    options = vars(parser.parse_args())
    folder = options.pop("export")
    training = train(task, Recipe(**options))
    if folder is not None:
        dice = task.measure(training.averaged, task.held_out(training.recipe), training.recipe)
        export(training.averaged, {"stages": training.stages, "held_out_dice": dice}, task.name, folder)
