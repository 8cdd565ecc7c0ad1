"""The built-in segmentation network: the promptable model's encoder, and a small decoder without prompts."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from medweave.compact.encoder import DIM, FINE, Block, Encoder

LEAST_DEVIATION = 1e-3


class Compact(nn.Module):
    """4 million parameters; group normalisation only, so that small batches and single images do as well."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.mix = Block(DIM)
        self.coarse = nn.ConvTranspose2d(DIM, FINE, 2, stride=2)
        self.refine = nn.Sequential(nn.ReLU(inplace=True), Block(FINE))
        self.finest = nn.Sequential(nn.ConvTranspose2d(FINE, DIM // 8, 2, stride=2), nn.GELU())
        self.head = nn.Conv2d(DIM // 8, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Bx3xSxS float32 of any scale, S a multiple of 32, to BxCxSxS logits; each channel is standardised first."""
        deviation, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
        embedding = self.encoder((images - mean) / (deviation + LEAST_DEVIATION))
        merged, fine = embedding[:, :DIM], embedding[:, DIM:]
        detailed = self.finest(self.refine(self.coarse(self.mix(merged)) + F.pixel_shuffle(fine, 2)))
        return F.interpolate(self.head(detailed), scale_factor=2, mode="bilinear", align_corners=False)
