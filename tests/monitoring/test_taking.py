"""Which images of a folder make a batch."""

import os
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from medweave.errors import InputError
from medweave.monitoring import take_batch

MAX_PIXELS = 10_000


@pytest.fixture
def folder(tmp_path):
    """Two images, the second of which was changed in 2026."""
    folder = tmp_path / "new"
    folder.mkdir()
    for name, level, year in (("old", 10, 2025), ("young", 20, 2026)):
        Image.fromarray(np.full((8, 9), level, np.uint8)).save(folder / f"{name}.png")
        at = datetime(year, 6, 1, tzinfo=UTC).timestamp()
        os.utime(folder / f"{name}.png", (at, at))
    return folder


def ids(table):
    return [row.image_id for row in table]


def test_all_those_of_a_time_and_those_not_seen(folder, tmp_path):
    def taken(name, since=None, seen=None):
        table, problems = take_batch(str(folder), since, seen, MAX_PIXELS, tmp_path / name)
        assert problems == []
        return table

    everything = taken("all")
    assert ids(everything) == ["old", "young"]
    assert ids(taken("since", datetime(2026, 1, 1, tzinfo=UTC))) == ["young"]
    uris = {row.image_id: row.image_uri for row in everything}
    assert ids(taken("unseen", seen={uris["young"]})) == ["old"]
    assert ids(taken("none", seen=set(uris.values()))) == []


def test_images_in_subfolders_are_warned_of(folder, tmp_path, capsys):
    (folder / "more").mkdir()
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(folder / "more" / "deeper.png")
    table, _ = take_batch(str(folder), None, None, MAX_PIXELS, tmp_path / "all")
    assert ids(table) == ["old", "young"]
    assert capsys.readouterr().err.splitlines()[0] == (
        f"warning: {folder}: 1 image files in its subfolders (such as more) are not read; "
        "move them up into it, or give their folder"
    )


def test_no_new_images_are_no_error(folder, tmp_path):
    uris = {str(folder / "old.png"), str(folder / "young.png")}
    assert ids(take_batch(str(folder), None, uris, MAX_PIXELS, tmp_path / "unseen")[0]) == []
    assert ids(take_batch(str(folder), datetime(2027, 1, 1, tzinfo=UTC), None, MAX_PIXELS, tmp_path / "late")[0]) == []


@pytest.mark.parametrize("since", [None, datetime(2026, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("in_a_batch", [False, True])
def test_new_images_of_which_none_can_be_read_and_no_images_are_errors(folder, tmp_path, since, in_a_batch):
    images = [folder / "old.png", folder / "young.png"]
    seen = set(map(str, images)) if in_a_batch else None
    if not in_a_batch:
        for path in images:
            path.unlink()
    (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"none of the 1 images can be read; the first: .*broken\.png"):
        take_batch(str(folder), since, seen, MAX_PIXELS, tmp_path / "none")
    for path in folder.iterdir():
        path.unlink()
    (folder / "below").mkdir()
    with pytest.raises(InputError, match="no images here"):
        take_batch(str(folder), since, seen, MAX_PIXELS, tmp_path / "empty")
