"""Images without a trusted label: what a teacher sees on a plain view, the student learns on a disturbed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medweave.segmentation.losses import label_loss

if TYPE_CHECKING:
    import torch

BOX_SHARE = (0.1, 0.5)
"""Share of an image that CutMix replaces."""


@dataclass(frozen=True)
class Views:
    """A batch to learn from: `images` Bx3xSxS uint8, BxSxS maps of the rest.

    `masks` are labels (class maps) of which each pixel counts as far as `trust`, 0..1; `taught` is the teacher's class
    map, of which those pixels count where it was `sure`.
    """

    images: torch.Tensor
    masks: torch.Tensor
    trust: torch.Tensor
    taught: torch.Tensor
    sure: torch.Tensor


def teach(probabilities: torch.Tensor, confidence: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest class BxSxS, and whether its probability reaches `confidence`.

    `probabilities` are BxCxSxS of the foreground classes.
    """
    import torch

    full = torch.cat([1 - probabilities.sum(dim=1, keepdim=True), probabilities], dim=1)
    likeliest = full.max(dim=1)
    return likeliest.indices, (likeliest.values >= confidence).float()


def cutmix(views: Views, share: float) -> Views:
    """In `share` (0..1) of the images a box is replaced, in all maps, by that of the next image.

    CutMix for segmentation as in French et al., BMVC 2020. Boxes are drawn from torch's global generator.
    """
    import torch

    count, size = len(views.images), views.images.shape[-1]
    inside = torch.zeros(count, size, size, dtype=torch.bool)
    for index in torch.nonzero(torch.rand(count) < share).flatten().tolist():
        area = float(torch.empty(1).uniform_(*BOX_SHARE)) * size * size
        ratio = float(torch.empty(1).uniform_(-0.7, 0.7).exp())
        height, width = (min(size, round((area * r) ** 0.5)) for r in (ratio, 1 / ratio))
        top, left = (int(torch.randint(0, size - side + 1, (1,))) for side in (height, width))
        inside[index, top : top + height, left : left + width] = True

    def mixed(maps: torch.Tensor) -> torch.Tensor:
        chosen = inside.to(maps.device)
        return torch.where(chosen[:, None] if maps.dim() == 4 else chosen, maps.roll(1, dims=0), maps)

    return Views(*(mixed(maps) for maps in (views.images, views.masks, views.trust, views.taught, views.sure)))


def ramp(step: int, steps: int, share: float) -> float:
    """How much the teacher counts: from 0 to 1 over the first `share` of the steps, as exp(-5 (1 - t)^2).

    Laine & Aila, "Temporal ensembling", ICLR 2017.
    """
    import math

    over = min(1.0, step / max(1.0, share * steps))
    return math.exp(-5 * (1 - over) ** 2)


def consistency_loss(logits: torch.Tensor, views: Views) -> torch.Tensor:
    """Mean over images of the loss against what the teacher was sure of, as far as no trusted label says it already.

    `logits` BxCxSxS are the student's. A teacher of a few labels rather misses an object than makes one up, so that a
    class that it does not see is no reason to see less of it: soft Dice is taken of the classes it sees.
    """
    return label_loss(logits, views.taught, views.sure * (1 - views.trust), present_only=True).mean()
