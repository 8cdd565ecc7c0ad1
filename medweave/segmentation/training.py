"""The training loop: one recipe for the coarse, the baseline and the final model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave import progress
from medweave.compute import autocast, device
from medweave.config import Compute, Segmentation
from medweave.errors import RunError
from medweave.segmentation.augmentation import Augmenter
from medweave.segmentation.consistency import Views, consistency_loss, cutmix, ramp, teach
from medweave.segmentation.losses import label_loss
from medweave.segmentation.networks import Architecture, build_network, pretrained_or_random
from medweave.segmentation.preprocessing import normalise
from medweave.segmentation.segmenter import foreground
from medweave.segmentation.training_set import TrainingSet
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch
    from torch import nn

CHECKPOINT_EVERY = 100
CURVE_EVERY = 10
STATEFUL = ("network", "average", "optimizer", "schedule")


@dataclass(frozen=True)
class Plan:
    """How far to train: the learning rate falls over `steps`; weights are kept at each of `snapshots`.

    Training ends at the last snapshot, which may come before `steps`.
    """

    name: str
    steps: int
    snapshots: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Trained:
    """The networks at the plan's snapshots (EMA weights) and the loss over steps."""

    networks: dict[int, nn.Module]
    losses: list[tuple[int, float]]
    encoder_weights: str


@dataclass
class _State:
    network: nn.Module
    average: Any
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    encoder_weights: str
    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)


def train(
    architecture: Architecture, data: TrainingSet, settings: Segmentation, compute: Compute, plan: Plan, work: Path
) -> Trained:
    """Train a network; a killed training resumes from `work` and ends with the same weights.

    Images without a trusted label are drawn if the settings learn from them (`consistency`). Each step's randomness
    comes from (seed, step) alone. Raises RunError when the loss is no longer finite.
    """
    import torch

    if not settings.consistency.weight:
        data = data.labelled()
    work.mkdir(parents=True, exist_ok=True)
    state = _start(architecture, settings, plan, device(compute))
    _resume(state, work)
    augment = Augmenter(settings.augmentation)
    last = plan.snapshots[-1]
    with progress.task(plan.name, last, state.step) as shown, torch.random.fork_rng(devices=[]):
        while state.step < last:
            indices = data.draw(
                settings.batch_size, settings.gold_share, np.random.default_rng([plan.seed, state.step])
            )
            torch.manual_seed(int(np.random.SeedSequence([plan.seed, state.step]).generate_state(1)[0]))
            loss = _step(state, data.subset(indices), augment, settings, compute, plan.steps)
            if not np.isfinite(loss):
                raise RunError(
                    f"{plan.name}: the loss is not finite at step {state.step}; lower segmentation.learning_rate"
                )
            state.step += 1
            if state.step % CURVE_EVERY == 0 or state.step == last:
                state.losses.append((state.step, loss))
            if state.step in plan.snapshots:
                _save(_snapshot(work, state.step), state.average.module.state_dict())
            if state.step % CHECKPOINT_EVERY == 0 or state.step == last:
                _save_checkpoint(state, work, ended=state.step == last)
            shown.advance(note=f"loss {loss:.3f}")
    networks = {step: _load_snapshot(architecture, _snapshot(work, step)) for step in plan.snapshots}
    return Trained(networks, state.losses, state.encoder_weights)


def _start(architecture: Architecture, settings: Segmentation, plan: Plan, where: torch.device) -> _State:
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        network, origin = pretrained_or_random(architecture, settings.encoder_weights)
    network = network.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule: torch.optim.lr_scheduler.LRScheduler
    if settings.schedule == "onecycle":
        # The rate rises from step 0 to rise * steps - 1, which must not be 0, too: torch divides by their distance.
        rise = 0.2 if plan.steps != 5 else 0.3
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=plan.steps, pct_start=rise
        )
    else:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.steps)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=True)  # type: ignore[no-untyped-call]
    return _State(network, average, optimizer, schedule, origin)


def _step(
    state: _State, batch: TrainingSet, augment: Augmenter, settings: Segmentation, compute: Compute, steps: int
) -> float:
    import torch

    where = device(compute)
    expert = torch.from_numpy(batch.gold)
    images, masks = augment.move(torch.from_numpy(batch.images).permute(0, 3, 1, 2), torch.from_numpy(batch.masks))
    trust = torch.from_numpy(batch.weights)[:, None, None].expand(masks.shape)
    others = _others(state, images[~expert], masks[~expert], trust[~expert], augment, settings, compute)
    state.network.train()
    with autocast(compute):
        logits = state.network(_inputs(torch.cat([augment.light(images[expert]), others.images]), where)).float()
    known, unknown = logits.split([int(expert.sum()), len(others.images)])
    labelled = label_loss(known, masks[expert].to(where), trust[expert].to(where)).sum()
    total = trust[expert, 0, 0].sum()
    if len(unknown):
        labelled = labelled + label_loss(unknown, others.masks, others.trust, settings.noise).sum()
        total = total + others.trust.mean(dim=(1, 2)).sum().cpu()
    loss = labelled / total.clamp_min(1e-6)
    if len(unknown) and settings.consistency.weight:
        taught = settings.consistency.weight * ramp(state.step, steps, settings.consistency.ramp)
        loss = loss + taught * consistency_loss(unknown, others)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip_norm)
    state.optimizer.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    return float(loss.detach())


def _others(
    state: _State,
    images: torch.Tensor,
    masks: torch.Tensor,
    trust: torch.Tensor,
    augment: Augmenter,
    settings: Segmentation,
    compute: Compute,
) -> Views:
    """Views of the images without an expert's label; disturbed, with what the teacher saw, where it teaches."""
    import torch

    where = device(compute)
    if not len(images) or not settings.consistency.weight:
        nothing = torch.zeros(masks.shape, device=where)
        return Views(augment.light(images), masks.to(where), trust.to(where), nothing.long(), nothing)
    state.average.eval()
    with torch.no_grad(), autocast(compute):
        seen = foreground(state.average(_inputs(images, where)).float())
    taught, sure = teach(seen, settings.consistency.confidence)
    views = Views(augment.disturb(images), masks.to(where), trust.to(where), taught, sure)
    return cutmix(views, settings.consistency.cutmix) if len(images) > 1 else views


def _inputs(images: torch.Tensor, where: torch.device) -> torch.Tensor:
    import torch

    return normalise(images.to(where)).contiguous(memory_format=torch.channels_last)


def _snapshot(work: Path, step: int) -> Path:
    return work / f"step-{step}.pt"


def _save(path: Path, content: Any) -> None:
    import torch

    with whole_file(path) as aside:
        torch.save(content, aside)


def _load(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _load_snapshot(architecture: Architecture, path: Path) -> nn.Module:
    network = build_network(architecture)
    network.load_state_dict(_load(path))
    return network


def _save_checkpoint(state: _State, work: Path, ended: bool) -> None:
    """An ended training needs no state to go on from: its weights are in the snapshots."""
    content = {"encoder_weights": state.encoder_weights, "step": state.step, "losses": state.losses}
    if not ended:
        content |= {name: getattr(state, name).state_dict() for name in STATEFUL}
    _save(work / "checkpoint.pt", content)


def _resume(state: _State, work: Path) -> None:
    path = work / "checkpoint.pt"
    if not path.exists():
        return
    content = _load(path)
    for name in STATEFUL:
        if name in content:
            getattr(state, name).load_state_dict(content[name])
    state.encoder_weights = content["encoder_weights"]
    state.step = content["step"]
    state.losses = [(int(step), float(loss)) for step, loss in content["losses"]]
