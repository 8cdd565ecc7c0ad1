"""All checks of a set of samples: what is wrong with each, and how they are as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from medweave.config import SampleChecks
from medweave.data.duplicates import near_duplicates
from medweave.synthesis.checks.exposure import exposure_bounds
from medweave.synthesis.checks.near_copies import Closeness, Found, TrainingImages
from medweave.synthesis.checks.pictures import Features, Pictures, Views, views_of
from medweave.synthesis.checks.spread import Frechet, frechet, mean_distance

NEAR_COPY = "near-copy of a training image"
DUPLICATE = "near-copy of another sample"


@dataclass(frozen=True)
class SampleCheck:
    """What was found about one sample: it is dropped for any of the `reasons`, of which there may be several.

    `agreement` maps who looked (`coarse`, `labeler`) to the Dice of what it found with the mask the image was made for.
    """

    image_id: str
    reasons: tuple[str, ...]
    copy: Found
    agreement: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What was found about a set of samples.

    `limits` are how close a sample may come to a training image. `diversity` is the mean distance of two kept samples
    over that of two real images; like `frechet` it is None when there are too few.
    """

    samples: tuple[SampleCheck, ...]
    limits: Closeness
    diversity: float | None
    frechet: Frechet | None

    @property
    def kept(self) -> list[str]:
        """Ids of the samples that nothing speaks against."""
        return [sample.image_id for sample in self.samples if not sample.reasons]

    def to_json(self) -> dict[str, Any]:
        """How many were `made` and `kept`, how many dropped for which of the `reasons`, and the figures.

        `near_copies` names the samples that are too close to a training image, with that image and by which measure.
        """
        return {
            "made": len(self.samples),
            "kept": len(self.kept),
            "reasons": dict(Counter(reason for sample in self.samples for reason in sample.reasons).most_common()),
            "near_copies": [
                {"sample": sample.image_id, "image": sample.copy.nearest, "by": list(sample.copy.by)}
                for sample in self.samples
                if NEAR_COPY in sample.reasons
            ],
            "limits": asdict(self.limits),
            "closest": asdict(self._closest()) if self.samples else None,
            "diversity": self.diversity,
            "frechet": None if self.frechet is None else asdict(self.frechet),
            "agreement": {
                who: float(np.median([sample.agreement[who] for sample in self.samples if who in sample.agreement]))
                for who in dict.fromkeys(who for sample in self.samples for who in sample.agreement)
            },
        }

    def _closest(self) -> Closeness:
        """The closest that any kept sample comes to a training image (any sample, when none was kept)."""
        found = [sample.copy.closeness for sample in self.samples if not sample.reasons]
        found = found or [sample.copy.closeness for sample in self.samples]
        return Closeness(
            min(one.bits for one in found),
            min(one.distance for one in found),
            max(one.correlation for one in found),
        )


def check_samples(
    samples: Pictures,
    real: Pictures,
    features: Features,
    settings: SampleChecks,
    same_bits: int,
    seed: int,
    agreement: Sequence[Mapping[str, float]] = (),
) -> Checked:
    """Check samples against the real images that their generator learned from; both at the same size.

    Images whose hashes differ in at most `same_bits` of 256 bits show the same. `agreement` has a mapping a sample, see
    `SampleCheck`; who looked is `coarse` or `labeler`. Raises InputError when no two real images are different.
    """
    training = TrainingImages(real, features, settings.false_alarms, same_bits)
    views = views_of(samples.images, features)
    copies, bounds = training.compare(views), exposure_bounds(real.images)
    repeated = _repeated(views, same_bits)
    checked = []
    for index, (image_id, image) in enumerate(zip(samples.ids, samples.images, strict=True)):
        agreeing = agreement[index] if agreement else {}
        fault = bounds.fault(image)
        reasons = [
            NEAR_COPY if copies[index].by and fault != "constant" else None,
            fault,
            DUPLICATE if index in repeated else None,
            *_disagreeing(agreeing, settings),
        ]
        checked.append(SampleCheck(image_id, tuple(filter(None, reasons)), copies[index], agreeing))
    kept = training.standardised(views)[[index for index, sample in enumerate(checked) if not sample.reasons]]
    apart, real_apart = mean_distance(kept, seed), mean_distance(training.features, seed)
    diversity = apart / real_apart if apart is not None and real_apart else None
    return Checked(tuple(checked), training.limits, diversity, frechet(training.features, kept, seed))


def _repeated(views: Views, same_bits: int) -> set[int]:
    """Indices of samples that show what an earlier one shows."""
    hashes = [words.tobytes().hex() for words in views.hashes[:, 0]]
    return {second for _, second, _ in near_duplicates(hashes, same_bits)} if hashes else set()


def _disagreeing(agreement: Mapping[str, float], settings: SampleChecks) -> list[str]:
    least = {"coarse": ("coarse model", settings.coarse_dice), "labeler": ("labeler", settings.labeler_dice)}
    return [
        f"the {name} finds another mask"
        for who, (name, lowest) in least.items()
        if who in agreement and agreement[who] < lowest
    ]
