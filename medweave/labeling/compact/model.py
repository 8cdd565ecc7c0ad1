"""The network of `compact`: a small Sam with a convolutional encoder, box maps and a fine skip.

segment-anything's `Sam`, `PromptEncoder` and `MaskDecoder` keep their calls; what differs lies behind them. The image
embedding carries fine features (half the stride) folded into its channels, and boxes and points also reach the
decoder as maps, so that a small network need not learn from tokens alone where a prompt is.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn
from torch.nn import functional as F

from medweave.compact.encoder import DIM, FINE, SIDE, Block, Encoder

STRIDE = 8


def build_compact(side: int = SIDE) -> Sam:
    """A Sam with random weights for inputs 3x`side`x`side`; its low-resolution masks have half that side.

    The weights do not depend on `side`, so that they can be trained at a smaller one.
    """
    grid = side // STRIDE
    return Sam(
        Encoder(side),
        CompactPromptEncoder(DIM, (grid, grid), (side, side), mask_in_chans=16),
        CompactMaskDecoder(),
        pixel_mean=[0.0, 0.0, 0.0],
        pixel_std=[1.0, 1.0, 1.0],
    )


class CompactPromptEncoder(PromptEncoder):  # type: ignore[misc]
    """segment-anything's prompt encoder, whose dense embeddings also show where boxes and points are."""

    def __init__(self, dim: int, grid: tuple[int, int], input_size: tuple[int, int], mask_in_chans: int) -> None:
        super().__init__(dim, grid, input_size, mask_in_chans)
        self.maps = nn.Sequential(nn.Conv2d(7, 32, 1), nn.GELU(), nn.Conv2d(32, dim, 1))

    def forward(
        self,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sparse BxNxDIM and dense BxDIMxS/8xS/8 embeddings of prompts in pixels of the input.

        Points are BxNx2 with BxN labels (1, 0 or -1: object, background, none), boxes Bx4, masks Bx1xS/2xS/2 logits.
        """
        sparse, dense = super().forward(points, boxes, masks)
        return sparse, dense + self.maps(self.draw(points, boxes, len(sparse)))

    def draw(
        self, points: tuple[torch.Tensor, torch.Tensor] | None, boxes: torch.Tensor | None, count: int
    ) -> torch.Tensor:
        """Bx7xhxw maps: distance within each side of the box and inside it, near positive, near negative points."""
        height, width = self.image_embedding_size
        device = self.no_mask_embed.weight.device
        columns = ((torch.arange(width, device=device) + 0.5) / width).expand(height, width)
        rows = ((torch.arange(height, device=device) + 0.5) / height)[:, None].expand(height, width)
        maps = torch.zeros((count, 7, height, width), device=device)
        scale = torch.tensor([self.input_image_size[1], self.input_image_size[0]], device=device)
        if boxes is not None:
            x0, y0, x1, y1 = (boxes / scale.repeat(2)).float()[:, :, None, None].unbind(1)
            sides = torch.stack([columns - x0, rows - y0, x1 - columns, y1 - rows], dim=1)
            maps[:, :4] = torch.tanh(8 * sides)
            maps[:, 4] = torch.sigmoid(64 * sides.amin(dim=1))
        if points is not None:
            at, labels = (points[0] / scale).float()[..., None, None], points[1][..., None, None]
            near = torch.exp(-((columns - at[:, :, 0]) ** 2 + (rows - at[:, :, 1]) ** 2) / (2 * 0.04**2))
            maps[:, 5] = (near * (labels == 1)).sum(dim=1)
            maps[:, 6] = (near * (labels == 0)).sum(dim=1)
        return maps


class CompactMaskDecoder(MaskDecoder):  # type: ignore[misc]
    """segment-anything's mask decoder for one mask, with convolutions around its transformer and a fine skip."""

    def __init__(self) -> None:
        transformer = TwoWayTransformer(depth=2, embedding_dim=DIM, mlp_dim=2 * DIM, num_heads=4)
        super().__init__(transformer_dim=DIM, transformer=transformer, num_multimask_outputs=0, iou_head_hidden_dim=DIM)
        del self.output_upscaling
        self.mix = nn.Sequential(nn.Conv2d(DIM, 64, 1), Block(64), nn.Conv2d(64, DIM, 1))
        self.coarse = nn.ConvTranspose2d(DIM, FINE, 2, stride=2)
        self.refine = nn.Sequential(nn.ReLU(inplace=True), Block(FINE))
        self.finest = nn.Sequential(nn.ConvTranspose2d(FINE, DIM // 8, 2, stride=2), nn.GELU())

    def predict_masks(
        self,
        image_embeddings: torch.Tensor,
        image_pe: torch.Tensor,
        sparse_prompt_embeddings: torch.Tensor,
        dense_prompt_embeddings: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits Bx1x4hx4w and predicted IoU Bx1 of B prompts, for one embedding or for B of them."""
        count = len(sparse_prompt_embeddings)
        learned = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([learned.expand(count, -1, -1), sparse_prompt_embeddings], dim=1)
        embedding, fine = image_embeddings[:, :DIM], image_embeddings[:, DIM:]
        source = embedding + dense_prompt_embeddings
        source = source + self.mix(source)
        height, width = source.shape[-2:]
        tokens, source = self.transformer(source, image_pe.expand(count, -1, -1, -1), tokens)
        source = source.transpose(1, 2).reshape(count, DIM, height, width)
        detailed = self.finest(self.refine(self.coarse(source) + F.pixel_shuffle(fine, 2)))
        kernel = self.output_hypernetworks_mlps[0](tokens[:, 1])
        logits = torch.einsum("bc,bchw->bhw", kernel, detailed)
        return logits[:, None], self.iou_prediction_head(tokens[:, 0])
