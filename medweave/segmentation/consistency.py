"""Images without a trusted label: what a teacher sees on a plain view, the student learns on a disturbed one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medweave.segmentation.losses import label_loss, one_hot

if TYPE_CHECKING:
    import torch

    from medweave.segmentation.views import Views


def teach(views: Views, probabilities: torch.Tensor, confidence: float) -> Views:
    """The views with what a teacher says of them: the likeliest class where its probability reaches `confidence`.

    `probabilities` are BxCxSxS of the foreground classes.
    """
    import torch

    full = torch.cat([1 - probabilities.sum(dim=1, keepdim=True), probabilities], dim=1)
    likeliest = full.max(dim=1)
    taught = one_hot(likeliest.indices, probabilities.shape[1])
    return replace(views, taught=taught, sure=(likeliest.values >= confidence).float())


def ramp(step: int, steps: int, share: float) -> float:
    """How much the teacher counts: from 0 to 1 over the first `share` of the steps, as exp(-5 (1 - t)^2).

    Laine & Aila, "Temporal ensembling", ICLR 2017.
    """
    import math

    over = min(1.0, step / max(1.0, share * steps))
    return math.exp(-5 * (1 - over) ** 2)


def consistency_loss(logits: torch.Tensor, views: Views) -> torch.Tensor:
    """Mean over images of the loss against what the teacher was sure of, as far as nothing else says it already.

    `logits` BxCxSxS are the student's. A teacher of a few labels rather misses an object than makes one up, so that a
    class that it does not see is no reason to see less of it: soft Dice is taken of the classes it sees.
    """
    return label_loss(logits, views.taught, views.sure * (1 - views.trust), present_only=True).mean()
