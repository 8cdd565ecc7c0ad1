import tracemalloc

import cv2
import numpy as np

from medweave.data.table import ImageRow
from medweave.synthesis.checks.pictures import BLOCK, read_pictures, views_of
from tests.synthesis.checks.conftest import drawn, pooled


def test_pictures_are_read_one_at_a_time_as_often_as_they_are_gone_through(tmp_path):
    path, side = tmp_path / "i.png", 256
    cv2.imwrite(str(path), np.full((40, 60, 3), (10, 20, 30), np.uint8))
    rows = [ImageRow(f"i{k}", f"g{k}", str(path), "", 40, 60) for k in range(100)]
    tracemalloc.start()
    try:
        pictures = read_pictures(rows, side, 10_000)
        seen = [{tuple(image[0, 0].tolist()) for image in pictures.images} for _ in range(2)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == [{(30, 20, 10)}] * 2
    assert pictures.ids[3] == "i3" and pictures.groups[3] == "g3" and len(pictures) == 100
    assert peak < 20 * side * side * 3


def test_no_rows_are_no_pictures():
    assert len(read_pictures([], 64, 10_000)) == 0


def test_views_of_more_than_one_block_are_those_of_each_image():
    images = [drawn(seed % 7) for seed in range(BLOCK + 3)]
    views = views_of(iter(images), pooled)
    assert views.gray.shape == (BLOCK + 3, 4, 64, 64) and views.hashes.shape == (BLOCK + 3, 4, 4)
    for index in (0, BLOCK - 1, BLOCK, BLOCK + 2):
        alone, seen = views_of([images[index]], pooled), views.only(index)
        assert (seen.gray == alone.gray).all() and (seen.hashes == alone.hashes).all()
        assert (seen.features == alone.features).all()
