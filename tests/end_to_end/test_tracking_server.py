"""A real MLflow server that goes away in mid-run: nothing is lost, and all is there when it is back."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

import steps.register
from medweave import promotion
from medweave.config import Tracking
from medweave.tracking import connect, kept, trace
from medweave.tracking.lineage_files import open_lineage

pytestmark = pytest.mark.soak


class Server:
    """MLflow on loopback, which hands out files itself; started anew it has all that it had."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri, self.folder = f"http://127.0.0.1:{self.port}", folder
        self.start()

    def start(self):
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--artifacts-destination", self.folder]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *store, *where]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for line in self.process.stdout:
            if "Uvicorn running on" in line:  # what it says before, it says before it listens
                break
        urllib.request.urlopen(f"{self.uri}/health", timeout=60).read()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path, trained):
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder)
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_server_that_goes_away_after_the_record_gets_the_rest_later(server, trained, medweave, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    promote = promotion.promote

    def server_dies_after(*arguments):
        made = promote(*arguments)
        server.stop()
        return made

    monkeypatch.setattr(promotion, "promote", server_dies_after)
    ended = medweave("run", "--config", trained.config, "--output", tmp_path / "output")
    assert ended.status == 1
    assert "MLflow did not get all of the run: send it with 'medweave runs sync'" in ended.err.splitlines()[-1]
    summary = json.loads((tmp_path / "output" / "summary.json").read_text())
    assert [folder.name for folder in kept()] == [summary["run_id"]]

    server.start()
    assert medweave("runs", "sync").status == 0
    assert kept() == []
    client = connect(Tracking())
    run_id = client.get_model_version("medweave-tiny", "1").run_id
    files = {file.path for file in client.list_artifacts(run_id)}
    assert {"report.html", "lineage", "scores", "plots", "config.yaml", "model_card.md"} <= files
    assert client.get_run(run_id).data.metrics["system/cpu_utilization_percentage"] >= 0


def test_a_server_that_is_gone_at_the_end_gets_the_record_later(
    server, trained, task_folder, medweave, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    write_lineage = steps.register.write_lineage

    def server_dies_first(*arguments):
        server.stop()
        return write_lineage(*arguments)

    monkeypatch.setattr(steps.register, "write_lineage", server_dies_first)
    output = tmp_path / "output"
    ended = medweave("run", "--config", trained.config, "--output", output)
    assert ended.status == 1
    assert "send the run's record with 'medweave runs sync'" in ended.err.splitlines()[-1]
    summary = json.loads((output / "summary.json").read_text())
    assert (summary["model"]["version"], summary["model"]["promoted"]) == (None, False)
    assert summary["test"] == trained.summary["test"]
    assert (output / "report.html").exists()
    assert [folder.name for folder in kept()] == [summary["run_id"]]
    assert medweave("runs", "sync").status == 2  # still gone
    assert [folder.name for folder in kept()] == [summary["run_id"]]

    server.start()
    assert medweave("runs", "sync").status == 0
    assert kept() == []
    client = connect(Tracking())
    version = client.get_model_version("medweave-tiny", "1")
    files = {file.path for file in client.list_artifacts(version.run_id)}
    assert {"report.html", "lineage", "scores", "plots", "config.yaml"} <= files
    lineage = open_lineage(client, version.run_id)
    assert lineage.facts["labels"]["gold"]["learned"] == 8
    (label,) = trace(client, "image", lineage.column("image_id")["image_id"][0].as_py()).labels
    assert label["task"] == "tiny"
    images = ["--images", task_folder / "test/images", "--output", tmp_path / "masks"]
    assert medweave("predict", "--model", "models:/medweave-tiny/1", *images).status == 0
    assert len(list((tmp_path / "masks").iterdir())) == 6
    judged = medweave("promote", "models:/medweave-tiny/1")
    assert "romoted: " in judged.err
