"""What a labeler is, and the registry that makes one by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medweave.config import Data, Labeling
from medweave.errors import InputError
from medweave.labeling.prompts import Prompt

Precision = Literal["bf16", "fp32"]


class NoMaskError(Exception):
    """This image gets no mask; the message is the reason. The run goes on with the next image."""


class Labeler(Protocol):
    """Makes the mask of an image, from prompts unless `requires_prompts` is False."""

    name: str
    digest: str
    """SHA-256 of the weights ('' without weights)."""
    requires_prompts: bool

    def provenance(self, image_id: str | None = None, /) -> dict[str, Any]:
        """How the label of this image is made; without an image, what decides about all of its labels.

        JSON-serialisable; `labeler` and `labeler_digest` are always in it.
        """

    def segment(self, image: NDArray[np.uint8], prompts: Sequence[Prompt], image_id: str, /) -> NDArray[np.uint8]:
        """The HxW class map (0 = background) of an image HxWx3 uint8 RGB; `prompts` in pixels of this image.

        Raises NoMaskError when there is none to be had for this image.
        """


@dataclass(frozen=True)
class Request:
    """All that a labeler can be made from."""

    settings: Labeling
    data_root: str | None
    classes: int
    seed: int
    device: str
    precision: Precision
    max_pixels: int


def create_labeler(
    settings: Labeling,
    data_root: str | None,
    classes: int,
    seed: int,
    device: str,
    precision: Precision = "bf16",
    max_pixels: int = Data().max_pixels,
) -> Labeler:
    """The labeler that `settings.labeler` names.

    Raises InputError for an unknown name, and for what the labeler misses: a checkpoint, a folder of masks, boxes.
    """
    make = LABELERS.get(settings.labeler)
    if make is None:
        near = difflib.get_close_matches(settings.labeler, LABELERS, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? valid" if near else "valid"
        raise InputError(f"labeling.labeler: unknown labeler '{settings.labeler}'; {hint}: {', '.join(LABELERS)}")
    return make(Request(settings, data_root, classes, seed, device, precision, max_pixels))


def merge_scores(scores: Iterable[tuple[int, NDArray[np.float32]]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """One HxW uint8 class map of (class, HxW score) of each prompt: a positive score is the object.

    Objects of one class unite; where classes overlap, the higher score has it (the first prompt on a tie).
    """
    mask = np.zeros(shape, np.uint8)
    best = np.zeros(shape, np.float32)
    for class_index, score in scores:
        higher = score > best
        mask[higher] = class_index
        best[higher] = score[higher]
    return mask


def _require_boxes(request: Request) -> None:
    if request.settings.prompts.kind == "points":
        raise InputError(f"labeling.labeler={request.settings.labeler} needs boxes; set labeling.prompts.kind=box")


def _ellipse(request: Request) -> Labeler:
    from medweave.labeling.ellipse import EllipseLabeler

    _require_boxes(request)
    return EllipseLabeler()


def _grabcut(request: Request) -> Labeler:
    from medweave.labeling.grabcut import GrabCutLabeler

    _require_boxes(request)
    return GrabCutLabeler(request.settings.prompts.margin, request.seed)


def _sam(request: Request) -> Labeler:
    from medweave.labeling.sam import load_sam

    settings = request.settings
    checkpoint = None if settings.checkpoint is None else Path(settings.checkpoint).expanduser()
    kind: Literal["sam", "medsam"] = "medsam" if settings.labeler == "medsam" else "sam"
    return load_sam(kind, checkpoint, settings.model_type, request.device, request.precision)


def _imported(request: Request) -> Labeler:
    from medweave.labeling.imported import ImportedMasks, find_masks

    folder = find_masks(request.settings.imported, request.data_root)
    return ImportedMasks(folder, request.classes, request.max_pixels)


LABELERS: Mapping[str, Callable[[Request], Labeler]] = {
    "sam": _sam,
    "medsam": _sam,
    "grabcut": _grabcut,
    "ellipse": _ellipse,
    "imported": _imported,
}
