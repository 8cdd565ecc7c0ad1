"""What the masks of a network are trained by."""

from __future__ import annotations

import torch
from torch.nn import functional


def mask_loss(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy + (1 - soft Dice), the mean over masks; BxHxW log odds and shares of object, 0..1.

    Soft Dice as in Milletari et al. 2016 (V-Net), with linear denominators.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, shares)
    probabilities = logits.sigmoid()
    common, sizes = (probabilities * shares).sum(dim=(1, 2)), (probabilities + shares).sum(dim=(1, 2))
    return entropy + (1 - (2 * common + 1) / (sizes + 1)).mean()
