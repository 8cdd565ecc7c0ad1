"""Verdicts on real ultrasound, dermoscopy and X-ray images; skipped where the data is absent."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from medweave.config import Data, Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.monitoring import BatchStore, Observers, judge, measure, measured_training, take_batch
from medweave.monitoring.store import PAGE

ROOT = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"no real data at {ROOT}")
SOME = 60


def rows(folder, masks=None):
    paths = sorted(folder.iterdir())[:100]
    found = [ImageRow(path.stem, path.stem, str(path), "0" * 64, 1, 1) for path in paths]
    if masks is None:
        return found
    return [row.with_label("gold", MaskRef(uri=str(masks / f"{row.image_id}.png")), {}, "0" * 64) for row in found]


def chosen(source, to, change=None, names=lambda name: True):
    """Some images of a folder, changed."""
    to.mkdir()
    for path in [path for path in sorted(source.iterdir()) if names(path.name)][:SOME]:
        if change is None:
            (to / path.name).symlink_to(path)
        else:
            cv2.imwrite(str(to / path.name), change(cv2.imread(str(path))))
    return to


@pytest.fixture(scope="module")
def busi():
    root = ROOT / "busi"
    return rows(root / "gold/images", root / "gold/masks") + rows(root / "unlabeled/images")


def verdict(training, images, folder, masks=None):
    """What a first batch reads, and its moved columns."""
    data = Data()
    labels = {path.stem: MaskRef(uri=str(path)) for path in masks.iterdir()} if masks else None
    observers = Observers(labels=labels)
    table, problems = take_batch(str(images), None, None, data.max_pixels, folder / "taken")
    assert problems == []
    reference, near = measured_training(training, observers, data, bool(masks), folder.parent / "training")
    measured = measure(table, replace(observers, neighbours=near), data, folder / "measured")
    gold = write_table(folder / "gold", [row for row in training if row.mask])
    store = BatchStore(folder / "store")
    batch = judge(
        store, measured, reference, gold, str(images), None, "given" if masks else "none", Settings(task="any")
    )
    assert (store.folder(batch) / PAGE).read_text().count("<h1>") == 1
    columns = batch.verdict["columns"]
    return batch.level, {one["column"]: one["way"] for one in columns if one["level"] == "drift"}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder whose neighbours share the measured training images."""
    return tmp_path_factory.mktemp("real")


def test_busis_own_test_images_are_ok_or_watched(busi, work):
    images = chosen(ROOT / "busi/test/images", work / "plain")
    assert verdict(busi, images, work / "plain_batch")[0] in ("ok", "watch")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda image: np.clip(image + 30.0, 0, 255).astype(np.uint8), {"image.brightness": "higher"}),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 1.5), {"image.sharpness": "lower", "image.noise": "lower"}),
    ],
    ids=["brighter", "blurred"],
)
def test_changed_images_drift_in_what_was_changed(busi, work, change, expected, request):
    name = request.node.callspec.id
    images = chosen(ROOT / "busi/test/images", work / name, change)
    level, moved = verdict(busi, images, work / f"{name}_batch")
    assert level == "drift" and expected.items() <= moved.items()
    assert not {"image.side", "image.aspect"} & set(moved)


def test_medsams_box_labels_drift_in_area(busi, work):
    listed = set((ROOT / "busi/unlabeled_100.txt").read_text().split())
    images = work / "box"
    images.mkdir()
    for name in listed:
        (images / f"{name}.png").symlink_to(ROOT / "busi/unlabeled/images" / f"{name}.png")
    level, moved = verdict(busi, images, work / "box_batch", ROOT / "busi/medsam_box")
    assert level == "drift" and moved["label.area_share"] == "lower"
    assert not any(column.startswith("image.") for column in moved)


def test_large_lesions_among_small_ones_are_an_area_shift(work):
    """Lesions of ISIC 2017 are small, those of PH2 large."""
    test = ROOT / "isic/test"
    small = [row for row in rows(test / "images", test / "masks") if row.image_id.startswith("ISIC")]
    images = chosen(test / "images", work / "ph2", names=lambda name: name.startswith("IMD"))
    level, moved = verdict(small, images, work / "ph2_batch", test / "masks")
    assert level == "drift" and moved["label.area_share"] == "higher"


def test_chest_x_rays_given_to_busi_are_drift_and_no_crash(busi, work):
    images = chosen(ROOT / "cxr/unlabeled/images", work / "cxr")
    level, moved = verdict(busi, images, work / "cxr_batch")
    assert level == "drift" and moved["image.embedding_distance"] == "higher" and moved["image.contrast"] == "higher"
