"""A run that records in a store of its own, beside the one in home."""

import json

from medweave.config import Tracking
from medweave.tracking import connect


def test_commands_find_a_run_in_the_store_that_its_settings_name(trained, task_folder, medweave, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    changes = ["--set", f"tracking.uri={uri}", "--set", "task=far"]
    ended = medweave("run", "--config", trained.config, *changes, "--output", tmp_path / "output")
    assert ended.status == 0, ended.err
    run_id = json.loads((tmp_path / "output" / "summary.json").read_text())["run_id"]
    assert connect(Tracking(uri=uri)).get_model_version("medweave-far", "1").run_id
    assert "medweave-far" not in [model.name for model in connect(Tracking()).search_registered_models()]

    told = medweave("lineage", "run:latest", "--json")
    assert told.status == 0, told.err
    assert (json.loads(told.out)["model"], json.loads(told.out)["version"]) == ("medweave-far", 1)
    compared = medweave("lineage", "diff", f"run:{trained.summary['run_id']}", f"run:{run_id}", "--json")
    assert compared.status == 0, compared.err
    assert "romoted: " in medweave("promote", "run:latest").err

    predict = ["predict", "--model", "models:/medweave-far/1", "--images", task_folder / "test/images", "--output"]
    refused = medweave(*predict, tmp_path / "none")
    assert refused.status == 2
    assert refused.err.strip().endswith("if tracking.uri names another store, set MLFLOW_TRACKING_URI to it")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert medweave(*predict, tmp_path / "masks").status == 0
    assert len(list((tmp_path / "masks").iterdir())) == 6
