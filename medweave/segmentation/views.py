"""What a training step looks at: images as they are shown to the network, and what is known of each pixel."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from medweave.segmentation.augmentation import Augmenter
    from medweave.segmentation.training_set import TrainingSet

BOX_SHARE = (0.1, 0.5)
"""Share of an image that CutMix replaces."""


@dataclass(frozen=True)
class Views:
    """B images Bx3xSxS uint8, and of each pixel what it is and who says so.

    `targets` BxCxSxS float32 are probabilities of the foreground classes, which count as far as `trust` BxSxS, 0..1.
    `expert` BxSxS bool is where the label is an expert's. `taught`, as `targets`, is what a teacher says where it is
    `sure`, BxSxS, 0 or 1.
    """

    images: torch.Tensor
    targets: torch.Tensor
    trust: torch.Tensor
    expert: torch.Tensor
    taught: torch.Tensor
    sure: torch.Tensor

    def on(self, device: torch.device) -> Views:
        """The same on a device."""
        return Views(*(getattr(self, field.name).to(device) for field in fields(self)))


def moved_views(batch: TrainingSet, augment: Augmenter, soft: float, self_training: float) -> Views:
    """A batch with flips and affine maps; see `TrainingSet.targets` for `soft`.

    Images without a trusted label that the coarse model has seen are trusted as far as `self_training`, 0..1.
    """
    import torch

    pixels, targets = torch.from_numpy(batch.images).permute(0, 3, 1, 2), torch.from_numpy(batch.targets(soft))
    images, moved = augment.move(pixels, targets)
    weights, by_coarse = torch.from_numpy(batch.weights), torch.from_numpy(self_training * batch.seen).float()
    trust = torch.where(weights > 0, weights, by_coarse)[:, None, None].expand(-1, *images.shape[2:])
    expert = torch.from_numpy(batch.gold)[:, None, None].expand_as(trust)
    known = moved.float() / 255
    return Views(images, known, trust, expert, torch.zeros_like(known), torch.zeros_like(trust))


def cutmix(views: Views, share: float) -> Views:
    """In `share` (0..1) of the images a box is replaced, in all maps, by the same place of another one of the batch.

    CutMix for segmentation as in French et al., BMVC 2020; between expert and other labels it is what Bai et al.,
    "Bidirectional copy-paste", CVPR 2023, mix. Drawn from torch's global generator.
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
    inside, others = (drawn.to(views.images.device) for drawn in (inside, torch.randperm(count)))

    def mixed(maps: torch.Tensor) -> torch.Tensor:
        return torch.where(inside[:, None] if maps.dim() == 4 else inside, maps[others], maps)

    return Views(*(mixed(getattr(views, field.name)) for field in fields(Views)))
