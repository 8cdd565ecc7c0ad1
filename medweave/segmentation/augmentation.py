"""Random changes of training images and masks, with torchvision's transforms v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medweave.config import Augmentation

if TYPE_CHECKING:
    import torch


class Augmenter:
    """Changes drawn anew for each image from torch's global generator."""

    def __init__(self, settings: Augmentation) -> None:
        import torch
        from torchvision.transforms import v2
        from torchvision.tv_tensors import Mask

        moves: list[Any] = []
        if settings.flip_horizontal:
            moves.append(v2.RandomHorizontalFlip())
        if settings.flip_vertical:
            moves.append(v2.RandomVerticalFlip())
        moves.append(
            v2.RandomAffine(
                degrees=settings.rotation,
                translate=(settings.translation, settings.translation),
                scale=settings.scale,
                interpolation=v2.InterpolationMode.BILINEAR,
                fill={torch.Tensor: 0, Mask: 0},
            )
        )
        self._moves = v2.Compose(moves)
        self._light = v2.ColorJitter(brightness=settings.brightness, contrast=settings.contrast)
        jitter = v2.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.1)
        blur = v2.GaussianBlur(5, sigma=(0.3, 2.0))
        self._disturbance = v2.Compose([v2.RandomApply([jitter], p=0.8), v2.RandomApply([blur], p=0.5)])

    def move(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Flips and affine maps: Bx3xSxS uint8 images and BxSxS uint8 masks to the same shapes, moved together."""
        import torch
        from torchvision.tv_tensors import Image, Mask

        pairs = [self._moves(Image(image), Mask(mask[None])) for image, mask in zip(images, masks, strict=True)]
        moved = torch.stack([pair[0].as_subclass(torch.Tensor) for pair in pairs])
        return moved, torch.cat([pair[1].as_subclass(torch.Tensor) for pair in pairs])

    def light(self, images: torch.Tensor) -> torch.Tensor:
        """Brightness and contrast of Bx3xSxS uint8 images, as the settings say."""
        return _each(self._light, images)

    def disturb(self, images: torch.Tensor) -> torch.Tensor:
        """Strong changes of brightness, contrast, colour and sharpness of Bx3xSxS uint8 images.

        Strengths as in UniMatch (Yang et al., CVPR 2023), with less change of hue.
        """
        return _each(self._disturbance, images)


def _each(change: Any, images: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.stack([change(image) for image in images]) if len(images) else images
