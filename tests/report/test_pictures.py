"""Pictures: outlines lie on the mask's edge, sizes are right, data URIs decode."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from medweave.report.pictures import (
    PROMPT,
    Stroke,
    data_uri,
    layer_stroke,
    thumbnail,
    with_contours,
    with_heat,
    with_prompts,
)

RED = Stroke((255, 0, 0))


def black(height=256, width=256):
    return np.zeros((height, width, 3), np.uint8)


def square(size, low, high):
    mask = np.zeros((size, size), np.uint8)
    mask[low:high, low:high] = 1
    return mask


def decoded(uri):
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body, validate=True))))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 256), (256, 128)),
        ((337, 512), (168, 256)),
        ((64, 64), (256, 256)),
        ((1, 4000), (1, 256)),
        ((3, 1), (256, 85)),
    ],
)
def test_thumbnail_has_a_longer_side_of_256(size, expected):
    assert thumbnail(black(*size)).shape == (*expected, 3)


def test_thumbnail_is_a_copy_and_takes_read_only_views():
    image = np.full((256, 512, 3), 7, np.uint8)[:, ::2]
    image.flags.writeable = False
    small = thumbnail(image)
    small[:] = 9
    assert (image == 7).all()


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_outline_lies_on_the_edge_of_the_mask_whatever_its_size(size):
    quarter = size // 4
    drawn = with_contours(black(), square(size, quarter, 3 * quarter), {1: RED})
    red = drawn[..., 0] > 200
    rows, columns = np.nonzero(red)
    # The square spans [64, 192) of 256 pixels; its outermost pixels are centred half an original pixel inside.
    inset = 0.5 * 256 / size
    for low, high in ((rows.min(), rows.max()), (columns.min(), columns.max())):
        assert abs(low - (64 + inset - 0.5)) <= 2
        assert abs(high - (192 - inset - 0.5)) <= 2
    middle = red[128]
    assert middle.any() and not middle[70:186].any()
    assert not drawn[100:156, 100:156].any()
    assert not drawn[:50].any()


def test_outlines_follow_the_class_and_leave_the_original_alone():
    mask = square(256, 20, 60) + 2 * square(256, 150, 200)
    image = black()
    drawn = with_contours(image, mask, {1: RED, 2: Stroke((0, 0, 255))})
    assert drawn[20, 40].tolist() == [255, 0, 0]
    assert drawn[150, 175].tolist() == [0, 0, 255]
    assert not image.any()
    assert not with_contours(image, mask, {3: RED}).any()


def test_holes_are_outlined():
    mask = square(256, 40, 216) - square(256, 100, 156)
    drawn = with_contours(black(), mask, {1: RED})
    assert (drawn[96:104, 128, 0] > 200).any()


def test_a_single_pixel_shows():
    mask = np.zeros((256, 256), np.uint8)
    mask[80, 90] = 1
    assert with_contours(black(), mask, {1: RED})[80, 90, 0] > 150


def test_dashes_cut_the_line_in_the_stated_proportion():
    mask = square(256, 28, 228)
    solid = (with_contours(black(), mask, {1: RED})[28, 32:224, 0] > 128).mean()
    dashed = with_contours(black(), mask, {1: Stroke((255, 0, 0), (12, 12))})[28, 32:224, 0] > 128
    assert solid == 1.0
    assert 0.4 <= dashed.mean() <= 0.8
    assert np.count_nonzero(np.diff(dashed.astype(int))) == pytest.approx(2 * 192 / 24, abs=2)


def test_outlines_show_on_white_by_their_darker_rim():
    drawn = with_contours(np.full((256, 256, 3), 255, np.uint8), square(256, 64, 192), {1: Stroke((255, 255, 255))})
    assert drawn[60:70, 128].min() < 170


def test_heat_leaves_improbable_pixels_alone_and_survives_nan():
    image = np.full((100, 100, 3), 90, np.uint8)
    probability = np.zeros((10, 10), np.float32)
    probability[:, 6:] = 1.0
    probability[0, 0] = np.nan
    drawn = with_heat(image, probability)
    assert (drawn[20:80, 5:40] == 90).all()
    assert (drawn[:3, :3] == 90).all()
    red, green, blue = drawn[50, 85].tolist()
    assert min(red, green) > 200 and min(red, green) > blue > 90, "the top of the inferno scale is light yellow"


def test_heat_marks_where_the_probability_crosses_one_half():
    ramp = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (101, 1))
    drawn = with_heat(np.zeros((101, 101, 3), np.uint8), ramp)
    assert drawn[50, 49:53].min(axis=1).max() > 240


def test_prompts_are_drawn_where_they_are():
    drawn = with_prompts(
        black(), (512, 512), [(100.0, 200.0, 300.0, 400.0)], [(60.0, 60.0, True), (450.0, 60.0, False)]
    )
    colour = np.array(PROMPT.colour)
    for y, x in ((100, 100), (200, 100), (150, 50), (150, 150)):
        window = drawn[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3)
        assert (np.abs(window.astype(int) - colour).max(axis=1) < 30).any()
    assert not drawn[150, 100].any()
    assert drawn[30 - 4, 30 + 4].tolist() == list(PROMPT.colour)
    assert drawn[30, 225 - 5].min() > 200, "a negative point is white"


def test_a_box_on_the_border_stays_visible():
    drawn = with_prompts(black(), (256, 256), [(-5.0, -5.0, 300.0, 300.0)], [])
    assert drawn[1, 128, 1] > 200 and drawn[254, 128, 1] > 200


def test_data_uri_decodes_to_the_picture():
    image = np.dstack([*np.meshgrid(np.arange(120), np.arange(80)), np.full((80, 120), 200)]).astype(np.uint8)
    back = decoded(data_uri(image))
    assert back.shape == (80, 120, 3)
    assert np.abs(back.astype(int) - image).mean() < 3


def test_layers_differ_by_more_than_colour():
    strokes = [layer_stroke(name, 1, 1) for name in ("gold", "prediction", "baseline")]
    assert len({stroke.dash for stroke in strokes}) == 3
    assert layer_stroke("gold", 1, 1).css == "#ffd60a"
    two = [layer_stroke("prediction", value, 2) for value in (1, 2)]
    assert two[0].colour != two[1].colour and two[0].dash == two[1].dash
