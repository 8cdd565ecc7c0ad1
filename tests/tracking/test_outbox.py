"""A run's record is kept until MLflow has it, and gets there once."""

import json

import pytest

from medweave.config import Tracking
from medweave.errors import InputError, RunError
from medweave.tracking import (
    Registration,
    RunRecord,
    add_file,
    add_samples,
    connect,
    destination,
    experiment,
    keep,
    keep_rest,
    kept,
    send,
)
from medweave.tracking.system_metrics import Sample, SystemMetrics

NAME = "medweave-demo"


@pytest.fixture
def record(segmenter, tmp_path, home):
    """Keep the record of a run, with files in a folder and three models; returns its folder."""

    def record(run_id="z1", settings=None):
        files = tmp_path / "lineage"
        files.mkdir(exist_ok=True)
        (files / "run.json").write_text("{}")
        run = RunRecord("demo", run_id, settings or {}, metrics={"test/final/dice": 0.5}, curves={"loss": [(1, 0.5)]},
                        artifacts=[files], tags={"zenml_run_id": run_id})  # fmt: skip
        models = dict.fromkeys(("coarse", "gold_only", "final"), segmenter)
        return keep(run_id, run, Registration(NAME, f"m {run_id}", "e", {"zenml_run_id": run_id}), models)

    return record


def runs(client):
    return client.search_runs([experiment(client, "demo")])


def test_a_record_gets_to_mlflow_whole_and_is_forgotten(client, record):
    folder = record()
    add_file(folder, "plots/dice.svg", "<svg/>")
    add_samples(folder, [Sample("system/cpu", 0.5, 1000, 0)])
    assert kept() == [folder]
    sent = send(client, folder)
    run = client.get_run(sent.run_id)
    assert run.data.metrics == {"test/final/dice": 0.5, "loss": 0.5, "system/cpu": 0.5}
    assert run.data.tags["medweave.version"] == sent.version.model_uri == f"models:/{NAME}/1"
    assert {file.path for file in client.list_artifacts(sent.run_id)} == {"lineage", "plots"}
    assert [file.path for file in client.list_artifacts(sent.run_id, "plots")] == ["plots/dice.svg"]
    models = [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    assert {model.name for model in models} == {"coarse", "gold_only", "final"}
    assert {model.status.value for model in models} == {"READY"}
    assert kept() == []


def test_what_a_broken_attempt_left_is_replaced(client, record):
    from medweave.tracking import log_run

    broken = log_run(client, RunRecord("demo", tags={"zenml_run_id": "z1"}))
    sent = send(client, record())
    assert [run.info.run_id for run in runs(client)] == [sent.run_id] != [broken]


def test_a_record_that_arrived_just_before_the_break_is_not_sent_again(client, record):
    first = send(client, record())
    client.delete_tag(first.run_id, "medweave.version")  # written after the version
    folder = record()
    add_file(folder, "report.html", "<p>")
    add_samples(folder, [Sample("system/cpu", 0.5, 1000, 0)])
    assert send(client, folder) == first
    (run,) = runs(client)
    assert run.data.tags["medweave.version"] == first.version.model_uri
    assert run.data.metrics["system/cpu"] == 0.5
    assert {file.path for file in client.list_artifacts(first.run_id)} == {"lineage", "report.html"}
    assert kept() == []


def test_what_mlflow_did_not_get_after_the_record_is_added_to_its_run(client, record):
    first = send(client, record())
    folder = keep_rest("z1", first.run_id, Tracking())
    add_file(folder, "report.html", "<p>")
    assert keep_rest("z1", first.run_id, Tracking()) == folder
    add_samples(folder, [Sample("system/cpu", 0.5, 1000, 0)])
    assert kept() == [folder]
    assert send(client, folder) == first
    assert client.get_run(first.run_id).data.metrics["system/cpu"] == 0.5
    assert {file.path for file in client.list_artifacts(first.run_id)} == {"lineage", "report.html"}
    assert kept() == []


def test_a_record_goes_to_the_mlflow_that_its_run_knew(record, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@there/mlflow")
    folders = [record("z1"), keep_rest("z2", "r", Tracking()), record("z3", {"tracking": {"uri": "http://here"}})]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    there = "postgresql://me:secret@there/mlflow"
    assert [destination(folder).uri for folder in folders] == [there, there, "http://here"]
    for path in (folders[0] / "record.json", folders[1] / "rest.json"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_records_wait_in_order_while_the_server_is_gone(client, record):
    folders = [record("z1"), record("z2", {"tracking": {"uri": "http://127.0.0.1:9"}})]
    with pytest.raises(InputError, match="MLflow cannot use this store"):
        connect(Tracking(uri="http://127.0.0.1:9"))
    assert kept() == folders
    assert [destination(folder).uri for folder in folders] == [None, "http://127.0.0.1:9"]
    assert [send(client, folder).version.version for folder in kept()] == [1, 2]


def test_a_record_is_kept_when_mlflow_fails_without_a_word(client, record, monkeypatch):
    def lost(*_):
        raise ConnectionResetError

    folder = record()
    monkeypatch.setattr(client, "search_model_versions", lost)
    with pytest.raises(RunError, match=r"^MLflow did not take the record \(ConnectionResetError\); it is kept"):
        send(client, folder)
    assert kept() == [folder]


def test_a_damaged_record_is_an_error_that_names_it(client, record):
    folder = record()
    (folder / "record.json").write_text(json.dumps({"run": {}}))
    with pytest.raises(InputError, match="z1: is no record of a run"):
        send(client, folder)


def test_the_machine_is_sampled_at_least_at_the_start_and_the_end():
    with SystemMetrics() as measured:
        pass
    cpu = [sample for sample in measured.samples if sample.name == "system/cpu_utilization_percentage"]
    assert len(cpu) >= 1
    assert [sample.step for sample in cpu] == list(range(len(cpu)))
    memory = [sample.value for sample in measured.samples if sample.name == "system/system_memory_usage_percentage"]
    assert all(0 < value <= 100 for value in memory)
