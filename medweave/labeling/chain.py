"""From an image to its weak label: coarse model, prompts, labeler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medweave import __version__
from medweave.config import Prompts, Settings
from medweave.data.masks import encode_mask, read_mask
from medweave.data.probabilities import encode_probabilities
from medweave.data.table import ImageRow, ImageTable, LabelSource, MaskRef
from medweave.errors import InputError
from medweave.labeling.batches import Halving
from medweave.labeling.blending import blend
from medweave.labeling.fitted import FittedLabeler, labeler_for
from medweave.labeling.labelers import Labeler, Made, NoMask, Target, configured_labeler, prompted_with
from medweave.labeling.prompts import Bounds, Prompt, bounds_from_masks, prompts_from_probabilities
from medweave.version import code_digest

Image = NDArray[np.uint8]

OUT_OF_MEMORY = "out of memory"


class CoarsePredictor(Protocol):
    """Where the prompts come from."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    def predict(
        self, images: Sequence[Image], rows: Sequence[ImageRow]
    ) -> Sequence[tuple[NDArray[np.float32], dict[str, float]]]:
        """Of each image HxWx3 uint8 and its row: probabilities CxHxW at the network's size, 0..1, and features."""


@dataclass(frozen=True)
class Label:
    """What the coarse model saw and the mask, as PNGs, and how they came about; without a mask `missing` says why.

    `features` are the coarse model's for the row.
    """

    coarse: bytes | None
    mask: bytes | None
    made_by: dict[str, Any]
    features: dict[str, float] = field(default_factory=dict)

    def on(self, row: ImageRow, source: LabelSource) -> ImageRow:
        """The row with this label; without a mask its label source is `none`."""
        row = replace(row, coarse=self.coarse, features={**row.features, **self.features})
        if self.mask is not None:
            return row.with_label(source, MaskRef(png=self.mask), self.made_by)
        return replace(row, label_source="none", label_id=None, mask=MaskRef(), made_by=self.made_by)


@dataclass(frozen=True)
class Chain:
    """All that decides about weak labels of `classes` foreground classes; `coarse_share`, 0..1, as `blend` takes it.

    `precision` is the one that the settings ask for: with `auto` nodes that differ make labels of one recipe.
    """

    coarse: CoarsePredictor
    labeler: Labeler
    bounds: Bounds
    prompts: Prompts
    classes: int
    coarse_share: float = 0.0
    precision: str = "auto"

    def recipe(self) -> dict[str, Any]:
        """What decides about the label of an image, as JSON: two chains of one recipe give the same labels."""
        return {
            "code": code_digest("data", "segmentation", "labeling"),
            "coarse": self.coarse.digest,
            "labeler": recipe_of(self.labeler),
            "precision": self.precision,
            "bounds": self.bounds.to_json(),
            "prompts": self.prompts.model_dump(mode="json"),
            "classes": self.classes,
            "coarse_share": self.coarse_share,
        }

    def label(self, items: Sequence[tuple[ImageRow, Image]], in_parts: Halving) -> list[Label]:
        """One label for each row with its image HxWx3 uint8, computed at once as far as memory suffices."""
        seen = [one or (None, {}) for one in in_parts(self._predict, items)]
        plans = [self._plan(row, image, found) for (row, image), (found, _) in zip(items, seen, strict=True)]
        made = iter(in_parts(self.labeler.segment, [plan for plan in plans if isinstance(plan, Target)]))
        labels = []
        for (row, _), (found, features), plan in zip(items, seen, plans, strict=True):
            coarse = encode_probabilities(found) if found is not None and np.isfinite(found).all() else None
            result = next(made) if isinstance(plan, Target) else plan
            if isinstance(result, Made) and coarse and found is not None:
                result = blend(result, found, self.coarse_share)
            if isinstance(plan, Target) and isinstance(result, Made):
                label = Label(coarse, encode_mask(result.class_map()), self._made_by(row, plan, result))
            else:
                label = self._missing(coarse, result.reason if isinstance(result, NoMask) else OUT_OF_MEMORY)
            labels.append(replace(label, features=features if coarse else {}))
        return labels

    def without_memory(self) -> Label:
        """What an image gets that is larger than memory."""
        return self._missing(None, OUT_OF_MEMORY)

    def _predict(
        self, items: Sequence[tuple[ImageRow, Image]]
    ) -> Sequence[tuple[NDArray[np.float32], dict[str, float]]]:
        seen = self.coarse.predict([image for _, image in items], [row for row, _ in items])
        for probabilities, _ in seen[:1]:
            if len(probabilities) != self.classes:
                raise InputError(
                    f"coarse model: has {len(probabilities)} classes, data.classes has {self.classes}; train it again"
                )
        return seen

    def _plan(self, row: ImageRow, image: Image, probabilities: NDArray[np.float32] | None) -> Target | NoMask:
        if probabilities is None:
            return NoMask(OUT_OF_MEMORY)
        prompts: list[Prompt] = []
        if self.labeler.requires_prompts:
            if not np.isfinite(probabilities).all():
                return NoMask("the coarse model gave probabilities that are not finite")
            size = image.shape[0], image.shape[1]
            prompts = prompts_from_probabilities(probabilities, size, self.prompts, self.bounds, row.image_id)
            if not prompts:
                return NoMask("no prompt")
        return Target(row.image_id, row.image_sha256, row.group_id, image, tuple(prompts), self.prompts.rounds)

    def _made_by(self, row: ImageRow, target: Target, made: Made) -> dict[str, Any]:
        made_by: dict[str, Any] = {"version": __version__, **self.labeler.provenance(row.image_id)}
        if target.prompts:
            made_by |= {"coarse": self.coarse.digest, "prompts": [prompt.to_json() for prompt in target.prompts]}
        if self.coarse_share:
            made_by |= {"coarse": self.coarse.digest, "coarse_share": self.coarse_share}
        measured = {"score": made.score, "agreement": made.agreement}
        return made_by | {name: round(value, 4) for name, value in measured.items() if value is not None}

    def _missing(self, coarse: bytes | None, reason: str) -> Label:
        labeler = {"labeler": self.labeler.name, "labeler_digest": self.labeler.digest}
        return Label(coarse, None, {"version": __version__, **labeler, "missing": reason})


def recipe_of(labeler: Labeler) -> dict[str, Any]:
    """What decides about all of a labeler's labels, without the precision, which a machine may choose for itself."""
    return {name: value for name, value in labeler.provenance().items() if name != "precision"}


def configured_chain(settings: Settings, gold: ImageTable, coarse: CoarsePredictor, fitted: FittedLabeler) -> Chain:
    """The chain that a task's settings describe, with what gold allows and taught the labeler."""
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    masks = (read_mask(row.mask, classes, max_pixels) for row in gold)
    bounds = bounds_from_masks(masks, classes, settings.quality.slack)
    labeler, card = labeler_for(fitted, configured_labeler(settings)), fitted.card
    labeler = prompted_with(labeler, card.prompts)
    return Chain(coarse, labeler, bounds, card.prompts, classes, card.coarse_share, settings.compute.precision)
