import mlflow.data
import pytest
from mlflow.entities import ViewType

from medweave.tracking import DatasetRecord, RunRecord, experiment, log_run
from medweave.tracking.runs import flatten


def test_settings_flatten_to_dotted_keys_and_json():
    nested = {"task": "demo", "data": {"root": None, "classes": ("a", "b"), "deep": {"on": True}}, "rate": 0.5}
    assert flatten(nested) == {
        "task": "demo",
        "data.root": "null",
        "data.classes": '["a", "b"]',
        "data.deep.on": "true",
        "rate": "0.5",
    }


def test_run_is_kept_with_all_that_was_logged(client, tmp_path):
    summary = tmp_path / "summary.json"
    summary.write_text("{}")
    record = RunRecord(
        task="demo",
        name="run-7",
        settings={"seed": 3, "segmentation": {"encoder": "resnet18"}},
        metrics={"test/final/dice": 0.75},
        curves={"final/loss": [(10, 0.5), (20, 0.25)]},
        artifacts=[summary],
        tags={"code_version": "0.1.0"},
        started=1_000,
        ended=61_000,
    )
    run_id = log_run(client, record)
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("run-7", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1_000, 61_000)
    assert run.info.experiment_id == experiment(client, "demo")
    assert run.data.params == {"seed": "3", "segmentation.encoder": "resnet18"}
    assert run.data.metrics == {"test/final/dice": 0.75, "final/loss": 0.25}
    assert run.data.tags["code_version"] == "0.1.0"
    history = client.get_metric_history(run_id, "final/loss")
    assert [(point.step, point.value) for point in history] == [(10, 0.5), (20, 0.25)]
    assert [file.path for file in client.list_artifacts(run_id)] == ["summary.json"]


def test_more_than_a_batch_and_longer_than_the_limits(client):
    record = RunRecord(
        task="demo",
        settings={f"p{k}": "x" * 7000 for k in range(101)},
        metrics={f"m{k}": float(k) for k in range(1001)},
        tags={f"t{k}": "y" * 9000 for k in range(101)},
    )
    data = client.get_run(log_run(client, record)).data
    assert data.params == {f"p{k}": "x" * 6000 for k in range(101)}
    assert data.metrics == {f"m{k}": float(k) for k in range(1001)}
    assert {key: value for key, value in data.tags.items() if key[0] == "t"} == {
        f"t{k}": "y" * 8000 for k in range(101)
    }


@pytest.mark.parametrize(
    ("source", "kind"), [("/data/gold", "local"), ("file:///data/gold", "local"), ("s3://bucket/gold", "s3")]
)
def test_datasets_carry_context_rows_and_digest(client, source, kind):
    digest = "0123456789abcdef" * 4
    run_id = log_run(client, RunRecord("demo", datasets=[DatasetRecord("busi-gold", "gold", digest, 25, source)]))
    (logged,) = client.get_run(run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.source_type) == ("busi-gold", kind)
    assert logged.dataset.digest == digest[:36]
    assert logged.dataset.profile == '{"num_rows": 25}'
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "gold", "medweave.digest": digest}
    assert mlflow.data.get_source(logged.dataset).uri == source


def test_run_whose_logging_breaks_off_is_failed(client, tmp_path):
    with pytest.raises(OSError, match="missing"):
        log_run(client, RunRecord("demo", artifacts=[tmp_path / "missing.json"]))
    (run,) = client.search_runs([experiment(client, "demo")], run_view_type=ViewType.ALL)
    assert run.info.status == "FAILED"
