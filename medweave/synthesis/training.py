"""The training of a generator: one loop for pixels, latents and LoRA, on one device or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave import progress
from medweave.compute import autocast, device
from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError, RunError
from medweave.synthesis import checkpoint
from medweave.synthesis.diffusion import diffusion_loss, noise_shares, schedule_of
from medweave.synthesis.generator import Card, Generator
from medweave.synthesis.networks import Architecture, Built, architecture_of, build, encode_masks
from medweave.synthesis.sheet import write_sheet
from medweave.synthesis.training_images import TrainingImages, collect_images

if TYPE_CHECKING:
    import torch

CHECKPOINT_EVERY = 200
CURVE_EVERY = 10
SHEETS = 4
ON_A_SHEET = 16
CLIP_NORM = 1.0
HIDDEN = 0.1
"""Share of the known masks that are hidden, so that the network also learns what images are like without one."""
LEARNED = {
    *("kind", "pretrained", "lora_rank", "prompt", "image_size", "colour", "conditional", "width", "layers"),
    *("prediction", "noise", "steps", "batch_size", "learning_rate", "ema", "min_snr", "crop", "flip"),
}
"""Settings of synthesis that change what is learned."""


def train_generator(images: Sequence[ImageTable], settings: Settings, work: Path) -> Generator:
    """Train a generator on all images of the tables; a killed training resumes from `work` with the same result.

    Gold masks and accepted ones are conditions; an image without one teaches what images look like. Synthetic rows are
    left out. `work` gets a checkpoint and sample sheets (`samples-STEP.png`). Each step's randomness comes from
    (seed, step) alone. Under `accelerate launch` each process takes its part of every batch.

    Raises InputError for fewer than 8 images, for conditional training without a mask that has a foreground, for
    pretrained weights that are not there, and for a checkpoint of another configuration in `work`; RunError when the
    loss is no longer finite.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device(settings.compute).type == "cpu")
    if settings.synthesis.batch_size % accelerator.num_processes:
        raise InputError(
            f"synthesis.batch_size={settings.synthesis.batch_size}: not a multiple of the "
            f"{accelerator.num_processes} processes; change it"
        )
    data = collect_images(images, settings, work / f"images-{accelerator.process_index}")
    architecture = architecture_of(settings.synthesis, data.channels, len(settings.data.classes))
    built = _build(architecture, settings.seed)
    schedule = built.schedule or schedule_of(settings.synthesis)
    recipe = _recipe(settings, data)
    state = checkpoint.start(built.network.to(accelerator.device), settings.synthesis)
    checkpoint.restore(state, recipe, work / "checkpoint.pt")

    def generator() -> Generator:
        training = {"seed": settings.seed, "data": recipe["data"], "steps": state.step}
        training["losses"] = [list(pair) for pair in state.losses]
        card = Card(architecture, settings.data.classes, schedule, built.space.digest, training)
        return Generator(card, built, settings.compute)

    step = _Step(accelerator, data, built, architecture, schedule, settings)
    steps = settings.synthesis.steps
    sheets = {round(steps * (k + 1) / SHEETS) for k in range(SHEETS)}
    with progress.task("train generator", steps, state.step) as shown:
        while state.step < steps:
            loss = step(state)
            if not np.isfinite(loss):
                raise RunError(
                    f"train generator: the loss is not finite at step {state.step}; lower synthesis.learning_rate"
                )
            state.step += 1
            if state.step % CURVE_EVERY == 0 or state.step == steps:
                state.losses.append((state.step, loss))
            if accelerator.is_main_process and (state.step % CHECKPOINT_EVERY == 0 or state.step == steps):
                checkpoint.save(state, recipe, work / "checkpoint.pt")
            if accelerator.is_main_process and state.step in sheets:
                state.average.store(state.trained)
                state.average.copy_to(state.trained)
                _write_samples(generator(), data, settings, work / f"samples-{state.step:06d}.png")
                state.average.restore(state.trained)
            shown.advance(note=f"loss {loss:.3f}")
    state.average.copy_to(state.trained)
    return generator()


class _Step:
    """One step of training, on this process' part of the batch."""

    def __init__(
        self,
        accelerator: Any,
        data: TrainingImages,
        built: Built,
        architecture: Architecture,
        schedule: dict[str, Any],
        settings: Settings,
    ) -> None:
        self._accelerator = accelerator
        self._data = data
        self._space = built.space
        self._network = accelerator.prepare(built.network)
        self._classes = architecture.classes
        self._shares = noise_shares(schedule).to(accelerator.device)
        self._prediction = str(schedule["prediction_type"])
        self._settings = settings

    def __call__(self, state: checkpoint.State) -> float:
        """Take the step that the state stands at; returns the loss, the mean over all processes."""
        part = slice(self._accelerator.process_index, None, self._accelerator.num_processes)
        pixels, condition, noise, times = (
            value[part].to(self._accelerator.device) for value in self._batch(state.step)
        )
        values = self._space.encode(pixels)
        self._network.train()
        with autocast(self._settings.compute):
            bound = self._settings.synthesis.min_snr
            loss = diffusion_loss(self._network, values, condition, noise, times, self._shares, self._prediction, bound)
        state.optimizer.zero_grad()
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(state.trained, CLIP_NORM)
        state.optimizer.step()
        state.schedule.step()
        state.average.step(state.trained)
        return float(self._accelerator.reduce(loss.detach(), "mean"))

    def _batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images BxCxSxS uint8, condition, noise and times of a whole batch, from (seed, step) alone."""
        import torch

        rng = np.random.default_rng([self._settings.seed, step])
        images, masks, known = self._data.draw(self._settings.synthesis, rng)
        count, side = len(images), self._space.side
        noise = rng.standard_normal((count, self._space.channels, side, side), np.float32)
        times = rng.integers(0, len(self._shares), count)
        seen = known & (rng.random(count) >= HIDDEN)
        condition = torch.zeros(count, 0, side, side)
        if self._classes:
            condition = encode_masks(torch.from_numpy(masks), torch.from_numpy(seen), self._classes, side)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        return pixels, condition, torch.from_numpy(noise), torch.from_numpy(times)


def _build(architecture: Architecture, seed: int) -> Built:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(architecture)


def _recipe(settings: Settings, data: TrainingImages) -> dict[str, Any]:
    """What decides about the weights that come out."""
    learned = settings.synthesis.model_dump(mode="json", include=LEARNED)
    return {
        **{f"synthesis.{name}": value for name, value in learned.items()},
        "seed": settings.seed,
        "data.classes": list(settings.data.classes),
        "compute.precision": settings.compute.precision,
        "data": data.digest(),
    }


def _write_samples(generator: Generator, data: TrainingImages, settings: Settings, path: Path) -> None:
    """A sheet of images for masks of the training set, or of free ones."""
    masks = None
    count = ON_A_SHEET
    if generator.conditional:
        chosen = [int(index) for index in np.flatnonzero(data.known) if data.masks[index].any()][:ON_A_SHEET]
        masks, count = data.masks_at(chosen, settings.synthesis.image_size), len(chosen)
    images = generator.make([(settings.seed, k) for k in range(count)], masks, settings.synthesis)
    write_sheet(path, images, masks)
