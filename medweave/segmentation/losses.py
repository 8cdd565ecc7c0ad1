"""What training minimises: on expert labels, on labels that may be wrong, and on what a teacher saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medweave.segmentation.segmenter import foreground

if TYPE_CHECKING:
    import torch


def label_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    noise: float | torch.Tensor = 0.0,
    present_only: bool = False,
) -> torch.Tensor:
    """Cross-entropy + (1 - soft Dice averaged over classes) of each image: B.

    `logits` and `targets`, probabilities 0..1, are BxCxSxS of the foreground classes; `weights` BxSxS say how much a
    pixel counts, 0..1. Where `noise`, a number or BxSxS, is q > 0, the cross-entropy is the generalised one,
    (1 - p^q) / q (Zhang & Sabuncu, NeurIPS 2018), which a wrong label pulls at less: q = 1 is the mean absolute error.
    Soft Dice as in Milletari et al. 2016 (V-Net) with linear denominators; a class that an image lacks has a Dice loss
    only through what is predicted of it, and none at all with `present_only`, for targets that are known to miss
    objects. Pixels of weight 0 count in neither; an image without others has a loss of 0.
    """
    import torch

    full = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    truth = torch.cat([1 - targets.sum(dim=1, keepdim=True), targets], dim=1)
    surprise = -full.log_softmax(dim=1)
    exponents = torch.as_tensor(noise, device=logits.device).expand_as(weights)[:, None]
    robust = (1 - torch.exp(-exponents * surprise)) / exponents.clamp_min(1e-6)
    entropy = (truth * torch.where(exponents > 0, robust, surprise)).sum(dim=1)
    predicted, shared = foreground(logits), weights[:, None]
    overlap = (shared * predicted * targets).sum(dim=(2, 3))
    sizes = (shared * (predicted + targets)).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + SMOOTH) / (sizes + SMOOTH)
    if present_only:
        dice = dice * (shared * targets).any(dim=(2, 3))
    loss: torch.Tensor = (weights * entropy).mean(dim=(1, 2)) + weights.mean(dim=(1, 2)) * dice.mean(dim=1)
    return loss


def one_hot(masks: torch.Tensor, classes: int) -> torch.Tensor:
    """Class maps BxSxS to BxCxSxS float32, 1 where a pixel is of the foreground class."""
    import torch

    return (masks[:, None] == torch.arange(1, classes + 1, device=masks.device)[:, None, None]).float()


SMOOTH = 1e-5
"""Pixels added to both sides of soft Dice: an empty prediction of an empty class is right."""
