"""Lineage both ways over two runs with different data, against tables worked out by hand."""

import csv
import json
import shutil

import pytest
from rich.console import Console

from medweave.data import ImageRow, MaskRef, write_table
from medweave.errors import InputError
from medweave.tracking import (
    RunRecord,
    describe,
    diff,
    find_version,
    log_run,
    metrics_of,
    open_lineage,
    register_model,
    run_of,
    set_alias,
    trace,
)
from medweave.tracking.lineage import FOLDER, write_lineage
from medweave.tracking.lineage_tree import diff_tree, draw, model_tree, page, trace_tree

NAME = "medweave-demo"
COMPACT = {"labeler": "compact", "labeler_digest": "aa11", "coarse": "cc33", "prompts": [{"box": [1, 2, 3, 4]}]}
GENERATOR = {"generator": "gg55" * 16, "seed": 7, "condition": {"size": "large"}}


def row(image_id, source="none", made_by=None, mask=b"mask", **more):
    image = ImageRow(image_id, f"group of {image_id}", f"/data/{image_id}.png", f"sha of {image_id}", 8, 8)
    if source != "none":
        image = image.with_label(source, MaskRef(png=mask), made_by or {"labeler": "expert"})
    return ImageRow(**{**image.__dict__, **more})


G1 = row("g1", "gold")
G2 = row("g2", "gold")
W1 = row("w1", "weak", COMPACT, decision="accept", weight=0.75, predicted_dice=0.75, low=0.5, high=0.9)
W2 = row("w2", "weak", COMPACT, decision="reject", weight=0.0, predicted_dice=0.1)
W3 = row("w3")
CORRECTED = row(
    "w2", "gold",
    {"labeler": "expert", "by": "Dr. Who", "when": "2026-05-01T10:00:00+00:00", "correction": "k1",
     "replaces": W2.label_id},
)  # fmt: skip
W1_AGAIN = row("w1", "weak", {**COMPACT, "fitted_digest": "ff77"}, b"other mask", decision="accept", weight=0.5)
S1 = row("s1", "synthetic", {**COMPACT, **GENERATOR}, decision="accept", weight=0.25)
ENDS = {"low": -0.05, "high": 0.05}
RUNS = {
    "first": {"gold": [G1, G2], "weak": [W1, W2, W3], "synthetic": []},
    "second": {"gold": [G1, CORRECTED], "weak": [W1_AGAIN, W3], "synthetic": [S1]},
}
"""Labels by hand: the second run dropped g2, got w2 corrected, labelled w1 anew and made s1."""


@pytest.fixture
def versions(client, segmenter, tmp_path):
    """Two runs with lineage, each with a version of one model; the second is champion."""
    for number, (run, tables) in enumerate(RUNS.items(), 1):
        made = {name: write_table(tmp_path / run / name, rows, shard_rows=2) for name, rows in tables.items()}
        facts = {
            "task": "demo",
            "zenml_run_id": run,
            "code": {"medweave": "0.1.0", "digest": f"d{number}"},
            "config": {"seed": number, "quality": {"accept": 0.6}},
            "config_digest": f"config {run}",
            "datasets": {name: {"digest": t.digest, "rows": len(t), "where": t.root} for name, t in made.items()},
            "models": {"coarse": "cc33", "final": f"m{number}"},
            "fitted": {"digest": "ff77"},
            "calibration": {"source": "chain", "features": ["agreement"], "labels": 2, "groups": 2},
        }
        folder = tmp_path / run / FOLDER
        write_lineage(folder, made.values(), facts)
        metrics = {"test/final/dice": 0.5 + number / 10, "final 1/1 loss": 0.1}
        metrics |= {f"test/final/dice_{end}": metrics["test/final/dice"] + way for end, way in ENDS.items()}
        run_id = log_run(
            client,
            RunRecord("demo", artifacts=[folder], metrics=metrics, tags={"zenml_run_id": run}),
        )
        register_model(client, run_id, NAME, segmenter, model_digest=f"m{number}", evaluation_digest="e")
    set_alias(client, NAME, "champion", 2)
    set_alias(client, NAME, "previous", 1)
    return [find_version(client, f"models:/{NAME}/{number}") for number in (1, 2)]


def learned(client, version):
    lineage = open_lineage(client, version.run_id)
    table = lineage.column("label_id", "image_id", "source")
    return {(r["image_id"], r["label_id"], r["source"]): r["weight"] for r in table.to_pylist()}


def key(label):
    return label.image_id, label.label_id, label.label_source


def test_each_version_lists_the_labels_it_learned_from_with_their_weights(client, versions):
    assert learned(client, versions[0]) == {key(G1): 1.0, key(G2): 1.0, key(W1): 0.75}
    assert learned(client, versions[1]) == {key(G1): 1.0, key(CORRECTED): 1.0, key(W1_AGAIN): 0.5, key(S1): 0.25}


def test_a_version_is_described_by_how_its_labels_were_made(client, versions):
    first, second = (describe(client, version.model_uri, version.run_id, version) for version in versions)
    assert first["facts"]["labels"] == {
        "gold": {"made": 2, "learned": 2, "weight": 2.0},
        "weak": {"made": 2, "learned": 1, "weight": 0.75},
    }
    assert second["facts"]["labels"]["synthetic"] == {"made": 1, "learned": 1, "weight": 0.25}
    counted = {(m["source"], m["decision"], m["person"], m["generator"]): m["labels"] for m in second["makings"]}
    assert counted == {
        ("gold", None, None, None): 1,
        ("gold", None, "Dr. Who", None): 1,
        ("synthetic", "accept", None, GENERATOR["generator"]): 1,
        ("weak", "accept", None, None): 1,
    }
    assert (first["aliases"], second["aliases"]) == (["previous"], ["champion"])
    assert first["missing"] == second["missing"] == []
    assert second["metrics"] == pytest.approx(
        {"test/final/dice": 0.7, "test/final/dice_low": 0.65, "test/final/dice_high": 0.75}
    )
    assert run_of(client, "second") == versions[1].run_id
    json.dumps(second)


def test_a_label_has_its_whole_making(client, versions):
    (label,) = trace(client, "label", S1.label_id).labels
    assert (label["labeler"], label["weights"], label["coarse"]) == ("compact", "aa11", "cc33")
    assert (label["generator"], label["seed"], json.loads(label["condition"])) == (
        GENERATOR["generator"], "7", {"size": "large"},
    )  # fmt: skip
    assert json.loads(label["made_by"])["prompts"] == [{"box": [1, 2, 3, 4]}]
    (label,) = trace(client, "label", CORRECTED.label_id).labels
    assert (label["person"], label["date"]) == ("Dr. Who", "2026-05-01T10:00:00+00:00")
    assert (label["correction"], label["replaces"]) == ("k1", W2.label_id)


@pytest.mark.parametrize(
    ("kind", "value", "uses", "in_champion"),
    [
        ("image", "g1", {1: 1, 2: 1}, True),
        ("image", "g2", {1: 1}, False),
        ("image", "sha of g2", {1: 1}, False),
        ("image", "w1", {1: 1, 2: 1}, True),
        ("image", "w2", {1: 0, 2: 1}, True),
        ("label", G2.label_id, {1: 1}, False),
        ("label", W1.label_id, {1: 1}, False),
        ("label", W1_AGAIN.label_id, {2: 1}, True),
        ("label", W2.label_id, {1: 0, 2: 1}, True),  # rejected first; the second model learned from its correction
        ("labeler", "aa11", {1: 1, 2: 2}, True),
        ("labeler", "ff", {2: 1}, True),
        ("labeler", "cc33", {1: 1, 2: 2}, True),
    ],
)
def test_the_other_way_leads_to_the_models_that_learned_from_it(client, versions, kind, value, uses, in_champion):
    found = trace(client, kind, value)
    assert {use.version: use.learned for use in found.uses} == uses
    assert found.in_champion is in_champion
    assert {use.version: use.aliases for use in found.uses}.get(2, ("champion",)) == ("champion",)
    json.dumps(found.to_json())


@pytest.mark.parametrize("value", ["never was", "", "w", "x'; DROP TABLE runs; --", "[bold]\n<b>"])
def test_what_never_was_is_an_error(client, versions, value):
    with pytest.raises(InputError, match="none of the 2 registered versions with lineage knows it"):
        trace(client, "label", value)


def test_two_models_differ_as_worked_out_by_hand(client, versions):
    before, after = (open_lineage(client, version.run_id) for version in versions)
    found = diff(before, after, *(metrics_of(client, version.run_id) for version in versions))
    assert found["images"] == {"before": 3, "after": 4, "came": 2, "went": 1}
    assert found["labels"] == {"kept": 1, "reweighted": 0, "changed": 1}
    assert set(found["data"]) == {"gold", "weak", "synthetic"}
    assert found["code"] == {"digest": ["d1", "d2"]}
    assert found["config"] == {"seed": ["1", "2"]}
    assert set(found["metrics"]) == {"test/final/dice", "test/final/dice_low", "test/final/dice_high"}
    assert found["metrics"]["test/final/dice"] == {"before": 0.6, "after": 0.7, "difference": pytest.approx(0.1)}


def test_a_label_of_another_weight_is_told(client, versions, tmp_path):
    lighter = ImageRow(**{**W1.__dict__, "weight": 0.5})
    tables = [write_table(tmp_path / "lighter", [G1, G2, lighter])]
    facts = open_lineage(client, versions[0].run_id).facts
    write_lineage(tmp_path / "x" / FOLDER, tables, facts)
    run_id = log_run(client, RunRecord("demo", artifacts=[tmp_path / "x" / FOLDER]))
    found = diff(open_lineage(client, versions[0].run_id), open_lineage(client, run_id), {}, {})
    assert found["labels"] == {"kept": 2, "reweighted": 1, "changed": 0}


def shown(tree):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(draw(tree))
    return capture.get()


def test_trees_tell_it_and_take_odd_text_as_it_is(client, versions):
    described = describe(client, versions[1].model_uri, versions[1].run_id, versions[1])
    described["reference"] = "models:/[red]<b>&x"
    text = shown(model_tree(described))
    assert f"models:/[red]<b>&x (models:/{NAME}/2, champion)" in text
    assert "2 of 2 gold labels, weight 2" in text
    assert "expert, by Dr. Who, on 2026-05-01T10:00:00+00:00: 1" in text
    assert "compact, weights aa11, prompted by coarse model cc33, images by gg55gg55gg55: 1 accepted" in text
    drawn = page(model_tree(described))
    assert "models:/[red]&lt;b&gt;&amp;x" in drawn
    assert "<b>" not in drawn
    assert "test/final/dice: 0.7000 [0.6500, 0.7500]" in text
    assert "_low" not in text
    traced = shown(trace_tree(trace(client, "label", S1.label_id)))
    assert "seed: 7" in traced and "condition.size: large" in traced
    traced = shown(trace_tree(trace(client, "label", W1.label_id)))
    assert "predicted Dice 0.75 [0.50, 0.90]" in traced
    assert 'prompts: [{"box": [1, 2, 3, 4]}]' in traced
    traced = shown(trace_tree(trace(client, "label", W2.label_id)))
    assert f"models:/{NAME}/1 (previous): did not learn from it" in traced
    assert f"models:/{NAME}/2 (champion): learned from 1 of 1 label" in traced
    assert "a champion learned from it" in traced
    lineages = [open_lineage(client, version.run_id) for version in versions]
    assert "2 came, 1 went" in shown(diff_tree("1 → 2", diff(*lineages, {}, {})))


def test_all_labels_go_to_a_csv(client, versions, tmp_path):
    assert open_lineage(client, versions[1].run_id).write_csv(tmp_path / "labels.csv") == 4
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(r["image_id"], float(r["weight"])) for r in rows} == {("g1", 1), ("w2", 1), ("w1", 0.5), ("s1", 0.25)}


def test_lost_files_are_named(client, versions, home, tmp_path):
    run_id = versions[1].run_id
    (folder,) = home.glob(f"mlartifacts/*/{run_id}/artifacts/lineage")
    shutil.rmtree(tmp_path / "second" / "weak")
    (folder / "labels.parquet").unlink()
    lost = describe(client, versions[1].model_uri, run_id, versions[1])
    assert lost["facts"]["task"] == "demo"
    assert any("the table of weak images is missing" in text for text in lost["missing"])
    assert any("labels.parquet: is missing" in text for text in lost["missing"])
    found = trace(client, "image", "g1")
    assert [use.version for use in found.uses] == [1]
    assert "models:/medweave-demo/2" in found.missing[0]
    shutil.rmtree(home / "mlartifacts")
    lost = describe(client, versions[1].model_uri, run_id, versions[1])
    assert lost["facts"] is None
    assert any("the model's files are missing" in text for text in lost["missing"])
    assert "run.json: is missing" in shown(model_tree(lost))
    with pytest.raises(InputError, match="2 more cannot be looked at"):
        trace(client, "image", "g1")


def test_lineage_in_object_storage_is_read_where_it_is(client, versions, home, bucket):
    import fsspec

    experiment = client.create_experiment("elsewhere", artifact_location=f"{bucket}/mlflow")
    run = client.create_run(experiment)
    (local,) = home.glob(f"mlartifacts/*/{versions[1].run_id}/artifacts/lineage")
    fsspec.filesystem("s3").put(str(local), f"{run.info.artifact_uri}/lineage", recursive=True)
    there = open_lineage(client, run.info.run_id)
    assert there.labels_uri.startswith(f"{bucket}/mlflow/")
    here = open_lineage(client, versions[1].run_id)
    assert there.facts == here.facts
    assert there.makings() == here.makings()
    assert there.find(("label_id",), S1.label_id)["image_id"].to_pylist() == ["s1"]
    assert there.count(("weights",), "aa") == {"labels": 2, "learned": 2}
    assert not (home / "lineage").exists()


def test_many_parts_of_a_file_are_all_searched(client, versions, tmp_path, monkeypatch):
    from medweave.tracking import lineage

    monkeypatch.setattr(lineage, "ROWS_A_GROUP", 3)
    rows = [row(f"i{number}", "gold", {"labeler": "expert", "by": f"Dr. {number // 5}"}) for number in range(10)]
    write_lineage(tmp_path / "many" / FOLDER, [write_table(tmp_path / "t", rows)], {"task": "demo", "datasets": {}})
    run_id = log_run(client, RunRecord("demo", artifacts=[tmp_path / "many" / FOLDER]))
    many = open_lineage(client, run_id)
    assert many.find(("image_id", "label_id"), "i7")["label_id"].to_pylist() == [rows[7].label_id]
    assert many.count(("labeler",), "exp") == {"labels": 10, "learned": 10}
    assert [(making["person"], making["labels"]) for making in many.makings()] == [("Dr. 0", 5), ("Dr. 1", 5)]
