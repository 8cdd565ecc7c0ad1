import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from medweave.labeling.sam.frames import Frame
from medweave.labeling.sam.resampling import VISIBLE, downscale, upscale

LOW, SIDE = 16, 64


def whole(frame, shape, logits, as_logits):
    """The upscaled mask put where it belongs in the image."""
    (x0, y0, x1, y1), part = upscale(logits, frame, shape, SIDE, as_logits)
    full = np.zeros(shape, np.float32)
    full[y0:y1, x0:x1] = part
    return full


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 150), st.integers(20, 150), st.integers(0, 99))
def test_sams_way_of_upscaling(height, width, seed):
    scale = SIDE / max(height, width)
    input_size = int(height * scale + 0.5), int(width * scale + 0.5)
    logits = 4 * torch.randn(LOW, LOW, generator=torch.Generator().manual_seed(seed))
    via = interpolate(logits[None, None], (SIDE, SIDE), mode="bilinear")[..., : input_size[0], : input_size[1]]
    expected = interpolate(via, (height, width), mode="bilinear")[0, 0].sigmoid().numpy()
    found = whole(Frame((0, 0, width, height), input_size), (height, width), logits, True)
    np.testing.assert_allclose(found, expected, atol=max(1e-5, VISIBLE))
    seen = found > 0
    np.testing.assert_allclose(found[seen], expected[seen], atol=1e-5)


def test_probabilities_are_upscaled_at_once():
    logits = torch.linspace(-1, 3, LOW * LOW).reshape(LOW, LOW)
    expected = interpolate(logits.sigmoid()[None, None], (40, 90), mode="bilinear")[0, 0]
    found = whole(Frame((0, 0, 90, 40), (SIDE, SIDE)), (40, 90), logits, False)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_window_beyond_the_image_keeps_to_the_image():
    logits = torch.full((LOW, LOW), 9.0)
    frame = Frame((-10, 20, 54, 84), (SIDE, SIDE))
    window, part = upscale(logits, frame, (60, 40), SIDE, False)
    assert window == (0, 20, 40, 60) and part.shape == (40, 40) and (part > 0.99).all()


def test_only_where_there_is_something_is_upscaled():
    logits = torch.full((LOW, LOW), -9.0)
    logits[4:6, 8:12] = 9.0
    window, part = upscale(logits, Frame((0, 0, 160, 160), (SIDE, SIDE)), (160, 160), SIDE, False)
    assert window == (75, 35, 125, 65)  # pixels (40..60, 80..120) and half a low-resolution pixel around them
    assert part.shape == (30, 50) and float(part[15, 25]) > 0.99


@pytest.mark.parametrize("as_logits", [True, False])
def test_not_a_number_stays_not_a_number(as_logits):
    logits = torch.full((LOW, LOW), -9.0)
    logits[3, 3] = torch.nan
    assert np.isnan(whole(Frame((0, 0, 50, 50), (SIDE, SIDE)), (50, 50), logits, as_logits)).any()


def test_the_share_that_is_object():
    mask = np.zeros((32, 32), np.uint8)
    mask[0:3, 0:2] = 1
    shares = downscale(mask, Frame((0, 0, 32, 32), (SIDE, SIDE)), SIDE, LOW)  # 2 x 2 pixels each
    assert shares.shape == (LOW, LOW) and shares.dtype == np.float32
    assert shares[0, 0] == 1 and shares[1, 0] == 0.5 and shares.sum() == 1.5


def test_the_share_of_a_window_and_of_padding():
    mask = np.ones((8, 8), np.uint8)
    shares = downscale(mask, Frame((-8, 0, 8, 16), (SIDE, SIDE)), SIDE, LOW)  # a pixel each
    assert (shares[:8, 8:] == 1).all() and shares.sum() == 64
    padded = downscale(mask, Frame((0, 0, 8, 8), (SIDE, SIDE // 2)), SIDE, LOW)  # the right half is padding
    assert (padded[:, :8] == 1).all() and (padded[:, 8:] == 0).all()


def test_what_is_small_grows_into_equal_blocks():
    mask = np.zeros((8, 8), np.uint8)
    mask[3, 5] = 1
    shares = downscale(mask, Frame((0, 0, 8, 8), (SIDE, SIDE)), SIDE, LOW)
    assert (shares[6:8, 10:12] == 1).all() and shares.sum() == 4


def test_a_mirrored_frame_is_mirrored_both_ways():
    mask = np.zeros((32, 32), np.uint8)
    mask[4:10, 2:8] = 1
    plain, mirrored = Frame((0, 0, 32, 32), (SIDE, SIDE)), Frame((0, 0, 32, 32), (SIDE, SIDE), mirrored=True)
    shares = downscale(mask, mirrored, SIDE, LOW)
    np.testing.assert_array_equal(shares, downscale(mask[:, ::-1], plain, SIDE, LOW))
    logits = torch.logit(torch.from_numpy(shares), 1e-4)
    np.testing.assert_array_equal(whole(mirrored, (32, 32), logits, False) > 0.5, mask == 1)


def test_up_and_down_again():
    rows, columns = np.ogrid[:120, :90]
    disc = ((rows - 60) ** 2 + (columns - 40) ** 2 < 30**2).astype(np.uint8)
    frame = Frame((0, 0, 90, 120), (SIDE, SIDE * 3 // 4))
    shares = torch.from_numpy(downscale(disc, frame, SIDE, LOW))
    back = whole(frame, (120, 90), torch.logit(shares, 1e-4), True) > 0.5
    assert 2 * (back & (disc == 1)).sum() / (back.sum() + disc.sum()) > 0.97
