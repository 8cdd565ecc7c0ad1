import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from medweave import __version__
from medweave.config import Prompts
from medweave.data import MaskRef, write_table
from medweave.data.masks import read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.errors import InputError
from medweave.labeling import Bounds, Chain, ClassBounds, NoMask, Prompt, Target, label_images
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.imported import ImportedMasks

BOUNDS = Bounds((ClassBounds(0.0, 1.0, 0.0, 5),))
PROMPTS = Prompts()


class Watched(EllipseLabeler):
    """An ellipse labeler that notes the images it is given."""

    def __init__(self):
        super().__init__(1)
        self.seen = []

    def segment(self, targets):
        self.seen += [target.image_id for target in targets]
        return super().segment(targets)


@pytest.fixture
def run(tmp_path, coarse):
    """Label a table into a folder; each folder has a store of its own unless one is named."""

    def label(table, folder="work", labeler=None, source="weak", prompts=PROMPTS, classes=1, store=None, **changed):
        asked = changed.get("precision", "auto")
        seen_by = changed.get("coarse", coarse)
        chain = Chain(seen_by, labeler or EllipseLabeler(1), BOUNDS, prompts, classes, precision=asked)
        store = tmp_path / (store or f"store of {folder}")
        return label_images(table, chain, source, tmp_path / folder, 10_000, store)

    return label


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_each_image_gets_the_mask_of_its_prompts_and_says_how(table, run, coarse):
    labelled = run(table, prompts=Prompts(margin=0.0))
    assert [row.image_id for row in labelled] == [row.image_id for row in table]
    row = next(iter(labelled))
    made_by = {"labeler": "ellipse", "labeler_digest": "", "version": __version__, "coarse": "coarse-digest"}
    assert row.label_source == "weak" and row.label_id
    assert made_by.items() <= row.made_by.items()
    assert set(row.made_by) == {*made_by, "prompts", "agreement"}
    prompts = tuple(map(Prompt.from_json, row.made_by["prompts"]))
    assert len(prompts) == 3 and prompts[0].box == pytest.approx((10, 10, 20, 30), abs=1.5)
    image = np.zeros((40, 60, 3), np.uint8)
    (made,) = EllipseLabeler(1).segment([Target("", "", "", image, prompts)])
    assert (read_mask(row.mask, 1, 10_000) == made.class_map()).all()
    assert row.made_by["agreement"] == pytest.approx(made.agreement, abs=1e-4) and 0.5 < made.agreement < 1
    expected, _ = coarse.predict([cv2.imread(row.image_uri)], [row])[0]
    assert np.abs(decode_probabilities(row.coarse, 1) - expected).max() <= 1 / 510 + 1e-6


def test_each_row_keeps_its_features_and_gets_those_of_the_coarse_model(table, tmp_path, run):
    measured = [type(row)(**{**vars(row), "features": {"sharpness": 0.5}}) for row in table]
    for _ in range(2):
        labelled = list(run(write_table(tmp_path / "measured", measured), store="labels"))
        assert [row.features for row in labelled] == [{"sharpness": 0.5, "flip_agreement": k / 10} for k in range(7)]


def test_an_image_without_a_prompt_stays_without_a_label(table, run, capsys):
    row = list(run(table))[3]
    assert row.label_source == "none" and row.label_id is None and not row.mask
    assert row.made_by == {"labeler": "ellipse", "labeler_digest": "", "version": __version__, "missing": "no prompt"}
    assert row.coarse is not None
    assert "1 of 7 images get no label: no prompt (1)" in capsys.readouterr().err


def test_synthetic_images_get_synthetic_labels(table, run):
    assert {row.label_source for row in run(table, source="synthetic")} == {"synthetic", "none"}


def test_gold_rows_lose_their_gold_label_and_those_without_a_made_one_cannot_be_checked(table, tmp_path, run, capsys):
    gold = [row.with_label("gold", MaskRef(uri="mask.png"), {"expert": "x"}, "sha") for row in table]
    labelled = list(run(write_table(tmp_path / "gold", gold)))
    assert [row.label_source for row in labelled] == ["weak"] * 3 + ["none"] + ["weak"] * 3
    assert all(row.mask.uri is None and "expert" not in row.made_by for row in labelled)
    assert labelled[3].label_id is None
    said = capsys.readouterr().err
    assert "label: 1 of 7 gold images get no weak label to compare with: no prompt (1)" in said


def test_the_labeler_gets_batches_in_order_and_whole_shards(tmp_path, write_images, run):
    sizes = []

    class Counting(EllipseLabeler):
        def segment(self, targets):
            sizes.append([target.image_id for target in targets])
            return super().segment(targets)

    table = write_table(tmp_path / "long", write_images(range(4, 54)), shard_rows=20)
    labelled = run(table, labeler=Counting(1))
    assert list(map(len, sizes)) == [16, 4, 16, 4, 10]
    assert (
        [name for batch in sizes for name in batch]
        == [row.image_id for row in labelled]
        == [str(number) for number in range(4, 54)]
    )


def test_the_labeler_is_told_all_about_the_image(table, run):
    targets = []

    class Noting(EllipseLabeler):
        def segment(self, some):
            targets.extend(some)
            return super().segment(some)

    rows = [row for row in run(table, labeler=Noting(1), prompts=Prompts(rounds=3)) if row.mask]
    for row, target in zip(rows, targets, strict=True):
        assert (target.image_id, target.image_sha256, target.group_id) == (row.image_id, row.image_sha256, row.group_id)
        assert (target.image == cv2.imread(row.image_uri)).all() and target.rounds == 3
        assert [prompt.to_json() for prompt in target.prompts] == row.made_by["prompts"]


@pytest.mark.parametrize("images", [0, 1, 2, 5])
def test_a_run_that_broke_goes_on_and_gives_the_same_table(table, tmp_path, run, images):
    whole = run(table, "whole")

    class Stopping(Watched):
        def segment(self, targets):
            if len(self.seen) + len(targets) > images:
                raise RuntimeError("power cut")
            return super().segment(targets)

    with pytest.raises(RuntimeError, match="power cut"):
        run(table, labeler=Stopping())
    watched = Watched()
    resumed = run(table, labeler=watched, store="empty")
    assert resumed.digest == whole.digest and files(tmp_path / "work") == files(tmp_path / "whole")
    # the shards are 0 1 | 2 3 (no prompt) | 4 5 | 6: those that were done are not done again
    assert watched.seen == {0: list("012456"), 1: list("012456"), 2: list("2456"), 5: list("6")}[images]


def test_what_was_labelled_in_the_same_way_is_not_labelled_again(tmp_path, write_images, run):
    few = write_table(tmp_path / "few", write_images([5, 3, 1]), shard_rows=2)
    before = {row.image_id: row for row in run(few, "first", store="labels")}
    watched = Watched()
    more = write_table(tmp_path / "more", write_images([0, 1, 2, 3, 4, 5]), shard_rows=4)
    after = {row.image_id: row for row in run(more, "second", watched, store="labels")}
    assert watched.seen == ["0", "2", "4"]
    assert all(after[image_id] == row for image_id, row in before.items())
    assert [row.label_source for row in after.values()] == ["weak"] * 3 + ["none"] + ["weak"] * 2


@pytest.mark.parametrize("change", ["prompts", "labeler", "coarse", "precision", "image"])
def test_another_recipe_or_image_makes_the_label_again(tmp_path, write_images, run, coarse, change):
    run(write_table(tmp_path / "before", write_images([5])), "first", store="labels")
    watched, rows, changed = Watched(), write_images([5]), {}
    if change == "prompts":
        changed["prompts"] = Prompts(margin=0.2)
    elif change == "labeler":
        watched.provenance = lambda image_id=None: {"labeler": "ellipse", "labeler_digest": "other"}
    elif change == "precision":
        changed["precision"] = "fp32"
    elif change == "coarse":
        changed["coarse"] = coarse
        coarse.digest = "other"
    else:
        rows = [type(row)(**{**vars(row), "image_sha256": "other"}) for row in rows]
    run(write_table(tmp_path / "again", rows), "second", watched, store="labels", **changed)
    assert watched.seen == ["5"]


def test_a_node_that_computes_in_another_precision_makes_no_label_again(tmp_path, write_images, run):
    class Node(Watched):
        def __init__(self, precision):
            super().__init__()
            self.precision = precision

        def provenance(self, image_id=None):
            return {**super().provenance(image_id), "precision": self.precision}

    other = Node("fp32")
    first = list(run(write_table(tmp_path / "few", write_images([5])), "first", Node("bf16"), store="labels"))
    again = list(run(write_table(tmp_path / "more", write_images([5, 6])), "second", other, store="labels"))
    assert other.seen == ["6"]
    assert again[0] == first[0]
    assert [row.made_by["precision"] for row in again] == ["bf16", "fp32"]


def test_imported_masks_need_no_prompts_and_are_told_by_their_content(table, tmp_path, run):
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((40, 60), np.uint8)
    mask[5:9, 5:9] = 255
    cv2.imwrite(str(folder / "3.png"), mask)
    labelled = list(run(table, labeler=ImportedMasks(str(folder), 1, 10_000)))
    assert (read_mask(labelled[3].mask, 1, 10_000) == mask // 255).all()
    assert set(labelled[3].made_by) == {"labeler", "labeler_digest", "mask_sha256", "version"}
    assert {row.made_by["missing"] for row in labelled if row.image_id != "3"} == {"no imported mask"}


def test_a_labeler_may_give_up_on_an_image(table, run):
    class Choosy(EllipseLabeler):
        def segment(self, targets):
            made = super().segment(targets)
            return [
                NoMask("too odd") if target.image_id == "5" else one for target, one in zip(targets, made, strict=True)
            ]

    labelled = list(run(table, labeler=Choosy(1)))
    assert labelled[5].label_source == "none" and labelled[5].made_by["missing"] == "too odd"
    assert labelled[6].label_source == "weak"


def test_a_coarse_model_that_gives_nan_costs_the_label_and_says_so(table, run, coarse):
    class Broken(type(coarse)):
        def predict(self, images, rows):
            seen = super().predict(images, rows)
            for (found, _), row in zip(seen, rows, strict=True):
                found[0, 3, 3] = np.nan if row.image_id == "4" else found[0, 3, 3]
            return seen

    labelled = list(run(table, coarse=Broken()))
    assert "coarse model gave probabilities that are not finite" in labelled[4].made_by["missing"]
    assert labelled[4].label_source == "none" and labelled[4].coarse is None and labelled[4].features == {}
    assert labelled[5].label_source == "weak"


def test_out_of_memory_halves_the_batch_and_an_image_that_never_fits_is_recorded(table, tmp_path, run, capsys):
    whole = list(run(table, "whole"))

    class Cramped(EllipseLabeler):
        def segment(self, targets):
            if len(targets) > 1 or targets[0].image_id == "4":
                raise MemoryError
            return super().segment(targets)

    labelled = list(run(table, labeler=Cramped(1), store="labels"))
    assert "label: out of memory with 2 images at once; on with 1" in capsys.readouterr().err
    assert labelled[4].made_by["missing"] == "out of memory" and labelled[4].label_source == "none"
    assert [row for row in labelled if row.image_id != "4"] == [row for row in whole if row.image_id != "4"]
    assert list(run(table, "again", store="labels")) == whole  # it is tried again


def test_a_coarse_model_of_other_classes_is_refused(table, run):
    with pytest.raises(InputError, match=r"has 1 classes, data\.classes has 2"):
        run(table, classes=2)


def test_an_image_that_cannot_be_read_is_named(table, tmp_path, run):
    (tmp_path / "images" / "4.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"4\.png"):
        run(table)


def test_an_empty_table_stays_empty(tmp_path, run):
    assert len(run(write_table(tmp_path / "none", []))) == 0


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import BrightIsObject
from medweave.config import Prompts
from medweave.data import ImageTable
from medweave.labeling import Bounds, Chain, ClassBounds, label_images
from medweave.labeling.ellipse import EllipseLabeler

class Telling(EllipseLabeler):
    def segment(self, targets):
        for target in targets:
            print(target.image_id, flush=True)
        return super().segment(targets)

chain = Chain(BrightIsObject(), Telling(1), Bounds((ClassBounds(0.0, 1.0, 0.0, 5),)), Prompts(), 1)
label_images(ImageTable(sys.argv[2]), chain, "weak", Path(sys.argv[3]), 10_000, Path(sys.argv[4]))
"""


def test_a_killed_process_goes_on_and_gives_the_same_bytes(tmp_path, write_images, run):
    table = write_table(tmp_path / "table", write_images(range(4, 104)), shard_rows=4)
    command = [sys.executable, "-c", PROGRAM, Path(__file__).parent, table.root, tmp_path / "work", tmp_path / "store"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE) as labelling:
        for _ in range(30):
            labelling.stdout.readline()
        labelling.kill()
    assert labelling.returncode == -signal.SIGKILL
    done = len(list((tmp_path / "work").glob("shard-*.parquet")))
    assert 7 <= done < 25 and not (tmp_path / "work" / "manifest.json").exists()

    watched = Watched()
    run(table, labeler=watched, store="store")
    run(table, "whole")
    assert watched.seen == [str(number) for number in range(4 + 4 * done, 104)]
    assert files(tmp_path / "work") == files(tmp_path / "whole")
