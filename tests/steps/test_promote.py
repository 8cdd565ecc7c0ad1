from medweave.config import parse_settings
from steps.promote import promote


def test_a_store_out_of_reach_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://who:secret@db/mlflow")
    told = promote.entrypoint({"version": None}, None, parse_settings({"task": "x"}))
    assert not told["judged"]
    assert "MLflow at postgresql://db/mlflow is out of reach" in told["reason"]
