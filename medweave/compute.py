"""Where tensors are computed: device, precision and threads from the settings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

from medweave.config import Compute
from medweave.errors import InputError

if TYPE_CHECKING:
    import torch

Precision = Literal["bf16", "fp32"]

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""With one of these a CPU is faster in bfloat16 than in full precision; without, it emulates it and is far slower."""


def device(settings: Compute) -> torch.device:
    """The device to compute on; `auto` takes a GPU where there is one. Raises InputError for a missing GPU."""
    import torch

    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device=cuda: this machine has no usable GPU; set compute.device=auto")
    use_cuda = settings.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")


def precision(settings: Compute) -> Precision:
    """The precision to compute in; `auto` is the device's native one."""
    return native_precision(device(settings)) if settings.precision == "auto" else settings.precision


def native_precision(where: torch.device | str) -> Precision:
    """bf16 on a device with instructions for it, else fp32."""
    import torch

    if torch.device(where).type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        native = any(able.get(name) for name in BF16_INSTRUCTIONS)
    return "bf16" if native else "fp32"


def autocast(settings: Compute) -> AbstractContextManager[None]:
    """Computes in the settings' device and precision; see `in_precision`."""
    return in_precision(precision(settings), device(settings))


def in_precision(chosen: Precision, where: torch.device | str) -> AbstractContextManager[None]:
    """Mixed precision (bfloat16) for bf16, on CPU and GPU alike; none for fp32."""
    import torch

    context: AbstractContextManager[None] = torch.autocast(
        torch.device(where).type, dtype=torch.bfloat16, enabled=chosen == "bf16"
    )
    return context


def in_native_precision(where: torch.device | str) -> AbstractContextManager[None]:
    """Computes in what the device is fastest in; see `native_precision`."""
    return in_precision(native_precision(where), where)
