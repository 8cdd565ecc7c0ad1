"""A small Sam with random weights, an image, and a process of one thread."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

SIDE = 80


def make_sam(seed=0, dim=32):
    """5x5 tokens in windows of 2x2, which therefore are padded, and one global layer."""
    torch.manual_seed(seed)
    encoder = ImageEncoderViT(
        img_size=SIDE, patch_size=16, embed_dim=32, depth=2, num_heads=2, out_chans=dim, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=2, global_attn_indexes=(1,),
    )  # fmt: skip
    prompts = PromptEncoder(
        embed_dim=dim, image_embedding_size=(SIDE // 16,) * 2, input_image_size=(SIDE, SIDE), mask_in_chans=4
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=32, num_heads=2)
    decoder = MaskDecoder(transformer_dim=dim, transformer=transformer, iou_head_hidden_dim=16)
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        torch.nn.init.normal_(parameter, std=0.3 if parameter.dim() > 1 else 0.1)
    return Sam(encoder, prompts, decoder).eval()


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Networks this small spend all their time waiting for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def new_sam():
    return make_sam


@pytest.fixture(scope="package")
def sam():
    return make_sam()


@pytest.fixture(scope="package")
def image():
    """96 wide, 56 high: wider than the input."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    return cv2.resize(noise, (96, 56), interpolation=cv2.INTER_CUBIC)
