"""A segmenter as one file that runs without medweave, ONNX or TorchScript, checked against the original."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from medweave.config import Compute
from medweave.errors import InputError, RunError
from medweave.segmentation.preprocessing import normalise, to_batch
from medweave.segmentation.segmenter import Segmenter, foreground
from medweave.writing import whole_file

if TYPE_CHECKING:
    import torch
    from torch import nn

Format = Literal["onnx", "torchscript"]
Run = Callable[[np.ndarray], np.ndarray]
CHECKED = 3
TOLERANCE = 1e-4
"""By how much a probability may differ: float32 sums come in another order."""


def export_model(segmenter: Segmenter, path: Path, format_: Format) -> float:
    """Write the ensemble with its flips as one file; return the largest difference of a probability, 0..1.

    It takes `images` Bx3xSxS uint8, squashed to the card's `image_size`, and gives `probabilities` of the foreground
    classes, BxCxSxS float32. Raises RunError, and leaves no file, when these differ from the original's by more than
    1e-4 on random images, and InputError when the file cannot be written.
    """
    write, open_ = {"onnx": (_write_onnx, _open_onnx), "torchscript": (_write_torchscript, _open_torchscript)}[format_]
    original = Segmenter(segmenter.card, segmenter.members, Compute(device="cpu", precision="fp32"))
    size = original.card.image_size
    images = list(np.random.default_rng(0).integers(0, 256, (CHECKED, size, size, 3), np.uint8))
    batch = to_batch(images, size)
    try:
        with whole_file(path) as aside:
            aside.touch()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch: that TorchScript is old, and what tracing keeps constant
                write(_module(original), batch[:2], aside)
                made = open_(aside)(batch.numpy())
            difference = float(np.abs(made - original.probabilities(images)).max())
            if not difference <= TOLERANCE:
                raise RunError(f"{path}: the export differs from the model by {difference:.2g}; it was not written")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another file") from None
    return difference


def _write_torchscript(module: nn.Module, example: torch.Tensor, path: Path) -> None:
    import torch

    with torch.inference_mode():
        torch.jit.trace(module, example).save(str(path))  # type: ignore[no-untyped-call]


def _open_torchscript(path: Path) -> Run:
    import torch

    module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            probabilities: np.ndarray = module(torch.from_numpy(images)).numpy()
        return probabilities

    return run


def _write_onnx(module: nn.Module, example: torch.Tensor, path: Path) -> None:
    import torch

    torch.onnx.export(
        module,
        (example,),
        path,
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = session.run(None, {"images": images})[0]
        return probabilities

    return run


def _module(segmenter: Segmenter) -> nn.Module:
    import torch
    from torch import nn

    views: list[tuple[int, ...]] = [(), *((axis,) for axis in segmenter.card.flips)]

    class Exported(nn.Module):
        """Normalisation, members, flips, and the mean of the foreground probabilities."""

        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(segmenter.members)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            inputs = normalise(images)
            seen = [foreground(member(inputs.flip(axes))).flip(axes) for member in self.members for axes in views]
            return torch.stack(seen).mean(dim=0)

    return Exported().eval()
