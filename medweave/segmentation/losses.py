"""What training minimises: on expert labels, on labels that may be wrong, and on what a teacher saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medweave.segmentation.segmenter import foreground

if TYPE_CHECKING:
    import torch


def label_loss(
    logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor, noise: float = 0.0, present_only: bool = False
) -> torch.Tensor:
    """Cross-entropy + (1 - soft Dice averaged over classes) of each image: B.

    `logits` BxCxSxS of the foreground classes, `masks` BxSxS int class maps, `weights` BxSxS say how much a pixel
    counts, 0..1. With `noise` q > 0 the cross-entropy is the generalised one, (1 - p^q) / q (Zhang & Sabuncu, NeurIPS
    2018), which a wrong label pulls at less: q = 1 is the mean absolute error. Soft Dice as in Milletari et al. 2016
    (V-Net) with linear denominators; a class that an image lacks has a Dice loss only through what is predicted of it,
    and none at all with `present_only`, for masks that are known to miss objects. Pixels of weight 0 count in neither;
    an image without others has a loss of 0.
    """
    import torch
    from torch.nn import functional

    full = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    entropy = functional.cross_entropy(full, masks.long(), reduction="none")
    if noise:
        entropy = (1 - torch.exp(-noise * entropy)) / noise
    truth = functional.one_hot(masks.long(), full.shape[1]).permute(0, 3, 1, 2)[:, 1:].to(full.dtype)
    predicted, shared = foreground(logits), weights[:, None]
    overlap = (shared * predicted * truth).sum(dim=(2, 3))
    sizes = (shared * (predicted + truth)).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + SMOOTH) / (sizes + SMOOTH)
    if present_only:
        dice = dice * (shared * truth).any(dim=(2, 3))
    loss: torch.Tensor = (weights * entropy).mean(dim=(1, 2)) + weights.mean(dim=(1, 2)) * dice.mean(dim=1)
    return loss


SMOOTH = 1e-5
"""Pixels added to both sides of soft Dice: an empty prediction of an empty class is right."""
