"""The state of a training, and how it is kept between two starts of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.config import Synthesis
from medweave.errors import InputError
from medweave.synthesis.generator import put_weights, trained_weights
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch
    from torch import nn

WARMUP = 0.05
"""Share of the steps, and at most `LONGEST_WARMUP` of them, in which the rate rises; then it falls as a cosine."""
LONGEST_WARMUP = 500


@dataclass
class State:
    """A network under training (its weights that require gradients), their moving average, and where it stands."""

    network: nn.Module
    average: Any
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)

    @property
    def trained(self) -> list[nn.Parameter]:
        """What is trained."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]


def start(network: nn.Module, settings: Synthesis) -> State:
    """The state before the first step."""
    import torch
    from diffusers.training_utils import EMAModel

    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, fused=True)
    warmup = max(1, min(LONGEST_WARMUP, round(WARMUP * settings.steps)))

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / settings.steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    return State(network, EMAModel(trained, settings.ema, foreach=True), optimizer, schedule)


def save(state: State, recipe: Mapping[str, Any], path: Path) -> None:
    """Write the state and what it was trained by. Raises InputError when the disk is full."""
    import torch

    content = {
        "recipe": json.dumps(recipe, sort_keys=True),
        "network": trained_weights(state.network),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "step": state.step,
        "losses": state.losses,
    }
    try:
        with whole_file(path) as aside, aside.open("wb") as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be written ({error}); free space there") from None


def restore(state: State, recipe: Mapping[str, Any], path: Path) -> None:
    """Bring the state to where the file at `path` left it, if there is one.

    Raises InputError when the file is damaged or of another recipe, naming the first setting that differs.
    """
    import torch

    if not path.exists():
        return
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        theirs = json.loads(content["recipe"])
    except Exception as error:  # zip, pickle and key errors of damaged files
        raise InputError(f"{path}: is damaged ({type(error).__name__}); remove it to train from the start") from None
    differs = [name for name in recipe if theirs.get(name) != recipe[name]]
    if differs:
        raise InputError(
            f"{path}: a checkpoint of another configuration ({differs[0]}: {theirs.get(differs[0])}, "
            f"now {recipe[differs[0]]}); train in another folder or remove it"
        )
    put_weights(state.network, content["network"])
    state.average.load_state_dict(content["average"])
    state.average.to(device=state.trained[0].device)
    state.optimizer.load_state_dict(content["optimizer"])
    state.schedule.load_state_dict(content["schedule"])
    state.step = content["step"]
    state.losses = [(int(step), float(loss)) for step, loss in content["losses"]]
