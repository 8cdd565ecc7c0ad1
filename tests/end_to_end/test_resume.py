"""A run that is killed goes on where it was, and comes to the same result."""

import json
import os
import signal
import subprocess
import sys


def test_a_killed_run_resumes_with_the_same_result(trained, tmp_path):
    outside = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    home = tmp_path / "home"
    command = [sys.executable, "-m", "medweave.cli", "run", "--config", str(trained.config)]
    environment = {**outside, "MEDWEAVE_HOME": str(home)}
    killed = subprocess.Popen(
        [*command, "--output", str(tmp_path / "killed")], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert killed.stderr is not None
    for line in killed.stderr:
        if "coarse fold 1/2: 4 in" in line:
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait()
    killed.stderr.close()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "summary.json").exists()
    assert list((home / "work").glob("coarse-*/fold-0/checkpoint.pt"))

    resumed = subprocess.run(
        [*command, "--output", str(tmp_path / "resumed")], capture_output=True, text=True, env=environment, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    summary = json.loads((tmp_path / "resumed" / "summary.json").read_text())
    assert summary["test"] == trained.summary["test"]
    assert summary["labels"] == trained.summary["labels"]
    assert not list((home / "work").glob("coarse-*"))
