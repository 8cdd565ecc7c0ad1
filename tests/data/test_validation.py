import shutil
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medweave import config
from medweave.data.ingest import ingest
from medweave.data.inventory import Inventory
from medweave.data.validation import ValidationReport, validate
from medweave.errors import InputError

BUSI = Path(__file__).parents[3] / "shared" / "data" / "busi"


def judge(task, folder, validation=None, **data) -> ValidationReport:
    settings = config.Data(root=str(task.root), **data)
    return validate(ingest(settings, 0, folder).inventory, settings, validation or config.Validation())


def told(report, rule):
    return {
        Path(finding.file).name: f"{finding.message}; {finding.advice}"
        for finding in report.findings
        if rule == finding.rule
    }


def broken(report, level):
    return {finding.rule for finding in report.findings if finding.level == level}


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def spoil(task) -> None:
    """One file for each way in which a gold image or mask is wrong, beside five that are right."""
    gold = task.root / "gold"
    names = (
        "truncated",
        "empty",
        "text",
        "huge",
        "nan",
        "tiny",
        "shared",
        "nomask",
        "black",
        "sized",
        "valued",
        "badmask",
    )
    for name in names:
        task.add(f"gold/images/{name}.png")
        task.add(f"gold/masks/{name}.png", task.square())
    whole = (gold / "images/truncated.png").read_bytes()
    (gold / "images/truncated.png").write_bytes(whole[: len(whole) // 2])
    (gold / "images/empty.png").write_bytes(b"")
    (gold / "images/text.png").write_text("patient notes")
    (gold / "images/huge.png").write_bytes(huge_png(20_000, 20_000))
    (gold / "images/nan.png").unlink()
    Image.fromarray(np.full((64, 64), np.nan, np.float32)).save(gold / "images/nan.tif")
    task.add("gold/images/tiny.png", np.zeros((1, 1), np.uint8))
    task.add("gold/masks/tiny.png", np.full((1, 1), 255, np.uint8))
    task.add("gold/images/shared.jpg")
    (gold / "masks/nomask.png").unlink()
    task.add("gold/masks/noimage.png", task.square())
    task.add("gold/masks/black.png", np.zeros((64, 64), np.uint8))
    task.add("gold/masks/sized.png", task.square(32))
    task.add("gold/masks/valued.png", np.where(task.square() > 0, 7, 0).astype(np.uint8))
    (gold / "masks/badmask.png").write_bytes(b"\x89PNG")


@pytest.fixture(scope="module")
def spoiled(shared_task, tmp_path_factory) -> ValidationReport:
    spoil(shared_task)
    return judge(shared_task, tmp_path_factory.mktemp("tables"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "gold and test images can be read",
            {
                "truncated.png": "",
                "empty.png": "empty",
                "text.png": "",
                "huge.png": "20000",
                "nan.tif": "finite",
            },
        ),
        ("masks can be read", {"badmask.png": ""}),
        ("each image has a mask", {"nomask.png": "no mask"}),
        ("each mask has an image", {"noimage.png": "no image"}),
        ("image ids are unique", {"shared.png": "shared.jpg", "shared.jpg": "shared.png"}),
        ("image and mask have the same size", {"sized.png": "32x32, its image 64x64"}),
        ("masks hold only class values", {"valued.png": "no class (7)"}),
        ("gold masks are not empty", {"black.png": "is empty"}),
        ("images are large enough", {"tiny.png": "1x1 pixels, 16"}),
    ],
)
def test_each_wrong_file_is_named_by_its_rule(spoiled, rule, expected):
    found = told(spoiled, rule)
    assert set(found) == set(expected)
    for name, part in expected.items():
        assert part in found[name]


def test_nothing_else_is_an_error(spoiled):
    assert broken(spoiled, "error") == {
        "gold and test images can be read",
        "masks can be read",
        "each image has a mask",
        "each mask has an image",
        "image ids are unique",
        "image and mask have the same size",
        "masks hold only class values",
        "gold masks are not empty",
        "images are large enough",
    }


def test_errors_are_raised_one_line_each(spoiled):
    with pytest.raises(InputError) as raised:
        spoiled.raise_for_errors()
    lines = str(raised.value).splitlines()
    assert len(lines) == len(spoiled.errors) == 14
    assert all(line.count("; ") >= 1 and ": " in line for line in lines)
    many = ValidationReport(spoiled.errors * 2, (), {})
    with pytest.raises(InputError) as raised:
        many.raise_for_errors()
    assert len(str(raised.value).splitlines()) == 21 and "8 more errors" in str(raised.value)


def test_sound_data_passes_without_using_the_network(task, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("validation must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    report = judge(task, tmp_path / "out")
    assert report.passed and report.findings == ()
    assert all(outcome.failed == 0 for outcome in report.outcomes)
    checked = {outcome.rule: outcome.checked for outcome in report.outcomes}
    assert checked["enough gold images"] == 5 and checked["unlabeled images can be read"] == 4
    report.raise_for_errors()


def test_too_few_images(task, tmp_path):
    report = judge(task, tmp_path / "out", config.Validation(min_gold=6, min_unlabeled=5, min_test=5))
    assert broken(report, "error") == {"enough gold images", "enough unlabeled images"}
    assert "data.gold: 5 usable images, 6 are needed; " in str(report.errors[0])


def test_an_empty_inventory_has_too_few_images():
    report = validate(Inventory([]), config.Data(), config.Validation())
    assert broken(report, "error") == {"enough gold images", "enough test images"}


def test_the_same_image_in_gold_and_test_is_an_error_naming_both(task, tmp_path):
    shutil.copy(task.root / "gold/images/g0.png", task.root / "test/images/t3.png")
    report = judge(task, tmp_path / "out")
    message = told(report, "no image is in both test and training")
    assert set(message) == {"t3.png"} and str(task.root / "gold/images/g0.png") in message["t3.png"]
    assert broken(report, "error") == {"no image is in both test and training"}
    assert broken(report, "warning") == set()


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_near_duplicate_across_splits(task, tmp_path, level):
    pixels = np.asarray(Image.open(task.root / "unlabeled/images/u2.png"))
    copy = np.asarray(Image.fromarray(pixels).resize((70, 72))) * 0.9 + 20
    task.add("test/images/t1.png", copy.astype(np.uint8))
    task.add("test/masks/t1.png", np.asarray(Image.fromarray(task.square()).resize((70, 72), 0)))
    report = judge(task, tmp_path / "out", duplicates=config.Duplicates(across_splits=level))
    message = told(report, "no test image is a near-duplicate of a training image")
    assert set(message) == {"t1.png"} and str(task.root / "unlabeled/images/u2.png") in message["t1.png"]
    assert report.passed is (level == "warning") and len(report.findings) == 1


def test_duplicates_within_training_are_told_once(task, tmp_path):
    shutil.copy(task.root / "gold/images/g0.png", task.root / "unlabeled/images/copy.png")
    report = judge(task, tmp_path / "out")
    assert report.passed
    assert set(told(report, "training has no equal images")) == {"g0.png"}


def test_duplicates_within_test_are_told_once(task, tmp_path):
    pixels = np.asarray(Image.open(task.root / "test/images/t0.png"))
    task.add("test/images/t1.png", pixels)
    task.add("test/images/t2.png", (pixels * 0.9 + 20).astype(np.uint8))
    report = judge(task, tmp_path / "out")
    images, advice = (
        task.root / "test/images",
        "nothing to do: they share a group, and count as one patient in intervals",
    )
    assert told(report, "test has no equal images") == {"t0.png": f"is equal to {images}/t1.png; {advice}"}
    assert told(report, "test has no nearly equal images") == {
        "t0.png": f"is nearly equal to {images}/t2.png; {advice}",
        "t1.png": f"is nearly equal to {images}/t2.png; {advice}",
    }
    assert report.passed and len(report.findings) == 3


def test_of_many_duplicates_the_first_ten_are_told(task, tmp_path):
    for k in range(12):
        shutil.copy(task.root / "gold/images/g0.png", task.root / f"unlabeled/images/a{k:02d}.png")
    message = told(judge(task, tmp_path / "out"), "training has no equal images")
    assert list(message) == ["g0.png", *(f"a{k:02d}.png" for k in range(11))]

    def later(*places):
        return ", ".join(f"{task.root}/unlabeled/images/a{k:02d}.png" for k in places)

    assert message["g0.png"].startswith(f"is equal to {later(*range(10))}, …; ")
    assert message["a01.png"].startswith(f"is equal to {later(*range(2, 12))}; ")
    assert message["a10.png"].startswith(f"is equal to {later(11)}; ")


def test_images_without_a_group_and_groups_without_an_image_are_told(task, tmp_path):
    (task.root / "groups.csv").write_text(
        "image_id,group_id\n" + "".join(f"g{k},p{k}\nt{k},q{k}\n" for k in range(5)) + "u3,p9\nu{9},p9\n"
    )
    report = judge(task, tmp_path / "out")
    assert report.passed
    assert {(finding.rule, str(finding)) for finding in report.findings} == {
        (
            "all images have a group or none has",
            "data.groups: 3 of 14 images have no group (u0 is the first); each counts as a group of its own; "
            "state the group (the patient) of every image",
        ),
        (
            "groups name only images",
            f"{task.root}/groups.csv: 1 of its ids are no image's ('u{{9}}' is the first); "
            "write them as the images' names, or remove them",
        ),
    }
    assert all(finding.rule in report.html for finding in report.findings)


def test_images_in_subfolders_are_told(task, tmp_path):
    (task.root / "unlabeled/images/p1").mkdir()
    for name in ("a", "b"):
        task.add(f"unlabeled/images/p1/{name}.png")
    report = judge(task, tmp_path / "out")
    assert report.passed
    assert [str(finding) for finding in report.findings] == [
        f"{task.root}/unlabeled/images: 2 image files in its subfolders (such as p1) are not read; "
        "move them up into it, or list all images in a CSV (data.unlabeled.csv)"
    ]


def test_a_subfolder_that_the_settings_name_is_read(task, tmp_path):
    for split in ("gold", "test"):
        for path in (task.root / split / "images").iterdir():
            path.rename(task.root / split / path.name)
    gold, test = (config.Source(images=split, masks=f"{split}/masks/") for split in ("gold", "test"))
    assert judge(task, tmp_path / "out", gold=gold, test=test).findings == ()


def test_a_patient_or_an_id_on_both_sides(task, tmp_path):
    (task.root / "groups.csv").write_text("image_id,group_id\ng0.png,p7\nu1,p7\nt0.png,p7\nu2,p9\nt1.png,p8\n")
    task.add("test/images/u0.png")
    task.add("test/masks/u0.png", task.square())
    report = judge(task, tmp_path / "out")
    assert told(report, "no group is in both test and training") == {
        "t0.png": "the group 'p7' of this test image is in gold and unlabeled too; "
        "keep all images of a group (a patient) on one side, or mend data.groups"
    }
    assert set(told(report, "test and training share no image id")) == {"u0.png"}
    assert broken(report, "error") == {"no group is in both test and training"} and len(report.findings) == 3


def test_an_id_in_gold_and_unlabeled_is_an_error(task, tmp_path):
    task.add("unlabeled/images/g0.png")
    report = judge(task, tmp_path / "out")
    assert [finding.rule for finding in report.errors] == ["image ids are unique"] * 2


def test_ids_that_cannot_name_files(task, tmp_path):
    (task.root / "test.csv").write_text(
        "image_id,image,mask\n" + "".join(f"../{k},test/images/t{k}.png,test/masks/t{k}.png\n" for k in range(5))
    )
    report = judge(task, tmp_path / "out", test=config.Source(csv="test.csv"))
    assert broken(report, "error") == {"image ids can name files"} and len(report.errors) == 5


def test_warnings_do_not_stop_a_run(task, tmp_path):
    (task.root / "unlabeled/images/u0.png").write_bytes(b"")
    task.add("unlabeled/images/flat.png", np.full((64, 64), 120, np.uint8))
    task.add("unlabeled/images/large.png", task.texture(999, 200))
    task.add("test/masks/t0.png", task.square(share=0.9))
    pieces = np.zeros((64, 64), np.uint8)
    pieces[4:60:16, 4:60:8] = 255
    task.add("test/masks/t1.png", np.maximum(pieces, task.square()))
    task.add("test/masks/t2.png", np.zeros((64, 64), np.uint8))
    (task.root / "some.txt").write_text("u0\nu1\nflat\nlarge\nghost\n{x}\n")
    report = judge(task, tmp_path / "out", unlabeled=config.Source(images="unlabeled/images", list="some.txt"))
    assert report.passed
    found = {(finding.rule, Path(finding.file).name) for finding in report.warnings}
    assert found == {
        ("unlabeled images can be read", "u0.png"),
        ("images show something", "flat.png"),
        ("unlabeled: contrast (standard deviation) is like gold's", "flat.png"),
        ("unlabeled: size (mean side in pixels) is like gold's", "large.png"),
        ("test: the mask's share of the image is like gold's", "t0.png"),
        ("test: the mask's number of pieces is like gold's", "t1.png"),
        ("listed unlabeled images are there", "data.unlabeled.list"),
    }
    assert "2 listed images were not found (ghost, {x})" in str(told(report, "listed unlabeled images are there"))


def test_slack_widens_what_gold_allows(task, tmp_path):
    task.add("test/masks/t0.png", task.square(share=0.9))
    assert judge(task, tmp_path / "a", config.Validation(slack=3.0)).findings == ()


def test_several_classes(task, tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:20], mask[20:30] = 1, 2
    for split in ("gold", "test"):
        for k in range(5):
            task.add(f"{split}/masks/{split[0]}{k}.png", mask)
    report = judge(task, tmp_path / "a", classes=("lung", "heart"))
    assert report.passed and report.findings == ()
    assert {outcome.rule: outcome.checked for outcome in report.outcomes}["gold masks show class 2"] == 5
    assert broken(judge(task, tmp_path / "b"), "error") == {"masks hold only class values"}


def test_a_class_that_no_gold_mask_shows_is_told(task, tmp_path):
    for k in range(5):
        task.add(f"gold/masks/g{k}.png", np.where(task.square() > 0, 1 + 11 * (k % 2), 0).astype(np.uint8))
        task.add(f"test/masks/t{k}.png", np.where(task.square() > 0, 2, 0).astype(np.uint8))
    classes = (*(f"c{number}" for number in range(1, 12)), "{x}")
    report = judge(task, tmp_path / "out", classes=classes)
    assert report.passed
    assert [str(finding) for finding in report.findings] == [
        f"data.classes: no gold mask holds {number}, which is the class 'c{number}'; "
        "add gold that shows it, or take it out of data.classes"
        for number in range(2, 12)
    ]


def test_masks_of_which_none_can_be_read(task, tmp_path):
    for split in ("gold", "test"):
        for k in range(5):
            (task.root / f"{split}/masks/{split[0]}{k}.png").write_bytes(b"no mask")
    report = judge(task, tmp_path / "out", classes=("lung", "heart"))
    assert broken(report, "error") == {"masks can be read", "enough gold images", "enough test images"}
    assert broken(report, "warning") == {"gold masks show class 1", "gold masks show class 2"}


def test_masks_of_nearly_all_foreground_are_told_once_a_split(task, tmp_path):
    for k in (1, 3):
        task.add(f"gold/masks/g{k}.png", 255 - task.square(share=0.04))
    task.add("gold/masks/g4.png", 255 - task.square(share=0.07))
    task.add("test/masks/t2.png", np.full((64, 64), 255, np.uint8))
    report = judge(task, tmp_path / "out")
    advice = "look at them; where they are inverted, save them with 0 as the background"
    assert report.passed
    assert [str(finding) for finding in report.findings] == [
        f"data.gold: 2 gold masks are more than 95% foreground ({task.root}/gold/masks/g1.png is the first); {advice}",
        f"data.test: 1 test masks are more than 95% foreground ({task.root}/test/masks/t2.png is the first); {advice}",
    ]


def test_json_round_trip(spoiled):
    assert ValidationReport.from_json(spoiled.to_json()) == spoiled


def test_page_shows_all_and_escapes_names(task, tmp_path):
    name = "<script>alert(1)<"
    task.add(f"gold/images/{name}.png")
    report = judge(task, tmp_path / "out")
    page = report.html
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;.png" in page
    assert "not fit" in page and all(outcome.rule.split("'")[0] in page for outcome in report.outcomes)
    assert "http" not in page and len(page) < 30_000


@pytest.mark.skipif(not BUSI.exists(), reason=f"real ultrasound images are not at {BUSI}")
def test_testing_on_gold_is_an_error(tmp_path):
    data = config.Data(
        root=str(BUSI), unlabeled=config.Source(), test=config.Source(images="gold/images", masks="gold/masks")
    )
    report = validate(ingest(data, 0, tmp_path).inventory, data, config.Validation())
    assert broken(report, "error") == {"no image is in both test and training"} and len(report.errors) == 25
