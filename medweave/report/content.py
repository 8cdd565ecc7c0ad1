"""What a report shows, as the pipeline hands it over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Example:
    """One image with what was drawn, found or predicted on it.

    `image` is HxWx3 uint8 RGB. `layers` maps a name (`gold`, `mask`, `prediction`, `baseline`, …) to an HxW uint8 class
    map, shown as outlines. `coarse` is an hxw float32 probability in [0, 1], of any size. `boxes` are (x0, y0, x1, y1)
    and `points` (x, y, positive), both in pixels of `image`.
    """

    image_id: str
    image: NDArray[np.uint8]
    layers: Mapping[str, NDArray[np.uint8]]
    coarse: NDArray[np.float32] | None
    boxes: Sequence[tuple[float, float, float, float]]
    points: Sequence[tuple[float, float, bool]]
    caption: str


@dataclass(frozen=True)
class SyntheticExample:
    """A generated image HxWx3 uint8 with the mask HxW it was made for, beside a real image.

    `real` is the image whose mask the new one came from, of any size, with its own `real_mask`; a free sample, without
    a mask, has the training image that it is closest to.
    """

    image_id: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    real: NDArray[np.uint8]
    real_mask: NDArray[np.uint8] | None
    caption: str


@dataclass(frozen=True)
class ReportContent:
    """All that a run's page shows; an empty field leaves its part of the page out.

    `summary` is the run's summary.json. `classes` are the foreground classes' names. `warnings` have `rule`, `file` and
    `message`. `label_examples` has the keys `best`, `typical` and `worst`. `label_features` maps a label source to its
    features' values. `drift` maps a source, such as `weak accepted`, to `feature`, `gold_median`, `median`, `effect`,
    `spread`, `p`, `way` and `drifted` of each compared feature, `not_compared` to why there are none. `predicted_dice`
    is (value, decision) of each made label. `calibration` says how it was learnt and how well it holds
    (`Standard.to_json` of quality control), why labels were not accepted (`reasons`: label source to decision to
    reason to count), and of a second opinion how many masks were `made`, `kept` and `accepted`. `per_image` has
    (image_id, gold-only Dice, final Dice) of each test image. `curves` maps a name whose last word is the quantity,
    such as `final loss`, to (step, value). `learned` says in words what gold taught the labeler. `ablation` has
    `name`, `dice` and `difference` (to the final model) of trainings without one part, both as in the summary.
    `synthesis` tells of synthetic images: `checks` (`Checked.to_json` of their checks) and `choice`
    (`SyntheticChoice.to_json`: Dice on held-out gold with and without them).
    """

    summary: Mapping[str, Any]
    task: str
    classes: Sequence[str]
    settings_yaml: str
    versions: Mapping[str, str]
    warnings: Sequence[Mapping[str, str]]
    gold_examples: Sequence[Example]
    label_examples: Mapping[str, Sequence[Example]]
    failures: Sequence[Example]
    losses: Sequence[Example]
    label_features: Mapping[str, Mapping[str, Sequence[float]]]
    drift: Mapping[str, Sequence[Mapping[str, Any]]]
    not_compared: Mapping[str, str]
    predicted_dice: Sequence[tuple[float, str]]
    calibration: Mapping[str, Any]
    per_image: Sequence[tuple[str, float, float]]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    learned: str = ""
    ablation: Sequence[Mapping[str, Any]] = ()
    synthesis: Mapping[str, Any] = field(default_factory=dict)
    synthetic_examples: Sequence[SyntheticExample] = ()
