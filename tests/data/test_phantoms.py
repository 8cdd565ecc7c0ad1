import csv
import filecmp
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medweave.config import Phantoms
from medweave.data.phantoms import make_phantom, phantom, write_phantoms
from medweave.data.phantoms.shapes import Star, grid, soft_step
from medweave.errors import InputError

MODALITIES = ("ultrasound", "dermoscopy", "xray")
AREA = {"ultrasound": (0.005, 0.3), "dermoscopy": (0.01, 0.75), "xray": (0.1, 0.5)}
PIECES = {"ultrasound": 1, "dermoscopy": 1, "xray": 2}


@pytest.fixture(scope="module")
def drawn():
    return {
        modality: [make_phantom(modality, 128, np.random.default_rng((3, index))) for index in range(40)]
        for modality in MODALITIES
    }


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("modality", MODALITIES)
def test_images_and_masks_have_the_promised_shape_type_and_values(drawn, modality):
    for image, mask in drawn[modality]:
        assert image.shape == ((128, 128, 3) if modality == "dermoscopy" else (128, 128))
        assert (image.dtype, mask.dtype, mask.shape) == (np.uint8, np.uint8, (128, 128))
        assert set(np.unique(mask)) == {0, 1}
        assert image.std() > 5


@pytest.mark.parametrize("modality", MODALITIES)
def test_foreground_has_a_plausible_area_and_number_of_pieces(drawn, modality):
    low, high = AREA[modality]
    areas = np.array([mask.mean() for _, mask in drawn[modality]])
    assert areas.min() > low and areas.max() < high
    assert areas.std() > 0.1 * areas.mean()
    for _, mask in drawn[modality]:
        sizes = np.bincount(ndimage.label(mask)[0].ravel())[1:]
        assert (sizes > 0.02 * mask.sum()).sum() == PIECES[modality]


@pytest.mark.parametrize("modality", MODALITIES)
def test_foreground_is_darker_than_what_surrounds_it(drawn, modality):
    differences = []
    for image, mask in drawn[modality]:
        gray = image.mean(axis=-1) if image.ndim == 3 else image.astype(float)
        ring = ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(mask, iterations=1)
        differences.append(gray[ring].mean() - gray[mask == 1].mean())
    assert np.mean(differences) > 8
    assert np.mean(np.array(differences) > 0) > 0.9


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_mask_sits_on_the_visible_edge(drawn, modality):
    """Contrast across the outline is greater than across outlines moved away from where the mask is."""

    def contrast(image, mask):
        gray = ndimage.gaussian_filter(image.mean(axis=-1) if image.ndim == 3 else image.astype(float), 1.5)
        return gray[ndimage.binary_dilation(mask, iterations=4) & (mask == 0)].mean() - gray[mask == 1].mean()

    here = np.mean([contrast(image, mask) for image, mask in drawn[modality]])
    for shift in ((0, 12), (0, -12), (12, 0), (-12, 0)):
        assert np.mean([contrast(image, np.roll(mask, shift, (0, 1))) for image, mask in drawn[modality]]) < here - 3


def test_darkness_alone_does_not_find_the_lesion_in_ultrasound(drawn):
    """The best threshold of each image, known only with the mask at hand, still fails: distractors are as dark."""
    best = []
    for image, mask in drawn["ultrasound"]:
        gray = ndimage.gaussian_filter(image.astype(float), 2)
        dices = [
            2 * ((gray < t) & (mask == 1)).sum() / ((gray < t).sum() + mask.sum()) for t in np.quantile(gray, QUANTILES)
        ]
        best.append(max(dices))
    assert np.mean(best) < 0.6


QUANTILES = np.linspace(0.01, 0.5, 40)


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_two_phantoms_are_alike(drawn, modality):
    small = np.stack(
        [
            np.asarray(Image.fromarray(image).convert("L").resize((16, 16)), float).ravel()
            for image, _ in drawn[modality]
        ]
    )
    apart = np.abs(small[:, None] - small[None]).mean(axis=-1)
    assert apart[np.triu_indices(len(small), 1)].min() > 3


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("size", [64, 333])
def test_any_size_is_drawn(modality, size):
    image, mask = make_phantom(modality, size, np.random.default_rng(1))
    assert image.shape[:2] == mask.shape == (size, size)
    assert mask.any()


def test_a_seed_fixes_image_and_mask():
    for modality in MODALITIES:
        first, again, other = (make_phantom(modality, 96, np.random.default_rng(seed)) for seed in (5, 5, 6))
        assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
        assert not np.array_equal(first[0], other[0])


def test_unknown_modality_is_named():
    with pytest.raises(InputError, match="unknown modality 'mri'; choose one of ultrasound, dermoscopy, xray"):
        make_phantom("mri", 64, np.random.default_rng(0))


def test_folder_holds_the_splits_and_no_truth_for_unlabeled(tmp_path):
    write_phantoms(tmp_path / "task", Phantoms(size=64, gold=3, unlabeled=4, test=2), seed=7)
    names = {name for name in written(tmp_path / "task") if name.endswith(".png")}
    gold, test = [f"gold_{i:05d}.png" for i in range(3)], [f"test_{i:05d}.png" for i in range(2)]
    assert names == {
        *(f"gold/{kind}/{name}" for kind in ("images", "masks") for name in gold),
        *(f"test/{kind}/{name}" for kind in ("images", "masks") for name in test),
        *(f"unlabeled/images/unlabeled_{i:05d}.png" for i in range(4)),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["task"]
    mask = np.asarray(Image.open(tmp_path / "task/gold/masks/gold_00000.png"))
    assert set(np.unique(mask)) == {0, 255}


def test_every_written_image_can_be_drawn_again_with_its_truth(tmp_path):
    settings = Phantoms(size=64, gold=2, unlabeled=2, test=2)
    write_phantoms(tmp_path / "task", settings, seed=7)
    for split in ("gold", "unlabeled", "test"):
        image, mask = phantom(settings, 7, split, 1)
        assert np.array_equal(image, Image.open(tmp_path / f"task/{split}/images/{split}_00001.png"))
        if split != "unlabeled":
            assert np.array_equal(mask * 255, Image.open(tmp_path / f"task/{split}/masks/{split}_00001.png"))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path):
    settings = Phantoms(modality="dermoscopy", size=64, gold=2, unlabeled=1, test=1)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_phantoms(tmp_path / name, settings, seed)
    assert written(tmp_path / "a") == written(tmp_path / "b")
    image = "gold/images/gold_00000.png"
    assert not filecmp.cmp(tmp_path / "a" / image, tmp_path / "c" / image, shallow=False)


def test_a_larger_count_extends_a_smaller_one(tmp_path):
    write_phantoms(tmp_path / "few", Phantoms(size=64, gold=3, unlabeled=2, test=3), seed=1)
    write_phantoms(tmp_path / "many", Phantoms(size=64, gold=6, unlabeled=5, test=4), seed=1)
    few, many = written(tmp_path / "few"), written(tmp_path / "many")
    assert {name for name in few if name.endswith(".png")} < set(many)
    assert all(many[name] == content for name, content in few.items() if name.endswith(".png"))
    lines = few["groups.csv"].decode().splitlines()
    assert set(lines) <= set(many["groups.csv"].decode().splitlines())


def test_splits_share_no_image_and_no_patient(tmp_path):
    write_phantoms(tmp_path / "task", Phantoms(size=64, gold=40, unlabeled=20, test=20), seed=1)
    content = written(tmp_path / "task")
    images = [value for name, value in content.items() if "/images/" in name]
    assert len(set(images)) == len(images) == 80
    rows = list(csv.DictReader(content["groups.csv"].decode().splitlines()))
    assert {row["image_id"] for row in rows} == {Path(name).stem for name in content if "/images/" in name}
    patients: dict[str, list[str]] = {}
    for row in rows:
        patients.setdefault(row["group_id"], []).append(row["image_id"])
    assert max(map(len, patients.values())) == 2
    assert 0 < sum(len(ids) == 2 for ids in patients.values()) < 20
    assert all(len({image_id.split("_")[0] for image_id in ids}) == 1 for ids in patients.values())


def test_a_complete_folder_is_left_as_it_is(tmp_path):
    settings = Phantoms(size=64, gold=1, unlabeled=0, test=1)
    write_phantoms(tmp_path / "task", settings, seed=1)
    (tmp_path / "task/gold/images/gold_00000.png").write_bytes(b"mine")
    write_phantoms(tmp_path / "task", settings, seed=1)
    assert (tmp_path / "task/gold/images/gold_00000.png").read_bytes() == b"mine"
    with pytest.raises(InputError, match="holds something other than these phantoms"):
        write_phantoms(tmp_path / "task", settings, seed=2)


def test_an_empty_folder_is_filled_and_a_foreign_one_refused(tmp_path):
    settings = Phantoms(size=64, gold=1, unlabeled=0, test=1)
    (tmp_path / "empty").mkdir()
    write_phantoms(tmp_path / "empty", settings, seed=1)
    assert (tmp_path / "empty/groups.csv").exists()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"foreign: holds something other"):
        write_phantoms(tmp_path / "foreign", settings, seed=1)
    assert written(tmp_path / "foreign") == {"notes.txt": b"mine"}


def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="No space left on device"):
        write_phantoms(tmp_path / "task", Phantoms(size=64, gold=1, unlabeled=0, test=1), seed=1)
    assert list(tmp_path.iterdir()) == []


def test_star_without_harmonics_is_the_ellipse():
    rows, columns = grid(100)
    level = Star((0.4, 0.6), (0.3, 0.1), np.pi / 2).level(rows, columns)
    ellipse = ((rows - 0.4) / 0.3) ** 2 + ((columns - 0.6) / 0.1) ** 2 < 1
    assert np.array_equal(level > 0, ellipse)


def test_soft_step_is_the_logistic_function():
    levels = np.array([-3.0, 0.0, 1.0])
    assert soft_step(levels, 0.5) == pytest.approx(1 / (1 + np.exp(-levels / 0.5)), abs=1e-6)
