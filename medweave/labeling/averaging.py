"""Two labelers of unlike kinds as one: a promptable model's probabilities averaged with those of `crop`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from medweave.labeling.crop import CropLabeler
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.sam import SamLabeler

PREFIX = "crop."


class AveragedLabeler:
    """A promptable model whose masks, where prompts have boxes, are averaged with those of a fitted `crop`."""

    requires_prompts = True

    def __init__(self, promptable: SamLabeler, crop: CropLabeler) -> None:
        self.name = promptable.name
        self.digest = promptable.digest
        self._promptable = promptable
        self._crop = crop

    def provenance(self, image_id: str | None = None, /) -> dict[str, Any]:
        """The promptable model's own, and what it is averaged with."""
        return {**self._promptable.provenance(image_id), "averaged_with": self._crop.name}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """One label a target; see `average`."""
        made, other = self._promptable.segment(targets), self._crop.segment(targets)
        return [average(*both) for both in zip(made, other, strict=True)]


def average(made: Made | NoMask, other: Made | NoMask) -> Made | NoMask:
    """The label with the mean of both labels' probabilities, and with the first one's score and agreement.

    Where either is none it is the first one, whatever that is; a mask that is empty then is no label.
    """
    if isinstance(made, NoMask) or isinstance(other, NoMask):
        return made
    probabilities = np.asarray((made.probabilities + other.probabilities) / 2, np.float32)
    if not (probabilities > 0.5).any():
        return NoMask("the labeler and crop, averaged, are sure of nothing")
    return replace(made, probabilities=probabilities)


def joined(decoder: Mapping[str, Tensor], crop: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a decoder, which may be none, and of `crop` in one state; see `parted`."""
    return {**decoder, **{f"{PREFIX}{name}": tensor for name, tensor in crop.items()}}


def parted(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The decoder's weights and those of `crop` in a state; either may be none."""
    decoder = {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}
    crop = {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}
    return decoder, crop
