"""Pretrained weights: an autoencoder's latents, and a Stable-Diffusion pipeline with LoRA. Imported late."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn

from medweave.errors import InputError, first_line
from medweave.synthesis.networks import Architecture, Built

SCHEDULE = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")
ADAPTED = ["to_q", "to_k", "to_v", "to_out.0"]


class Latents:
    """What an autoencoder makes of images: means, scaled to about unit variance; gray is repeated over its channels."""

    bounded = False

    def __init__(self, autoencoder: AutoencoderKL, architecture: Architecture) -> None:
        self._autoencoder = autoencoder.eval().requires_grad_(False)
        self._gray = architecture.channels == 1
        self._inputs = int(autoencoder.config.in_channels)
        self._scale = float(autoencoder.config.scaling_factor)
        self._shift = float(autoencoder.config.shift_factor or 0.0)
        self.channels = int(autoencoder.config.latent_channels)
        self.side = architecture.image_size // 2 ** (len(autoencoder.config.block_out_channels) - 1)
        self.digest: str | None = weights_digest(autoencoder)

    @torch.no_grad()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bx1xSxS or Bx3xSxS uint8 images to latents, float32."""
        self._autoencoder.to(pixels.device)
        images = pixels.float().expand(-1, self._inputs, -1, -1) / 127.5 - 1.0
        means: torch.Tensor = self._autoencoder.encode(images).latent_dist.mode()
        return (means.float() - self._shift) * self._scale

    @torch.no_grad()
    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """The images of latents, uint8."""
        self._autoencoder.to(values.device)
        images = self._autoencoder.decode(values / self._scale + self._shift).sample.float()
        if self._gray:
            images = images.mean(dim=1, keepdim=True)
        levels: torch.Tensor = ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
        return levels


class Prompted(nn.Module):
    """A text-conditioned U-Net that is always told the same; called like `UNet2DModel`."""

    unet: Any
    told: torch.Tensor

    def __init__(self, unet: UNet2DConditionModel, told: torch.Tensor) -> None:
        super().__init__()
        self.unet = unet
        self.register_buffer("told", told, persistent=False)

    def forward(self, planes: torch.Tensor, times: torch.Tensor) -> Any:
        """Planes BxCxHxW and times B to an output with `sample`."""
        return self.unet(planes, times, encoder_hidden_states=self.told.expand(len(planes), -1, -1))


def load_latents(architecture: Architecture) -> Latents:
    """The autoencoder `pretrained`, or that of the pipeline `pretrained`. Raises InputError when it is not there."""
    where = str(architecture.pretrained)
    is_pipeline = architecture.kind == "stable_diffusion" or (Path(where) / "model_index.json").exists()
    folder = {"subfolder": "vae"} if is_pipeline else {}
    loaded = _load(where, lambda: AutoencoderKL.from_pretrained(where, use_safetensors=True, **folder))
    halvings = len(loaded.config.block_out_channels) - 1
    if architecture.image_size % 2 ** (halvings + 1):
        raise InputError(
            f"synthesis.image_size={architecture.image_size}: {where} needs a multiple of {2 ** (halvings + 1)}"
        )
    return Latents(loaded, architecture)


def load_pipeline(architecture: Architecture) -> Built:
    """The U-Net of the pipeline `pretrained` with new LoRA layers and, for masks, wider input; and its latents.

    New input channels start at zero, so that the network begins as it was. Only they and LoRA are trained.
    Raises InputError when the pipeline, peft or transformers is not there.
    """
    try:
        from peft import LoraConfig
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise InputError(
            f"synthesis.kind=stable_diffusion: {error.name} is missing; pip install 'medweave[pretrained]'"
        ) from None
    where = str(architecture.pretrained)
    space = load_latents(architecture)
    unet = _load(where, lambda: UNet2DConditionModel.from_pretrained(where, subfolder="unet", use_safetensors=True))
    tokenizer = _load(where, lambda: CLIPTokenizer.from_pretrained(where, subfolder="tokenizer"))
    text = _load(where, lambda: CLIPTextModel.from_pretrained(where, subfolder="text_encoder", use_safetensors=True))
    schedule = _load(where, lambda: DDPMScheduler.from_pretrained(where, subfolder="scheduler")).config
    space.digest = _together(space.digest, weights_digest(unet), weights_digest(text))
    with torch.no_grad():
        tokens = tokenizer(
            architecture.prompt,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        told = text(tokens.input_ids).last_hidden_state
    unet.requires_grad_(False)
    rank = architecture.lora_rank
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=ADAPTED))
    if architecture.condition_channels:
        unet.conv_in = _widened(unet.conv_in, architecture.condition_channels)
    return Built(Prompted(unet, told), space, {name: schedule[name] for name in SCHEDULE})


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _widened(first: nn.Conv2d, more: int) -> nn.Conv2d:
    wide = nn.Conv2d(first.in_channels + more, first.out_channels, first.kernel_size, padding=first.padding)  # type: ignore[arg-type]
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : first.in_channels] = first.weight
        if wide.bias is not None and first.bias is not None:
            wide.bias.copy_(first.bias)
    return wide


def _load(where: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError) as error:
        raise InputError(
            f"synthesis.pretrained={where}: cannot be loaded ({first_line(error)}); "
            "give the folder or hub id of safetensors weights"
        ) from None


def _together(*digests: str | None) -> str:
    return hashlib.sha256("".join(map(str, digests)).encode()).hexdigest()
