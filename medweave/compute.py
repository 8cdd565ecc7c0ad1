"""Where tensors are computed: device, precision and threads from the settings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from medweave.config import Compute
from medweave.errors import InputError

if TYPE_CHECKING:
    import torch


def device(settings: Compute) -> torch.device:
    """The device to compute on; `auto` takes a GPU where there is one. Raises InputError for a missing GPU."""
    import torch

    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device=cuda: this machine has no usable GPU; set compute.device=auto")
    use_cuda = settings.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")


def autocast(settings: Compute) -> AbstractContextManager[None]:
    """Mixed precision (bfloat16) when the settings ask for it, on CPU and GPU alike."""
    import torch

    context: AbstractContextManager[None] = torch.autocast(
        device(settings).type, dtype=torch.bfloat16, enabled=settings.precision == "bf16"
    )
    return context
