"""Random changes of training images and masks, with torchvision's transforms v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medweave.config import Augmentation

if TYPE_CHECKING:
    import torch


class Augmenter:
    """Flips, affine maps, brightness and contrast, drawn anew for each image from torch's global generator."""

    def __init__(self, settings: Augmentation) -> None:
        import torch
        from torchvision.transforms import v2
        from torchvision.tv_tensors import Mask

        steps: list[Any] = []
        if settings.flip_horizontal:
            steps.append(v2.RandomHorizontalFlip())
        if settings.flip_vertical:
            steps.append(v2.RandomVerticalFlip())
        steps.append(
            v2.RandomAffine(
                degrees=settings.rotation,
                translate=(settings.translation, settings.translation),
                scale=settings.scale,
                interpolation=v2.InterpolationMode.BILINEAR,
                fill={torch.Tensor: 0, Mask: 0},
            )
        )
        steps.append(v2.ColorJitter(brightness=settings.brightness, contrast=settings.contrast))
        self._transform = v2.Compose(steps)

    def __call__(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Bx3xSxS uint8 images and BxSxS uint8 masks to the same shapes, changed."""
        import torch
        from torchvision.tv_tensors import Image, Mask

        pairs = [self._transform(Image(image), Mask(mask[None])) for image, mask in zip(images, masks, strict=True)]
        changed = torch.stack([pair[0].as_subclass(torch.Tensor) for pair in pairs])
        return changed, torch.cat([pair[1].as_subclass(torch.Tensor) for pair in pairs])
