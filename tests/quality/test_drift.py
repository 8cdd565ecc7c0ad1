import re
import socket

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medweave.data.table import ImageRow, write_table
from medweave.quality.drift import feature_frame, label_report
from medweave.quality.features import COARSE_FEATURES, FEATURES


def frame(rows: int, seed: int, **shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = pd.DataFrame(rng.normal(0.5, 0.1, (rows, len(FEATURES))), columns=list(FEATURES))
    values["components"] = rng.integers(1, 3, rows).astype(float)
    return values.assign(**{name: values[name] + by for name, by in shift.items()})


@pytest.fixture(scope="module")
def frames():
    return {
        "gold": frame(25, 1),
        "weak": frame(60, 2, area_share=0.3),
        "synthetic": frame(40, 3).assign(**dict.fromkeys(COARSE_FEATURES, np.nan)),
        "few": frame(4, 4),
    }


@pytest.fixture(scope="module")
def report(frames):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the report went to the network"))
        return label_report(frames)


def test_only_the_shifted_feature_has_drifted(report):
    assert [name for name, (_, drifted) in report.drifted["weak"].items() if drifted] == ["area_share"]
    assert not any(drifted for _, drifted in report.drifted["synthetic"].values())


def test_scores_are_scipys_p_values(report, frames):
    for source in ("weak", "synthetic"):
        for feature, (score, _) in report.drifted[source].items():
            expected = stats.ks_2samp(frames["gold"][feature], frames[source][feature]).pvalue
            assert score == pytest.approx(expected), feature


def test_features_that_a_source_lacks_are_not_compared(report):
    assert set(report.drifted["weak"]) == set(FEATURES)
    assert set(report.drifted["synthetic"]) == set(FEATURES) - set(COARSE_FEATURES)


def test_small_sources_are_skipped_with_the_reason(report):
    assert "few" not in report.drifted
    assert report.skipped == {"few": "only 4 few labels; 5 are needed"}


def test_small_gold_compares_nothing(frames):
    report = label_report({"gold": frames["gold"][:4], "weak": frames["weak"]})
    assert (report.html, report.drifted) == (None, {})
    assert report.skipped == {"weak": "only 4 gold labels; 5 are needed"}


def test_constant_features_do_not_drift():
    same = pd.DataFrame(1.0, index=range(8), columns=list(FEATURES))
    assert not any(drifted for _, drifted in label_report({"gold": same, "weak": same}).drifted["weak"].values())


def test_the_page_is_whole_and_loads_nothing(report):
    assert "weak labels: area_share" in report.html and "synthetic labels: area_share" in report.html
    assert "few labels" not in report.html
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=", report.html)
    assert not re.search(r"url\(\s*['\"]?http|fonts\.googleapis", report.html)


def test_feature_frame_takes_the_measured_labels_of_one_source(tmp_path):
    def row(name, source, features):
        return ImageRow(name, name, "x.png", "0" * 64, 8, 8, label_source=source, features=features)

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
