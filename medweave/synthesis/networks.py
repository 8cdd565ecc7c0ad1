"""Denoisers and the space in which they work: pixels, an autoencoder's latents, a pretrained pipeline's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from medweave.config import Synthesis
from medweave.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

COARSEST = 12
"""The U-Net halves its input until a side is at most this."""


@dataclass(frozen=True)
class Architecture:
    """Enough to build a denoiser.

    `channels` are those of the images (1 or 3). `classes` counts the foreground classes of the masks that images are
    made for; 0: images are made freely. The other fields are those of `Synthesis`.
    """

    kind: Literal["pixel", "latent", "stable_diffusion"]
    image_size: int
    channels: int
    classes: int
    width: int
    layers: int
    pretrained: str | None
    lora_rank: int
    prompt: str

    @property
    def condition_channels(self) -> int:
        """One plane a class, and one that says whether the mask is known; none for free images."""
        return self.classes + 1 if self.classes else 0


class Space(Protocol):
    """What images are to the denoiser: `channels` planes of `side` x `side`, about as wide as a standard normal.

    `bounded`: within [-1, 1]. `digest` names the weights behind it, if there are any.
    """

    channels: int
    side: int
    bounded: bool
    digest: str | None

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bx1xSxS or Bx3xSxS uint8 images to float32."""

    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """The images of what `encode` gives, uint8."""


@dataclass(frozen=True)
class Built:
    """A denoiser, `network(planes, times).sample`, of which what requires gradients is trained; and its space.

    The planes are those of the space, then those of the condition. `schedule` are the settings of a noise schedule
    that comes with pretrained weights.
    """

    network: nn.Module
    space: Space
    schedule: dict[str, Any] | None = None


class Pixels:
    """Images as they are, in [-1, 1]."""

    bounded = True
    digest: str | None = None

    def __init__(self, channels: int, side: int) -> None:
        self.channels = channels
        self.side = side

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """BxCxSxS uint8 to float32 in [-1, 1]."""
        return pixels.float() / 127.5 - 1.0

    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """The nearest gray levels, BxCxSxS uint8."""
        import torch

        return ((values.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)


def architecture_of(settings: Synthesis, channels: int, classes: int) -> Architecture:
    """The architecture that the settings ask for, for images of so many channels and masks of so many classes."""
    return Architecture(
        settings.kind,
        settings.image_size,
        channels,
        classes if settings.conditional else 0,
        settings.width,
        settings.layers,
        settings.pretrained,
        settings.lora_rank,
        settings.prompt,
    )


def build(architecture: Architecture) -> Built:
    """The denoiser, with random weights where none are pretrained.

    Raises InputError for pretrained weights that are not there or do not fit.
    """
    if architecture.kind == "pixel":
        space = Pixels(architecture.channels, architecture.image_size)
        return Built(_unet(architecture, space), space)
    if architecture.pretrained is None:
        raise InputError(
            f"synthesis.kind={architecture.kind}: needs pretrained weights; "
            "set synthesis.pretrained to their folder or hub id"
        )
    from medweave.synthesis import pretrained

    if architecture.kind == "latent":
        latents = pretrained.load_latents(architecture)
        return Built(_unet(architecture, latents), latents)
    return pretrained.load_pipeline(architecture)


def encode_masks(masks: torch.Tensor, known: torch.Tensor, classes: int, side: int) -> torch.Tensor:
    """Masks BxSxS uint8 as conditions, Bx(classes + 1)x side x side float32.

    A plane a class with its share of each cell, and one of ones; all are zero where a mask is not `known` (B bool).
    """
    import torch
    from torch.nn import functional

    planes = torch.stack([masks == number for number in range(1, classes + 1)], dim=1).float()
    planes = functional.adaptive_avg_pool2d(planes, side)
    planes = torch.cat([planes, torch.ones_like(planes[:, :1])], dim=1)
    return planes * known[:, None, None, None]


def widths(side: int, width: int) -> tuple[int, ...]:
    """Channels of each level of the U-Net, from fine to coarse: 1, 2, then 4 times `width`."""
    levels = [width]
    while side > COARSEST and side % 2 == 0:
        side //= 2
        levels.append(width * min(4, 2 * levels[-1] // width))
    return tuple(levels)


def _unet(architecture: Architecture, space: Space) -> nn.Module:
    from diffusers import UNet2DModel

    channels = widths(space.side, architecture.width)
    attention = [False] * (len(channels) - 1) + [True]
    network: nn.Module = UNet2DModel(
        sample_size=space.side,
        in_channels=space.channels + architecture.condition_channels,
        out_channels=space.channels,
        block_out_channels=channels,
        layers_per_block=architecture.layers,
        down_block_types=["AttnDownBlock2D" if here else "DownBlock2D" for here in attention],
        up_block_types=["AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)],
        norm_num_groups=8,
        attention_head_dim=min(32, channels[-1]),
    )
    return network
