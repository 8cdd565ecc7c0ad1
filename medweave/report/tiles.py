"""Examples as rows of captioned pictures, and the legends of their outlines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from medweave.report.content import Example
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

LAYER_NAMES = {
    "gold": "expert outline",
    "truth": "expert outline",
    "mask": "machine-made label",
    "weak": "weak label",
    "prediction": "final model",
    "baseline": "gold-only model",
}


@dataclass(frozen=True)
class Tile:
    """One picture: its data URI, size in pixels, what a screen reader says, and the words beneath it."""

    uri: str
    width: int
    height: int
    alt: str
    label: str


@dataclass(frozen=True)
class Row:
    """The pictures of one image, the plain image first."""

    image_id: str
    caption: str
    tiles: tuple[Tile, ...]


def picture_row(example: Example, classes: Sequence[str]) -> Row:
    """The image; then, as far as the example has them, its coarse probability, prompts and outlined layers."""
    return Row(example.image_id, example.caption, tuple(_tiles(example, classes)))


def legend(examples: Iterable[Example], classes: Sequence[str]) -> list[tuple[Stroke, str]]:
    """What the outlines in these examples mean: the layers and, with several classes, the classes."""
    examples = list(examples)
    names = dict.fromkeys(name for example in examples for name in example.layers)
    if len(classes) == 1:
        entries = [(layer_stroke(name, 1, 1), _words(name)) for name in names]
    else:
        entries = [(layer_stroke("gold", k, len(classes)), name) for k, name in enumerate(classes, start=1)]
        entries += [(Stroke((255, 255, 255), layer_stroke(name, 1, 1).dash), _words(name)) for name in names]
    return entries + ([(PROMPT, "prompt")] if any(example.boxes or example.points for example in examples) else [])


def _tiles(example: Example, classes: Sequence[str]) -> Iterator[Tile]:
    small = thumbnail(example.image)
    height, width = small.shape[:2]
    name = example.image_id
    yield Tile(data_uri(small), width, height, f"Image {name}", "image")
    if example.coarse is not None:
        heat = with_heat(small, example.coarse)
        yield Tile(data_uri(heat), width, height, f"Coarse model's probability over image {name}", "coarse probability")
    if example.boxes or example.points:
        drawn = with_prompts(small, example.image.shape[:2], example.boxes, example.points)
        told = _counted(example)
        yield Tile(data_uri(drawn), width, height, f"Prompts on image {name}: {told}", f"prompts: {told}")
    if example.layers:
        outlined = small
        for layer, mask in example.layers.items():
            strokes = {k: layer_stroke(layer, k, len(classes)) for k in range(1, len(classes) + 1)}
            outlined = with_contours(outlined, mask, strokes)
        told = ", ".join(_words(layer) + ("" if mask.any() else " (empty)") for layer, mask in example.layers.items())
        yield Tile(data_uri(outlined), width, height, f"Image {name} with outlines: {told}", told)


def _counted(example: Example) -> str:
    positive = sum(point[2] for point in example.points)
    counts = (
        ("box", "boxes", len(example.boxes)),
        ("point inside", "points inside", positive),
        ("point outside", "points outside", len(example.points) - positive),
    )
    return ", ".join(f"{n} {one if n == 1 else many}" for one, many, n in counts if n)


def _words(layer: str) -> str:
    return LAYER_NAMES.get(layer, layer.replace("_", " "))
