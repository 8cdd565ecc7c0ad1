import re
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.errors import RunError
from medweave.quality.drift import act_on_drift, drift_from_gold, feature_frame, label_frames, label_report
from medweave.quality.features import COARSE_FEATURES, FEATURES, SHAPE_FEATURES, small_mask, small_view, view_features

EFFECT = 0.33


def frame(rows: int, seed: int, **shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = pd.DataFrame(rng.normal(0.5, 0.1, (rows, len(FEATURES))), columns=list(FEATURES))
    values["components"] = rng.integers(1, 3, rows).astype(float)
    return values.assign(**{name: values[name] + by for name, by in shift.items()})


@pytest.fixture(scope="module")
def frames():
    return {
        "gold": frame(25, 1),
        "weak": frame(60, 2, area_share=0.3, agreement=0.4),
        "synthetic": frame(40, 3).assign(contrast=np.nan),
        "few": frame(7, 4),
    }


@pytest.fixture(scope="module")
def report(frames):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the report went to the network"))
        return label_report(frames, EFFECT, seed=0)


def drifted(drift, source):
    return [found.feature for found in drift[source] if found.drifted]


def test_only_the_shifted_feature_has_drifted(report, frames):
    assert drifted(report.drift, "weak") == ["area_share"]
    assert drifted(report.drift, "synthetic") == []
    area = next(found for found in report.drift["weak"] if found.feature == "area_share")
    assert area.way == "higher"
    assert area.gold_median == np.median(frames["gold"]["area_share"])
    assert area.median == np.median(frames["weak"]["area_share"])
    pairs = np.sign(frames["weak"]["area_share"].to_numpy()[:, None] - frames["gold"]["area_share"].to_numpy())
    assert area.effect == pytest.approx(pairs.mean())


def test_p_is_adjusted_for_the_features_of_a_source(report):
    """The best p that 4999 permutations can give is 1/5000; it is the first of seven."""
    assert min(found.p for found in report.drift["weak"]) == pytest.approx(7 / 5000)


def test_wider_labels_about_the_same_middle_have_drifted():
    gold, weak = frame(25, 1), frame(100, 2)
    weak["center_x"] = 0.5 + 4 * (weak["center_x"] - 0.5)
    drift, _ = drift_from_gold({"gold": gold, "weak": weak}, EFFECT, seed=0)
    assert [(found.feature, found.way) for found in drift["weak"] if found.drifted] == [("center_x", "wider")]


def test_a_sure_but_small_difference_is_no_drift():
    drift, _ = drift_from_gold({"gold": frame(400, 1), "weak": frame(400, 2, area_share=0.03)}, EFFECT, seed=0)
    area = drift["weak"][0]
    assert (area.feature, area.drifted) == ("area_share", False)
    assert area.p < 0.05 and 0.1 < area.effect < EFFECT


def test_what_is_not_known_of_a_label_is_not_compared(report):
    assert [found.feature for found in report.drift["weak"]] == list(SHAPE_FEATURES)
    assert {found.feature for found in report.drift["synthetic"]} == set(SHAPE_FEATURES) - {"contrast"}


def test_small_sources_are_skipped_with_the_reason(report):
    assert "few" not in report.drift
    assert report.skipped == {"few": "only 7 few labels; 8 are needed"}


def test_small_gold_compares_nothing(frames):
    report = label_report({"gold": frames["gold"][:4], "weak": frames["weak"]}, EFFECT, seed=0)
    assert (report.html, report.drift) == (None, {})
    assert report.skipped == {"weak": "only 4 gold labels; 8 are needed"}


def test_constant_features_do_not_drift():
    same = pd.DataFrame(1.0, index=range(8), columns=list(FEATURES))
    drift, _ = drift_from_gold({"gold": same, "weak": same}, EFFECT, seed=0)
    assert {(found.p, found.way, found.drifted) for found in drift["weak"]} == {(1.0, "same", False)}


def test_the_page_is_whole_and_loads_nothing(report):
    assert "weak labels: area_share" in report.html and "synthetic labels: area_share" in report.html
    assert "few labels: " not in report.html
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=", report.html)
    assert not re.search(r"url\(\s*['\"]?http|fonts\.googleapis", report.html)


def test_evidently_shows_our_verdicts(report):
    assert report.html.count("Data drift detected. Drift detection method: permutation test") == 1
    assert report.html.count("Data drift not detected. Drift detection method: permutation test") == 12
    assert "Drift score: 0.001" in report.html
    assert '"drifted: higher"' in report.html and "only 7 few labels; 8 are needed" in report.html


def found(feature, differs, median=0.018):
    return {"feature": feature, "drifted": differs, "way": "lower", "median": median, "gold_median": 0.0724}


def told(**sources):
    return {"drift": {name.replace("_", " "): features for name, features in sources.items()}, "skipped": {}}


def test_accepted_labels_that_drifted_stop_the_run_in_one_line():
    report = told(weak=[found("area_share", True)], weak_accepted=[found("area_share", True), found("contrast", False)])
    with pytest.raises(RunError) as stopped:
        act_on_drift(report, "stop")
    assert str(stopped.value) == (
        "weak accepted labels are unlike gold: area_share lower (median 0.018, gold 0.0724). Look at labels.html and "
        "mend the labeler or its prompts, or train on them with quality.on_drift=warn"
    )


def test_labels_that_are_not_trained_on_warn_and_never_stop():
    report = told(weak=[found("area_share", True)], weak_accepted=[found("area_share", False)])
    for on_drift in ("warn", "stop"):
        assert act_on_drift(report, on_drift) == [
            "weak labels are unlike gold: area_share lower (median 0.018, gold 0.0724)"
        ]
    assert act_on_drift(report, "ignore") == []


def test_each_source_is_warned_of_on_its_own():
    report = told(weak=[found("area_share", True)], synthetic_accepted=[found("area_share", True)])
    words = "labels are unlike gold: area_share lower (median 0.018, gold 0.0724)"
    assert act_on_drift(report, "warn") == [f"weak {words}"]
    assert act_on_drift(report, "warn", "synthetic") == [f"synthetic accepted {words}"]


def test_accepted_labels_that_could_not_be_compared_are_warned_of():
    report = {
        "drift": {},
        "skipped": {"weak accepted": "only 4 weak accepted labels; 8 are needed", "weak review": "-"},
    }
    line = "weak accepted labels could not be compared with gold: only 4 weak accepted labels; 8 are needed"
    assert act_on_drift(report, "warn") == act_on_drift(report, "stop") == [line]
    assert act_on_drift(report, "ignore") == act_on_drift(report, "warn", "synthetic") == []


def test_what_was_chosen_to_differ_is_not_warned_of():
    assert act_on_drift(told(weak_rejected=[found("area_share", True)]), "stop") == []


def row(name, source, features, decision=None):
    return ImageRow(name, name, "x.png", "0" * 64, 8, 8, label_source=source, features=features, decision=decision)


def test_feature_frame_takes_the_measured_labels_of_one_source(tmp_path):
    measured = {name: float(k) for k, name in enumerate(FEATURES)}
    table = write_table(
        tmp_path,
        [
            row("a", "weak", {**measured, "mean": 7.0}),
            row("b", "gold", measured),
            row("c", "weak", {"mean": 3.0}),
            row("d", "weak", {k: v for k, v in measured.items() if k not in COARSE_FEATURES}),
        ],
    )
    weak = feature_frame(table, "weak")
    assert list(weak.index) == ["a", "d"] and list(weak.columns) == list(FEATURES)
    assert weak.loc["a"].to_dict() == measured
    assert weak.loc["d"].isna().sum() == 2
    assert len(feature_frame(table, "synthetic")) == 0


def test_made_labels_are_framed_all_together_and_by_decision(tmp_path):
    measured = {name: float(k) for k, name in enumerate(FEATURES)}
    gold = write_table(tmp_path / "gold", [row("g", "gold", measured)])
    weak = write_table(
        tmp_path / "weak",
        [
            row(name, "weak", measured, decision)
            for name, decision in zip("abc", ["accept", "reject", "accept"], strict=True)
        ],
    )
    frames = label_frames(gold, weak, write_table(tmp_path / "synthetic", []))
    assert {name: list(frame.index) for name, frame in frames.items()} == {
        "gold": ["g"],
        "weak": ["a", "b", "c"],
        "weak accepted": ["a", "c"],
        "weak rejected": ["b"],
    }


@pytest.fixture(scope="module")
def busi():
    """Features of BUSI's gold labels and of the weak ones that MedSAM made from boxes and from points."""
    root = Path(__file__).parents[2].parent / "shared" / "data" / "busi"
    if not root.is_dir():
        pytest.skip(f"no real data at {root}")

    def features(images, masks, names):
        measured = [
            view_features(
                small_view(to_rgb8(read_image(str(root / images / f"{name}.png"), 10**7)), None),
                small_mask(read_mask(MaskRef(uri=str(root / masks / f"{name}.png")), 1, 10**7)),
            )
            for name in names
        ]
        return pd.DataFrame(measured, columns=list(FEATURES), dtype=float)

    unlabeled = (root / "unlabeled_100.txt").read_text().split()
    return {
        "gold": features("gold/images", "gold/masks", sorted(path.stem for path in (root / "gold/masks").iterdir())),
        "box": features("unlabeled/images", "medsam_box", unlabeled),
        "points": features("unlabeled/images", "medsam_points", unlabeled),
    }


def test_medsams_box_labels_of_busi_are_too_small_and_its_points_labels_are_specks(busi):
    drift, _ = drift_from_gold(busi, EFFECT, seed=0)
    box, points = drift["box"][0], drift["points"][0]
    assert (box.feature, box.way, box.drifted) == ("area_share", "lower", True)
    assert (box.gold_median, box.median) == pytest.approx((0.072, 0.018), abs=0.001)
    assert not points.drifted
    assert {"components", "compactness"} <= set(drifted(drift, "points"))


def test_halves_of_busis_gold_are_alike(busi):
    rng = np.random.default_rng(3)
    for seed in range(10):
        order = rng.permutation(len(busi["gold"]))
        halves = {"gold": busi["gold"].iloc[order[:12]], "half": busi["gold"].iloc[order[12:]]}
        assert drifted(drift_from_gold(halves, EFFECT, seed)[0], "half") == []
