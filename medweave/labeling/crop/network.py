"""The network of `crop`: a small residual U-Net that corrects the ellipse inscribed in the box."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

CHANNELS = (32, 64, 128, 192)
PRIOR = 1.0
"""Log odds in the ellipse's centre before the network has learned anything."""


class CropNetwork(nn.Module):
    """From views Bx4xSxS to log odds BxCxSxS of the object in the box, for each of C classes that it may be of.

    S is a multiple of 16. The network works at half of that size and starts out as the ellipse.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, *deeper = CHANNELS
        pairs = list(zip(CHANNELS, deeper, strict=False))
        self.stem = nn.Sequential(nn.Conv2d(4, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU())
        self.encoders = nn.ModuleList([_Residual(first, first), *(_Residual(a, b, 2) for a, b in pairs)])
        self.laterals = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.decoders = nn.ModuleList(_Residual(a, a) for a, _ in pairs)
        self.head = nn.Conv2d(first, classes, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """See the class."""
        features = self.stem(views)
        levels = []
        for encoder in self.encoders:
            features = encoder(features)
            levels.append(features)
        for index in reversed(range(len(self.decoders))):
            upwards = functional.interpolate(self.laterals[index](features), scale_factor=2.0)
            features = self.decoders[index](levels[index] + upwards)
        corrections = functional.interpolate(self.head(features).float(), scale_factor=2.0, mode="bilinear")
        return PRIOR * views[:, 3:] + corrections


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a 1x1 one (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.shortcut(features) + self.convolutions(features))
