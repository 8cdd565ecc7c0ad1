"""The convolutional encoder that medweave's built-in networks share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

SIDE = 256
DIM = 128
FINE = 32


class Block(nn.Module):
    """Residual block of two 3x3 convolutions (He et al., 2016) with group normalisation, size kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.GroupNorm(8, channels)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(8, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """BxCxHxW to BxCxHxW."""
        return F.relu(x + self.layers(x))


def _down(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    """Strided convolution with normalisation."""
    kernel, padding = (3, 1) if stride == 2 else (7, 3)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, outputs), nn.ReLU(inplace=True))


class Encoder(nn.Module):
    """3xSxS image to (DIM + 4 FINE) x S/8 x S/8: a convolutional pyramid, attention at its top, merged downwards."""

    def __init__(self, img_size: int = SIDE, widths: tuple[int, int, int, int] = (32, 80, 160, 256)) -> None:
        super().__init__()
        self.img_size = img_size
        self.stem = nn.Sequential(_down(3, widths[0], stride=4), Block(widths[0]))
        self.stage8 = nn.Sequential(_down(widths[0], widths[1]), Block(widths[1]), Block(widths[1]))
        self.stage16 = nn.Sequential(_down(widths[1], widths[2]), *(Block(widths[2]) for _ in range(3)))
        self.stage32 = _down(widths[2], widths[3])
        attention = nn.TransformerEncoderLayer(
            widths[3], 8, 2 * widths[3], dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.attention = nn.TransformerEncoder(attention, 2, enable_nested_tensor=False)
        self.position = nn.Parameter(0.02 * torch.randn(1, widths[3], 8, 8))
        self.lateral = nn.ModuleList(nn.Conv2d(width, DIM, 1) for width in widths[1:])
        self.merged16, self.merged8 = Block(DIM), Block(DIM)
        self.fine = nn.Conv2d(widths[0], FINE, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Bx3xSxS, standardised, to Bx(DIM + 4 FINE)xS/8xS/8."""
        x = x.contiguous(memory_format=torch.channels_last)
        quarter = self.stem(x)
        eighth = self.stage8(quarter)
        sixteenth = self.stage16(eighth)
        top = self.stage32(sixteenth)
        top = top + F.interpolate(self.position, top.shape[-2:], mode="bilinear", align_corners=False)
        tokens = self.attention(top.flatten(2).transpose(1, 2))
        top = tokens.transpose(1, 2).reshape(top.shape)
        merged = self.merged16(self.lateral[1](sixteenth) + _twice(self.lateral[2](top)))
        merged = self.merged8(self.lateral[0](eighth) + _twice(merged))
        return torch.cat([merged, F.pixel_unshuffle(self.fine(quarter), 2)], dim=1)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
