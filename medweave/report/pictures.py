"""Small pictures of one image: outlines of its masks, probabilities, prompts, as data URIs that need no file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

SIDE = 256
JPEG_QUALITY = 82

_HALO: Colour = (12, 14, 18)
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Stroke:
    """How an outline is drawn: RGB colour, and (on, off) lengths in pixels of a dash, or None for a solid line."""

    colour: Colour
    dash: tuple[int, int] | None = None

    @property
    def css(self) -> str:
        """The colour as #rrggbb."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


_YELLOW, _CYAN, _MAGENTA = (255, 214, 10), (64, 224, 255), (255, 120, 220)
_LAYERS: Mapping[str, Stroke] = {
    "gold": Stroke(_YELLOW),
    "truth": Stroke(_YELLOW),
    "mask": Stroke(_CYAN),
    "weak": Stroke(_CYAN),
    "prediction": Stroke(_CYAN, (9, 5)),
    "baseline": Stroke(_MAGENTA, (2, 5)),
}
_CLASSES: Sequence[Colour] = (
    _YELLOW,
    _CYAN,
    _MAGENTA,
    (150, 240, 110),
    (255, 150, 70),
    (190, 160, 255),
    (250, 250, 250),
)
PROMPT = Stroke((80, 255, 150))


def layer_stroke(layer: str, value: int, classes: int) -> Stroke:
    """The stroke of class `value` (1-based) in `layer`.

    With one foreground class the layer chooses colour and dash; with several, the class chooses the colour.
    """
    stroke = _LAYERS.get(layer, Stroke(_MAGENTA, (9, 5)))
    return stroke if classes == 1 else Stroke(_CLASSES[(value - 1) % len(_CLASSES)], stroke.dash)


def thumbnail(image: Picture, side: int = SIDE) -> Picture:
    """A copy of an HxWx3 uint8 image whose longer side is `side` pixels (larger or smaller than before)."""
    import cv2

    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(
        np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    return np.array(resized, dtype=np.uint8)


def with_contours(image: Picture, mask: NDArray[np.uint8], strokes: Mapping[int, Stroke]) -> Picture:
    """Draw the outline of each class of `mask` (HxW class map of any size, fitted to `image`) on a copy of `image`.

    `strokes` maps a class value to how it is drawn. Holes are outlined, too.
    """
    import cv2

    canvas = image.copy()
    scale = _scale(mask.shape[:2], image)
    for value in np.intersect1d(mask, list(strokes)):
        contours, _ = cv2.findContours((mask == value).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        paths = [_dashes(_fit(contour[:, 0, :], scale), strokes[value].dash) for contour in contours]
        _draw(canvas, [piece for pieces in paths for piece in pieces], strokes[value].colour)
    return canvas


def with_heat(image: Picture, probability: NDArray[np.float32], threshold: float = 0.5) -> Picture:
    """Lay an hxw probability in [0, 1] over a copy of `image`: the likelier, the brighter and the less transparent.

    The thin white line is where the probability crosses `threshold`.
    """
    import cv2

    height, width = image.shape[:2]
    finite = np.nan_to_num(np.asarray(probability, np.float32))
    smooth = np.clip(cv2.resize(finite, (width, height), interpolation=cv2.INTER_LINEAR), 0.0, 1.0)
    heat = cv2.applyColorMap((smooth * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = 0.75 * np.sqrt(smooth)[..., None]
    canvas = (image * (1.0 - opacity) + heat * opacity).round().astype(np.uint8)
    return with_contours(canvas, (smooth >= threshold).astype(np.uint8), {1: Stroke((255, 255, 255))})


def with_prompts(
    image: Picture,
    size: tuple[int, int],
    boxes: Sequence[tuple[float, float, float, float]],
    points: Sequence[tuple[float, float, bool]],
) -> Picture:
    """Draw boxes (x0, y0, x1, y1) and points (x, y, positive) on a copy of `image`.

    Coordinates are pixels of an original of `size` (height, width). A positive point is a disc with a plus in it, a
    negative one a disc with a cross.
    """
    import cv2

    canvas = image.copy()
    scale = _scale(size, image)
    for x0, y0, x1, y1 in boxes:
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)
        _draw(canvas, _dashes(np.clip(_fit(corners, scale), 1, np.array(canvas.shape[1::-1]) - 2), None), PROMPT.colour)
    for x, y, positive in points:
        centre = tuple(int(v) for v in _fit(np.array([(x, y)], np.float64), scale)[0].round())
        cv2.circle(canvas, centre, 8, _HALO, -1, cv2.LINE_AA)
        cv2.circle(canvas, centre, 7, PROMPT.colour if positive else (255, 255, 255), -1, cv2.LINE_AA)
        marker = cv2.MARKER_CROSS if positive else cv2.MARKER_TILTED_CROSS
        cv2.drawMarker(canvas, centre, _HALO, marker, 9 if positive else 8, 2, cv2.LINE_AA)
    return canvas


def data_uri(image: Picture) -> str:
    """The HxWx3 uint8 RGB image as a JPEG in a `data:` URI."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    assert done, "JPEG encoding of an in-memory uint8 image cannot fail"
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _scale(size: Sequence[int], image: Picture) -> NDArray[np.float64]:
    return np.array([image.shape[1] / size[1], image.shape[0] / size[0]])


def _fit(points: NDArray[np.generic], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixel centres of the original, n x 2 as (x, y), in coordinates of the thumbnail."""
    fitted: NDArray[np.float64] = (np.asarray(points, np.float64) + 0.5) * scale - 0.5
    return fitted


def _dashes(points: NDArray[np.float64], dash: tuple[int, int] | None) -> list[NDArray[np.float64]]:
    """Close the path, resample it at about one pixel and cut it into the pieces that are drawn."""
    closed = np.vstack([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    steps = np.linspace(0.0, along[-1], int(along[-1]) + 2)
    path = np.stack([np.interp(steps, along, closed[:, axis]) for axis in (0, 1)], axis=1)
    if dash is None:
        return [path]
    visible = steps % sum(dash) < dash[0]
    pieces = np.split(path, np.flatnonzero(np.diff(visible)) + 1)
    return pieces[::2]


def _draw(canvas: Picture, pieces: Sequence[NDArray[np.float64]], colour: Colour) -> None:
    """Draw open paths on `canvas` in place, over a darker line so that they show on any background.

    They are drawn at twice the size and averaged down: OpenCV knows no thickness between one and two pixels.
    """
    import cv2

    height, width = canvas.shape[:2]
    fixed = [np.round(((piece + 0.5) * 2 - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32) for piece in pieces]
    for line, thickness, opacity in ((_HALO, 7, 0.7), (colour, 4, 1.0)):
        drawn = cv2.polylines(
            np.zeros((2 * height, 2 * width), np.uint8), fixed, False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )
        cover = opacity / 255 * cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)[..., None]
        canvas[...] = (canvas * (1 - cover) + np.array(line) * cover).round().astype(np.uint8)
