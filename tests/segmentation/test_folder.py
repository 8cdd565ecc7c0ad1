"""A folder of images becomes a folder of masks, and stays as it is."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from medweave.config import Compute, Segmentation
from medweave.errors import InputError
from medweave.segmentation import Segmenter
from medweave.segmentation.folder import predict_folder
from medweave.segmentation.networks import architecture_of, build_network
from medweave.segmentation.segmenter import Card


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    architecture = architecture_of(Segmentation(), classes=1)
    card = Card(architecture, ("a",), 32, "random", (9,))
    return Segmenter(card, [build_network(architecture).eval()], Compute(device="cpu", precision="fp32", threads=1))


@pytest.fixture
def images(tmp_path):
    """A PNG and a JPEG."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.fromarray(np.full((8, 9), 100, np.uint8)).save(folder / name)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("spelling", ["itself", "link", "relative"])
def test_masks_are_not_written_among_the_images(segmenter, images, tmp_path, spelling, monkeypatch):
    (tmp_path / "link").symlink_to(images)
    monkeypatch.chdir(tmp_path)
    output = {"itself": images, "link": tmp_path / "link", "relative": type(images)("link/../images")}[spelling]
    before = contents(images)
    with pytest.raises(InputError, match="is the folder of the images; choose another for the masks"):
        predict_folder(segmenter, images, output)
    assert contents(images) == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_mask_does_not_replace_an_image_that_a_link_leads_to(segmenter, images, tmp_path, link):
    output = tmp_path / "output"
    output.mkdir()
    (images / "a.png").rename(output / "a.png")
    link(output / "a.png", images / "a.png")
    before = contents(output)
    with pytest.raises(InputError, match=r"output/a\.png: is one of the images"):
        predict_folder(segmenter, images, output)
    assert contents(output) == before


def test_masks_are_replaced_when_they_are_predicted_again(segmenter, images, tmp_path):
    for _ in range(2):
        assert predict_folder(segmenter, images, tmp_path / "output").written == 2
    assert {path.name: Image.open(path).size for path in (tmp_path / "output").iterdir()} == {
        "a.png": (9, 8),
        "b.png": (9, 8),
    }


def test_images_in_subfolders_are_warned_of(tmp_path, capsys):
    images = tmp_path / "images"
    for name in ("p1/a.png", "p2/b.png", "masks/c.png"):
        (images / name).parent.mkdir(parents=True)
        Image.fromarray(np.zeros((8, 9), np.uint8)).save(images / name)
    with pytest.raises(InputError, match="no images here"):
        predict_folder(None, images, images / "masks")
    assert capsys.readouterr().err == (
        f"warning: {images}: 2 image files in its subfolders (such as p1) are not read; "
        "move them up into it, or give their folder\n"
    )
