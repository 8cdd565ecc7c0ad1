"""segment-anything's image encoder, computed faster from the same weights.

- The relative position bias (ViTDet, Li et al., 2022) is folded into the product of queries and keys: with
  q' = [q * scale, q @ Rh, q @ Rw] and k' = [k, onehot(row), onehot(column)], q' @ k' = q @ k * scale + bias exactly.
  So the bias is never a tensor of its own, and fused attention needs no mask.
- A CPU makes the scores in pieces that stay in its cache; other devices use `scaled_dot_product_attention`.
- Tokens that only pad a window cost no linear layer: they are zero, so their queries, keys and values are the bias.
- Weights are converted to the precision once; norms, and the sum that runs through the blocks, stay float32.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.image_encoder import Attention, Block, get_rel_pos
from torch import Tensor, nn
from torch.nn import functional

PIECE = 1 << 20
"""Attention scores that a CPU makes at a time: 2 MB in bfloat16."""


class FastEncoder(nn.Module):
    """Gives what the ImageEncoderViT gives that it is made from, whose layers it takes over and converts to `dtype`."""

    def __init__(self, encoder: ImageEncoderViT, dtype: torch.dtype) -> None:
        super().__init__()
        self.img_size: int = encoder.img_size
        self.patches, self.position, self.neck = encoder.patch_embed.proj, encoder.pos_embed, encoder.neck
        side = self.img_size // self.patches.stride[0]
        self.blocks = nn.ModuleList(FastBlock(block, side) for block in encoder.blocks)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d, RelativePosition)):
                module.to(dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Features BxCxhxw float32 of images Bx3xSxS float32."""
        batch, channels, side, _ = images.shape
        size = self.patches.stride[0]
        grid = images.view(batch, channels, side // size, size, side // size, size)
        pixels = grid.permute(0, 2, 4, 1, 3, 5).flatten(3)
        tokens = _linear(self.patches, pixels).float() + self.position
        for block in self.blocks:
            tokens = block(tokens)
        reduce, norm, mix, last_norm = self.neck
        tokens = _norm(norm, _linear(reduce, tokens))
        mixed: Tensor = mix(tokens.to(mix.weight.dtype).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return _norm(last_norm, mixed).permute(0, 3, 1, 2).contiguous()


class FastBlock(nn.Module):
    """A block of the encoder: attention and perceptron on tokens BxHxWxC float32, each added to what came in."""

    def __init__(self, block: Block, side: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp
        self.attention = FastAttention(block.attn, block.window_size or side)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens BxHxWxC float32."""
        tokens = tokens + self.attention(self.norm1(tokens))
        hidden = self.mlp.act(_linear(self.mlp.lin1, self.norm2(tokens)))
        return tokens + _linear(self.mlp.lin2, hidden)


class FastAttention(nn.Module):
    """Attention within windows of `window` x `window` tokens; a window as large as the input is global attention."""

    def __init__(self, attention: Attention, window: int) -> None:
        super().__init__()
        self.qkv, self.proj = attention.qkv, attention.proj
        self.heads, self.window = attention.num_heads, window
        self.position = RelativePosition(attention, window)

    def forward(self, tokens: Tensor) -> Tensor:
        """What the attention adds to tokens BxHxWxC."""
        batch, height, width, channels = tokens.shape
        rows, columns, side = -(-height // self.window), -(-width // self.window), self.window
        padded = self.qkv.bias.expand(batch, rows * side, columns * side, -1).clone()
        padded[:, :height, :width] = _linear(self.qkv, tokens)
        split = padded.view(batch, rows, side, columns, side, 3, self.heads, -1).permute(5, 0, 1, 3, 6, 2, 4, 7)
        queries, keys, values = split.reshape(3, -1, side * side, channels // self.heads)
        queries, keys = self.position(queries, keys)
        attended = attend(queries, keys, values)
        merged = attended.view(batch, rows, columns, self.heads, side, side, -1).permute(0, 1, 4, 2, 5, 3, 6)
        whole = merged.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]
        return _linear(self.proj, whole)


class RelativePosition(nn.Module):
    """Puts scale and relative position bias into queries and keys, both Nx(side*side)xD; see the module's text."""

    down: Tensor
    across: Tensor
    place: Tensor

    def __init__(self, attention: Attention, side: int) -> None:
        super().__init__()
        self.scale, self.side = attention.scale, side
        self.register_buffer("down", get_rel_pos(side, side, attention.rel_pos_h.detach()).mT.clone())
        self.register_buffer("across", get_rel_pos(side, side, attention.rel_pos_w.detach()).mT.clone())
        eye = torch.eye(side)
        self.register_buffer("place", torch.cat([eye.repeat_interleave(side, 0), eye.repeat(side, 1)], dim=1))

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys, both Nx(side*side)x(D+2*side)."""
        grid = queries.view(len(queries), self.side, self.side, -1)
        down = torch.einsum("nhwd,hdk->nhwk", grid, self.down)
        across = torch.einsum("nhwd,wdk->nhwk", grid, self.across)
        queries = torch.cat([grid * self.scale, down, across], dim=-1).flatten(1, 2)
        return queries, torch.cat([keys, self.place.expand(len(keys), -1, -1)], dim=-1)


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q @ k) @ v for queries and keys NxLxD and values NxLxE: NxLxE."""
    if queries.device.type == "cpu":
        attended: Tensor = _attend_in_pieces(queries, keys, values)
        return attended
    return functional.scaled_dot_product_attention(queries[None], keys[None], values[None], scale=1.0)[0]


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _attend_in_pieces(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    count, length, _ = queries.shape
    heads, rows = max(1, PIECE // length**2), max(1, PIECE // length)
    attended, keys = torch.empty_like(values), keys.mT.contiguous()
    for head in range(0, count, heads):
        part = slice(head, head + heads)
        for row in range(0, length, rows):
            scores = queries[part, row : row + rows] @ keys[part]
            attended[part, row : row + rows] = scores.softmax(dim=-1) @ values[part]
    return attended


def _linear(layer: nn.Linear | nn.Conv2d, tokens: Tensor) -> Tensor:
    """A layer that mixes channels (the last dimension), in the layer's own precision."""
    return functional.linear(tokens.to(layer.weight.dtype), layer.weight.flatten(1), layer.bias)


def _norm(norm: LayerNorm2d, tokens: Tensor) -> Tensor:
    """segment-anything's LayerNorm2d, over channels that come last."""
    weight: Tensor = norm.weight
    return functional.layer_norm(tokens.float(), weight.shape, weight, norm.bias, norm.eps)
