"""summary.json: counts by hand."""

from dataclasses import replace

from medweave.config import parse_settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.report import build_summary
from medweave.report.examples import find_rows, lowest

ROW = ImageRow("a", "a", "", "", 1, 1)
LABEL = ROW.with_label("weak", MaskRef(png=b""), {})


def test_labels_are_counted_by_decision_and_images_without_a_label_are_not_made(tmp_path):
    weak = [replace(LABEL, decision=d) for d in ("accept", "accept", "review", "reject")]
    tables = {
        name: write_table(tmp_path / name, rows)
        for name, rows in {
            "gold": [ROW] * 2,
            "unlabeled": [ROW] * 5,
            "test": [ROW] * 3,
            "synthetic": [],
            "weak": [*weak, replace(ROW, decision="reject")],
        }.items()
    }
    settings = parse_settings({"task": "x"})
    model = {"name": "medweave-x", "version": 2, "promoted": False, "reason": "…"}
    scores = {"dice": {"mean": 0.5, "ci95": [0.4, 0.6]}}
    summary = build_summary(
        "id", settings, tables, 4, scores, scores, scores["dice"], model, {"total": 9.0, "label": 2.0}, 7
    )
    assert summary["data"] == {"gold": 2, "unlabeled": 5, "synthetic": 0, "test": 3, "rejected": 4}
    assert summary["labels"]["weak"] == {"made": 4, "accepted": 2, "review": 1, "rejected": 1}
    assert summary["labels"]["synthetic"] == {"made": 0, "accepted": 0, "review": 0, "rejected": 0}
    assert summary["seconds"] == {"total": 9.0, "label": 2.0}
    assert summary["peak_rss_mb"] == 7
    assert summary["config_digest"] == settings.digest()
    assert list(summary) == [
        "run_id", "config_digest", "status", "data", "labels", "test", "delta", "model", "seconds", "peak_rss_mb",
        "report",
    ]  # fmt: skip


def test_the_lowest_come_first_and_ties_by_name():
    assert lowest({"a": 0.5, "b": 0.1, "d": 0.2, "c": 0.2}, 3) == ["b", "c", "d"]
    assert lowest({}, 3) == []


def test_rows_come_in_the_order_of_the_ids(tmp_path):
    table = write_table(tmp_path, [replace(ROW, image_id=name) for name in "abc"])
    assert [row.image_id for row in find_rows(table, ["c", "a"])] == ["c", "a"]
