import copy
from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from medweave.labeling.sam import attention
from medweave.labeling.sam.attention import FastEncoder, attend


def encoder(side, window, heads=2, head_dim=8, depth=2):
    torch.manual_seed(3)
    made = ImageEncoderViT(
        img_size=side, patch_size=16, embed_dim=heads * head_dim, depth=depth, num_heads=heads, out_chans=16,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=window,
        global_attn_indexes=(depth - 1,),
    )  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.mark.parametrize(("side", "window"), [(64, 2), (80, 2), (112, 3), (112, 14)])
@pytest.mark.parametrize("piece", [7, 50, 1 << 20])
def test_the_fast_encoder_computes_what_segment_anythings_does(monkeypatch, side, window, piece):
    monkeypatch.setattr(attention, "PIECE", piece)  # smaller than a row of scores, a few rows, all heads at once
    slow = encoder(side, window)
    images = torch.randn(3, 3, side, side)
    with torch.no_grad():
        expected = slow(images)
        found = FastEncoder(copy.deepcopy(slow), torch.float32)(images)
    assert found.dtype == torch.float32 and found.shape == expected.shape
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_bfloat16_errs_no_more_than_autocast_does():
    slow = encoder(112, 3, depth=4)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        expected = slow(images)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = slow(images).float()
        found = FastEncoder(slow, torch.bfloat16)(images)
    assert found.dtype == torch.float32 and not torch.equal(found, expected)
    assert (found - expected).square().mean() < 1.5 * (mixed - expected).square().mean()


def test_images_in_a_batch_do_not_see_each_other():
    fast = FastEncoder(encoder(80, 2), torch.float32)
    images = torch.randn(4, 3, 80, 80)
    with torch.no_grad():
        singles = torch.cat([fast(image[None]) for image in images])
        torch.testing.assert_close(fast(images), singles, atol=1e-5, rtol=1e-5)


def test_attention_in_pieces_is_torchs_own():
    queries, keys, values = torch.randn(5, 9, 6), torch.randn(5, 9, 6), torch.randn(5, 9, 4)
    expected = torch.softmax(torch.einsum("nqd,nkd->nqk", queries, keys), dim=-1) @ values
    torch.testing.assert_close(attend(queries, keys, values), expected)
    fused = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
    torch.testing.assert_close(fused, expected)
