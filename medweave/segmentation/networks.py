"""Segmentation networks, built from the settings: the built-in one, and those of segmentation-models-pytorch."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from medweave.config import Segmentation
from medweave.errors import InputError
from medweave.progress import say
from medweave.segmentation.compact import pretrained, untrained

if TYPE_CHECKING:
    from torch import nn

_WITH_DECODER_CHANNELS = ("Unet", "UnetPlusPlus", "MAnet")
TIMM = "tu-"
"""Prefix of encoders that timm provides."""
COMPACT = "Compact"
"""Name of the built-in network."""


@dataclass(frozen=True)
class Architecture:
    """What a network is made of; `build_network` makes the same network from it again."""

    name: str
    encoder: str
    decoder_channels: tuple[int, ...] | None
    classes: int


def architecture_of(settings: Segmentation, classes: int) -> Architecture:
    """The architecture that the settings describe, for `classes` foreground classes."""
    if settings.architecture == COMPACT:
        return Architecture(COMPACT, "compact", None, classes)
    channels = settings.decoder_channels if settings.architecture in _WITH_DECODER_CHANNELS else None
    return Architecture(settings.architecture, settings.encoder, channels, classes)


def build_network(architecture: Architecture, encoder_weights: str | None = None) -> nn.Module:
    """A network from Bx3xSxS float32 to BxCxSxS logits of the C foreground classes.

    The background's logit is 0 by definition, so that one class means a sigmoid and several a softmax.
    `encoder_weights` names pretrained weights of segmentation-models-pytorch; timm's come with the encoder's own name.
    Raises InputError for an unknown encoder.
    """
    if architecture.name == COMPACT:
        return untrained(architecture.classes)
    import segmentation_models_pytorch as smp

    options = {} if architecture.decoder_channels is None else {"decoder_channels": architecture.decoder_channels}
    try:
        network: nn.Module = smp.create_model(
            architecture.name,
            encoder_name=architecture.encoder,
            encoder_weights=True if encoder_weights and architecture.encoder.startswith(TIMM) else encoder_weights,
            in_channels=3,
            classes=architecture.classes,
            **options,
        )
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(_explain(architecture, error)) from None
    return network


def pretrained_or_random(architecture: Architecture, encoder_weights: str | None) -> tuple[nn.Module, str]:
    """The network and where its weights came from: `encoder_weights`, or `random`.

    The built-in network starts from the weights that come with medweave, whatever `encoder_weights` says. Others that
    cannot be fetched are replaced by random ones, with a word to the user.
    """
    if architecture.name == COMPACT:
        network, digest = pretrained(architecture.classes)
        return network, f"drawn scenes ({digest[:12]})"
    if encoder_weights is None:
        return build_network(architecture), "random"
    if _can_be_fetched(architecture, encoder_weights):
        return build_network(architecture, encoder_weights), encoder_weights
    return build_network(architecture), f"random ({encoder_weights} could not be fetched)"


@cache
def _can_be_fetched(architecture: Architecture, encoder_weights: str) -> bool:
    """Asked once a process: without a network each answer takes a minute of retries. Draws no random numbers."""
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            build_network(architecture, encoder_weights)
    except OSError:
        say(f"pretrained weights '{encoder_weights}' of {architecture.encoder} cannot be fetched; starting from random")
        return False
    return True


def _explain(architecture: Architecture, error: Exception) -> str:
    import segmentation_models_pytorch as smp

    known = smp.encoders.get_encoder_names()
    if architecture.encoder not in known and not architecture.encoder.startswith(TIMM):
        near = difflib.get_close_matches(architecture.encoder, known, n=1, cutoff=0.0)[0]
        return (
            f"segmentation.encoder: unknown encoder '{architecture.encoder}'; did you mean '{near}'? "
            "(any timm encoder is 'tu-' and its name)"
        )
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return f"segmentation: {architecture.name} with encoder {architecture.encoder} cannot be built ({reason})"
