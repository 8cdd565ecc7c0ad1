"""The diffusion process: noise schedule, training loss, guidance, samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from medweave.config import Synthesis

if TYPE_CHECKING:
    import torch
    from torch import nn

STEPS = 1000
SCHEDULES = {"cosine": "squaredcos_cap_v2", "linear": "linear"}


def schedule_of(settings: Synthesis) -> dict[str, Any]:
    """The noise schedule and what the network predicts, as diffusers' schedulers name them.

    Linear: Ho et al. 2020; cosine: Nichol and Dhariwal 2021; v: Salimans and Ho 2022.
    """
    return {
        "num_train_timesteps": STEPS,
        "beta_schedule": SCHEDULES[settings.noise],
        "beta_start": 1e-4,
        "beta_end": 0.02,
        "prediction_type": settings.prediction,
    }


def noise_shares(schedule: dict[str, Any]) -> torch.Tensor:
    """The share of the image in the variance after each of the steps (alpha bar), float32, falling from 1 to 0."""
    from diffusers import DDPMScheduler

    shares: torch.Tensor = DDPMScheduler(**schedule).alphas_cumprod
    return shares


def loss_weights(shares: torch.Tensor, prediction: str, bound: float) -> torch.Tensor:
    """Min-SNR weights of the squared error for the times at which the image's share of the variance is `shares`.

    Hang et al. 2023: min(SNR, bound) for an error in the image, which is that over SNR for epsilon, over SNR + 1 for v.
    All are 1 where `bound` is 0.
    """
    import torch

    if not bound:
        return torch.ones_like(shares)
    ratio = shares / (1.0 - shares)
    return ratio.clamp(max=bound) / (ratio if prediction == "epsilon" else ratio + 1.0)


def diffusion_loss(
    network: nn.Module,
    values: torch.Tensor,
    condition: torch.Tensor,
    noise: torch.Tensor,
    times: torch.Tensor,
    shares: torch.Tensor,
    prediction: str,
    bound: float,
) -> torch.Tensor:
    """Mean weighted squared error of what the network says of noisy images.

    `values` and `noise` BxCxHxW, `condition` BxKxHxW (K may be 0), `times` B int64, `shares` as of `noise_shares`.
    """
    import torch

    share = shares[times][:, None, None, None]
    noisy = share.sqrt() * values + (1.0 - share).sqrt() * noise
    target = noise if prediction == "epsilon" else share.sqrt() * noise - (1.0 - share).sqrt() * values
    said = network(torch.cat([noisy, condition], dim=1), times).sample.float()
    errors = (said - target).square().mean(dim=(1, 2, 3))
    loss: torch.Tensor = (errors * loss_weights(shares[times], prediction, bound)).mean()
    return loss


def guided(network: nn.Module, condition: torch.Tensor, guidance: float) -> Callable[[Any, Any], torch.Tensor]:
    """The network with its condition (BxKxHxW) put in: noisy images and a time to what it says of them.

    With `guidance` w other than 1 it is u + w (c - u), c said with and u without the condition (Ho and Salimans 2022).
    """
    import torch

    def say(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        times = time.to(noisy.device).expand(len(noisy))
        planes = torch.cat([noisy, condition], dim=1)
        if guidance == 1.0 or not condition.shape[1]:
            return network(planes, times).sample.float()  # type: ignore[no-any-return]
        free = torch.cat([noisy, torch.zeros_like(condition)], dim=1)
        both = network(torch.cat([planes, free]), torch.cat([times, times])).sample.float()
        known, unknown = both.chunk(2)
        return unknown + guidance * (known - unknown)  # type: ignore[no-any-return]

    return say


def draw(
    say: Callable[[Any, Any], torch.Tensor],
    noise: torch.Tensor,
    generators: list[torch.Generator],
    schedule: dict[str, Any],
    settings: Synthesis,
    bounded: bool,
) -> torch.Tensor:
    """From pure noise (BxCxHxW) to images, with the sampler of the settings; `ddpm` draws more from the generators."""
    scheduler = _scheduler(schedule, settings.sampler, bounded)
    scheduler.set_timesteps(settings.sampling_steps)
    values = noise
    more = {"generator": generators} if settings.sampler == "ddpm" else {}
    for time in scheduler.timesteps:
        values = scheduler.step(say(values, time), time, values, **more).prev_sample
    return values


def _scheduler(schedule: dict[str, Any], sampler: str, bounded: bool) -> Any:
    """Ho et al. 2020 (ddpm), Song et al. 2021 (ddim), DPM-Solver++ 2M of Lu et al. 2022."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    if sampler == "ddpm":
        return DDPMScheduler(**schedule, clip_sample=bounded, timestep_spacing="trailing")
    if sampler == "ddim":
        return DDIMScheduler(**schedule, clip_sample=bounded, timestep_spacing="trailing", set_alpha_to_one=True)
    cosine = schedule["beta_schedule"] == "squaredcos_cap_v2"
    clipped = {"lambda_min_clipped": -5.1} if cosine else {}
    return DPMSolverMultistepScheduler(**schedule, **clipped, timestep_spacing="trailing", euler_at_final=True)
