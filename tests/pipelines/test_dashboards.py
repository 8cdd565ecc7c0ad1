from medweave.config import Tracking
from pipelines.dashboards import services


def test_the_password_of_a_database_is_in_no_command_and_no_link(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))
    stores = {
        "postgresql://who:secret@db/mlflow": "http://127.0.0.1:",
        "https://who:secret@host/mlflow": "https://host",
    }
    for uri, link in stores.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow = next(service for service in services(tmp_path, Tracking()) if service.name == "MLflow")
        assert mlflow.url.startswith(link)
        assert "secret" not in " ".join((*mlflow.command, mlflow.url))
        assert not mlflow.command or mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == uri
