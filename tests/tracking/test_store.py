import subprocess
import sys

import pytest

from medweave.config import Tracking
from medweave.errors import InputError
from medweave.tracking import artifact_root, connect, experiment, tracking_uri


def test_first_use_is_silent_offline_and_leaves_nothing_in_the_working_directory(first_use):
    assert first_use.output == ""
    assert first_use.left_in_working_directory == []
    assert (first_use.home / "mlflow.db").is_file()


def test_importing_tracking_does_not_import_mlflow():
    code = "import sys, medweave.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_settings_win_over_environment_over_embedded_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Tracking()) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env:5000")
    assert tracking_uri(Tracking()) == "http://env:5000"
    assert tracking_uri(Tracking(uri="http://yaml:5000")) == "http://yaml:5000"


def test_artifacts_lie_beside_sqlite_in_home_for_other_databases_and_with_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path))
    assert artifact_root("sqlite:////data/team/mlflow.db") == "file:///data/team/mlartifacts"
    assert artifact_root("postgresql+psycopg2://user@host/mlflow") == f"file://{tmp_path}/mlartifacts"
    assert artifact_root("http://host:5000") is None


def test_experiment_is_made_once_with_its_files_in_home(client, home):
    made = experiment(client, "demo")
    assert experiment(client, "demo") == made
    found = client.get_experiment(made)
    assert found.name == "medweave-demo"
    assert found.artifact_location.startswith((home / "mlartifacts").as_uri())


def test_deleted_experiment_is_restored(client):
    made = experiment(client, "demo")
    client.delete_experiment(made)
    assert experiment(client, "demo") == made
    assert client.get_experiment(made).lifecycle_stage == "active"


@pytest.mark.parametrize(
    "uri",
    ["nonsense://host", "sqlite:////no/such/folder/mlflow.db", "http://127.0.0.1:1", "no_such_driver+pg://host/mlflow"],
)
def test_store_that_cannot_be_opened_is_an_input_error_of_one_line(uri):
    with pytest.raises(InputError, match=r"^tracking\.uri: ") as caught:
        connect(Tracking(uri=uri))
    assert "\n" not in str(caught.value)
