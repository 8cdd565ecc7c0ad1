"""A labeler from gold alone: a small network looks at the surrounding of a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medweave.compute import Precision, in_precision
from medweave.errors import RunError
from medweave.labeling.consensus import Vote, consensus
from medweave.labeling.crop.network import CropNetwork
from medweave.labeling.crop.views import SIDE, View, onto_image, view
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Box

BATCH = 32
FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))
"""Axes (height 1, width 2) that a view is flipped along; the probabilities are averaged."""


class CropLabeler:
    """Segments every box on its own; prompts without a box are left out.

    It knows nothing until it is given the weights of a network that was trained on gold.
    """

    name = "crop"
    digest = ""
    requires_prompts = True

    def __init__(self, classes: int, device: str, precision: Precision, network: CropNetwork | None = None) -> None:
        self.classes = classes
        self.device = device
        self.precision = precision
        self._network = network

    def with_network(self, state: Mapping[str, torch.Tensor]) -> CropLabeler:
        """The labeler with these weights (see `train_crop`)."""
        network = CropNetwork(self.classes)
        network.load_state_dict(dict(state))
        network = network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return CropLabeler(self.classes, self.device, self.precision, network)

    def provenance(self, _image_id: str | None = None, /) -> dict[str, Any]:
        """Name and precision: the weights are those of what fitted it."""
        return {"labeler": self.name, "labeler_digest": self.digest, "precision": self.precision}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """One label a target. Raises RunError before the labeler was fitted to gold."""
        boxed = [
            (index, prompt, box)
            for index, target in enumerate(targets)
            for prompt in target.prompts
            if prompt.box is not None and (box := _inside(prompt.box, target.image.shape))
        ]
        votes: list[list[Vote]] = [[] for _ in targets]
        for start in range(0, len(boxed), BATCH):
            batch = boxed[start : start + BATCH]
            views = [view(targets[index].image, box) for index, _, box in batch]
            for (index, prompt, _), seen, of_classes in zip(batch, views, self._probabilities(views), strict=True):
                probability = of_classes[prompt.class_index - 1]
                votes[index].append(Vote(prompt, *onto_image(probability, seen.window, _size(targets[index]))))
        return [
            consensus(made or _nothing(target), self.classes, _size(target))
            for target, made in zip(targets, votes, strict=True)
        ]

    def _probabilities(self, views: Sequence[View]) -> NDArray[np.float32]:
        """BxCxSxS of the classes."""
        if self._network is None:
            raise RunError("labeler crop: was not fitted to gold; run the step fit_labeler first")
        inputs = torch.from_numpy(np.stack([seen.pixels for seen in views])).to(self.device)
        total = torch.zeros((len(views), self.classes, SIDE, SIDE), device=self.device)
        with torch.inference_mode(), in_precision(self.precision, self.device):
            for axes in FLIPS:
                flipped = [axis + 1 for axis in axes]
                total += self._network(inputs.flip(flipped)).float().sigmoid().flip(flipped)
        return (total / len(FLIPS)).cpu().numpy()


def _inside(box: Box, shape: tuple[int, ...]) -> Box | None:
    """The part of a box inside an image of `shape` (height, width, …), None where it has no area there."""
    x0, y0, x1, y1 = max(0.0, box[0]), max(0.0, box[1]), min(shape[1], box[2]), min(shape[0], box[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _nothing(target: Target) -> list[Vote]:
    """Votes for boxes that all lie outside the image."""
    empty = np.zeros((0, 0), np.float32)
    return [Vote(prompt, (0, 0, 0, 0), empty) for prompt in target.prompts if prompt.box is not None]


def _size(target: Target) -> tuple[int, int]:
    return target.image.shape[0], target.image.shape[1]
