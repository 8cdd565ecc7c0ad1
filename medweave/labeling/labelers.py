"""What a labeler is, and the registry that makes one by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medweave.compute import Precision, device, precision
from medweave.config import Data, Labeling, Prompts, Settings
from medweave.errors import InputError
from medweave.labeling.prompts import Prompt


@dataclass(frozen=True)
class Target:
    """An image to be labelled: HxWx3 uint8 RGB, with prompts in its own pixels.

    `rounds` is how often a labeler that takes masks as prompts decodes: from the second time on with its own mask.
    """

    image_id: str
    image_sha256: str
    group_id: str
    image: NDArray[np.uint8]
    prompts: tuple[Prompt, ...] = ()
    rounds: int = 1


@dataclass(frozen=True)
class Made:
    """A label at the image's own size.

    `probabilities` is CxHxW float32, 0..1, class k+1 in channel k. `score` is the labeler's own estimate of the IoU,
    where its head was trained for it. `agreement` is the mean Dice of what was seen of an object, for each prompt and
    view, with what all of them gave together; None where every object was looked at once.
    """

    probabilities: NDArray[np.float32]
    score: float | None = None
    agreement: float | None = None

    def class_map(self) -> NDArray[np.uint8]:
        """HxW uint8: the likeliest class (the lowest on a tie) where its probability is over 0.5, else 0."""
        likeliest = (self.probabilities.argmax(axis=0) + 1).astype(np.uint8)
        return np.where(self.probabilities.max(axis=0) > 0.5, likeliest, np.uint8(0))


@dataclass(frozen=True)
class NoMask:
    """This image gets no label, for this reason."""

    reason: str


class Labeler(Protocol):
    """Makes the labels of images, from prompts unless `requires_prompts` is False."""

    name: str
    digest: str
    """SHA-256 of the weights ('' without weights)."""
    requires_prompts: bool

    def provenance(self, image_id: str | None = None, /) -> dict[str, Any]:
        """How the label of this image is made; without an image, what decides about all of its labels.

        JSON-serialisable; `labeler` and `labeler_digest` are always in it.
        """

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """One label a target, in their order, which does not depend on the others."""


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
    precision: Precision,
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
    if settings.adapt and settings.labeler not in ADAPTABLE:
        raise InputError(
            f"labeling.adapt=true: {settings.labeler} has no decoder to adapt; set labeling.adapt=false, or "
            f"labeling.labeler to one of {', '.join(ADAPTABLE)}"
        )
    return make(Request(settings, data_root, classes, seed, device, precision, max_pixels))


def configured_labeler(settings: Settings) -> Labeler:
    """The labeler that a task's settings describe; see `create_labeler`."""
    return create_labeler(
        settings.labeling,
        settings.data.root,
        len(settings.data.classes),
        settings.seed,
        str(device(settings.compute)),
        precision(settings.compute),
        settings.data.max_pixels,
    )


def prompted_with(labeler: Labeler, prompts: Prompts) -> Labeler:
    """The labeler for the boxes that `prompts` gives: `grabcut` takes their margin off again, others take any boxes."""
    from medweave.labeling.grabcut import GrabCutLabeler

    return labeler.with_margin(prompts.margin) if isinstance(labeler, GrabCutLabeler) else labeler


def _require_boxes(request: Request) -> None:
    if request.settings.prompts.kind == "points":
        raise InputError(f"labeling.labeler={request.settings.labeler} needs boxes; set labeling.prompts.kind=box")


def _ellipse(request: Request) -> Labeler:
    _require_boxes(request)
    from medweave.labeling.ellipse import EllipseLabeler

    return EllipseLabeler(request.classes)


def _grabcut(request: Request) -> Labeler:
    _require_boxes(request)
    from medweave.labeling.grabcut import GrabCutLabeler

    return GrabCutLabeler(request.classes, request.settings.prompts.margin, request.seed)


def _compact(request: Request) -> Labeler:
    from medweave.labeling.compact import load_compact

    return load_compact(request.device, request.precision, request.classes)


def _crop(request: Request) -> Labeler:
    _require_boxes(request)
    from medweave.labeling.crop import CropLabeler

    return CropLabeler(request.classes, request.device, request.precision)


def _sam(request: Request) -> Labeler:
    from medweave.labeling.sam import load_sam

    settings = request.settings
    return load_sam(
        "medsam" if settings.labeler == "medsam" else "sam",
        settings.checkpoint,
        settings.model_type,
        request.device,
        request.precision,
        request.classes,
        settings.compile,
    )


def _imported(request: Request) -> Labeler:
    from medweave.labeling.imported import ImportedMasks, find_masks

    folder = find_masks(request.settings.imported, request.data_root)
    return ImportedMasks(folder, request.classes, request.max_pixels)


LABELERS: Mapping[str, Callable[[Request], Labeler]] = {
    "compact": _compact,
    "crop": _crop,
    "sam": _sam,
    "medsam": _sam,
    "grabcut": _grabcut,
    "ellipse": _ellipse,
    "imported": _imported,
}

ADAPTABLE = ("compact", "sam", "medsam")
"""Models of SAM's kind, whose decoder can be fine-tuned on gold."""
