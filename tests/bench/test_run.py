import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from medweave import cli
from medweave.bench import Bench
from medweave.bench.run import _own_home
from medweave.errors import InputError
from medweave.labeling.weights import weights_folder


def test_what_is_available(folder):
    assert set(Bench(folder).labelers()) == {"ellipse", "grabcut", "compact"}
    learned = {"crop", "compact+adapted"}
    assert set(Bench(folder, folder).labelers()) == {"ellipse", "grabcut", "compact"} | learned
    for suffix in ("safetensors", "json"):
        (weights_folder() / f"medsam_vit_b.{suffix}").touch()
    labelers = Bench(folder, folder).labelers()
    assert {"medsam_vit_b", "medsam_vit_b+adapted"} <= set(labelers)
    assert labelers["medsam_vit_b+adapted"].adapt and labelers["medsam_vit_b"].labeler == "medsam"


def ellipse_dice(width, height):
    """Dice of a width x height rectangle with the ellipse inscribed in it."""
    x, y = (np.arange(width) + 0.5) / width * 2 - 1, (np.arange(height) + 0.5) / height * 2 - 1
    inside = int((np.hypot(*np.meshgrid(x, y)) < 1).sum())
    return 2 * inside / (inside + width * height)


def test_a_labeler_is_measured(folder):
    told = Bench(folder).run_one("ellipse")
    assert told["images"] == 3
    measured = told["labelers"]["ellipse"]
    assert list(measured) == ["gold_box", "jitter_5", "jitter_10", "jitter_20", "images_per_second", "peak_rss_mb"]
    two = ellipse_dice(40, 30) * 0.75 + ellipse_dice(20, 20) * 0.25
    expected = (ellipse_dice(30, 20) + ellipse_dice(20, 50) + two) / 3
    assert measured["gold_box"]["dice"]["mean"] == pytest.approx(expected, abs=0.002)
    assert measured["jitter_20"]["dice"]["mean"] < measured["gold_box"]["dice"]["mean"]
    assert 50 < measured["peak_rss_mb"] < 5000


def test_a_labeler_that_learns(folder):
    with pytest.raises(InputError, match="--only crop: not available here; there is ellipse, grabcut, compact"):
        Bench(folder).run_one("crop")


def test_coarse_boxes_need_gold(folder):
    with pytest.raises(InputError, match="--coarse: needs --gold"):
        Bench(folder, coarse=True).run_one("ellipse")


class Two(Bench):
    """One labeler that there is, and one that there is not."""

    def labelers(self):
        return {"ellipse": super().labelers()["ellipse"], "nothing": super().labelers()["ellipse"]}


def test_each_has_a_process_of_its_own_and_one_that_fails_does_not_stop_the_others(folder):
    told, failed = Two(folder, seed=5).run(quiet=True)
    assert failed == ["nothing"]
    assert told["images"] == 3
    here = Bench(folder, seed=5).run_one("ellipse")["labelers"]["ellipse"]
    assert told["labelers"]["ellipse"]["jitter_20"] == here["jitter_20"]


def test_images_with_an_empty_mask_are_told_once(folder, capfd):
    Image.new("L", (60, 40)).save(folder / "masks" / "one.png")
    told, failed = Two(folder).run(quiet=True)
    assert told["images"] == 2 and failed == ["nothing"]
    assert told["labelers"]["ellipse"]["gold_box"]["dice"]["mean"] > 0.5
    said = [line for line in capfd.readouterr().err.splitlines() if "empty mask" in line]
    assert said == [f"{folder}: images with an empty mask, left out: 1"]


def test_too_little_gold_to_learn_from_is_told_at_once(folder):
    with pytest.raises(InputError) as error:
        Bench(folder, folder).run(quiet=True)
    told = f"--gold {folder}: 3 images show a structure, and labelers that learn need 5; add more"
    assert str(error.value) == told


def test_the_home_is_another_one_but_for_the_weights(tmp_path):
    (weights_folder() / "kept.safetensors").touch()
    with _own_home():
        assert os.environ["MEDWEAVE_HOME"] != str(tmp_path / "home")
        assert (weights_folder() / "kept.safetensors").exists()
    assert os.environ["MEDWEAVE_HOME"] == str(tmp_path / "home")
    assert (weights_folder() / "kept.safetensors").exists()


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["medweave", "bench", "labelers", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def test_the_command_prints_json_or_a_table(monkeypatch, capsys, folder):
    arguments = ("--data", folder, "--only", "ellipse")
    status, out, _ = call(monkeypatch, capsys, *arguments, "--json")
    told = json.loads(out)
    assert status == 0 and told["images"] == 3
    mean, (low, high) = (told["labelers"]["ellipse"]["jitter_10"]["dice"][key] for key in ("mean", "ci95"))
    status, out, _ = call(monkeypatch, capsys, *arguments)
    assert status == 0 and f"{mean:.3f} ({low:.3f}-{high:.3f})" in out and "jitter 20" in out
    status, _, err = call(monkeypatch, capsys, "--data", folder / "no", "--only", "ellipse")
    assert status == 2 and len(err.splitlines()) == 1
