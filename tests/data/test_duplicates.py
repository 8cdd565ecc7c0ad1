from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medweave.data.duplicates import merge_groups, near_duplicates, perceptual_hash

BUSI = Path(__file__).parents[3] / "shared" / "data" / "busi"


def bits(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def texture(seed: int, size: tuple[int, int] = (96, 80)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def test_pairs_are_those_that_python_integers_count():
    rng = np.random.default_rng(0)
    values = [int.from_bytes(rng.bytes(32), "little") for _ in range(150)]
    values += [values[3], values[5] ^ 0b111, values[7] ^ (1 << 255) ^ 1, values[9] ^ (2**256 - 1)]
    expected = [
        (i, j, (values[i] ^ values[j]).bit_count())
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= 110
    ]
    found = near_duplicates([f"{value:064x}" for value in values], 110)
    assert found == expected
    assert {(3, 150, 0), (5, 151, 3), (7, 152, 2)} <= set(found)


def test_the_distance_is_inclusive():
    hashes = [f"{0:064x}", f"{0b111:064x}"]
    assert near_duplicates(hashes, 3) == [(0, 1, 3)]
    assert near_duplicates(hashes, 2) == []


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_pair(count):
    assert near_duplicates([f"{7:064x}"] * count, 16) == []


def test_hash_survives_resizing_brightness_and_contrast():
    image = texture(1)
    copy = np.asarray(Image.fromarray(image).resize((200, 240), Image.Resampling.BILINEAR)) * 0.8 + 20
    assert bits(perceptual_hash(image), perceptual_hash(copy.astype(np.uint8))) <= 16


def test_hash_tells_different_images_apart():
    assert bits(perceptual_hash(texture(1)), perceptual_hash(texture(2))) > 64


def test_a_constant_image_has_no_hash():
    assert perceptual_hash(np.full((40, 50), 9, np.uint8)) is None


def test_connected_pairs_become_one_group_named_after_the_first():
    groups = ["e", "d", "c", "b", "a", "c"]
    assert merge_groups(groups, [(0, 1), (1, 5)]) == ["c", "c", "c", "b", "a", "c"]
    assert merge_groups(groups, []) == groups


@pytest.mark.skipif(not BUSI.exists(), reason=f"real ultrasound images are not at {BUSI}")
def test_known_near_duplicates_of_real_ultrasound_are_found():
    files = sorted((BUSI / "gold" / "images").iterdir())
    hashes = [perceptual_hash(np.asarray(Image.open(file).convert("L"))) for file in files]
    pairs = {(files[i].stem, files[j].stem) for i, j, _ in near_duplicates(hashes, 16)}
    assert pairs == {("benign__105_", "benign__156_")}
