"""Commands that are the first to use a home, at the same time."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("model", "told"), [("run:latest", "no run has completed yet"), ("models:/x@champion", "no such registered model")]
)
def test_commands_that_make_the_stores_at_once_do_not_disturb_each_other(tmp_path, model, told):
    outside = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    command = [sys.executable, "-m", "medweave.cli", "predict", "--model", model]
    begun = [
        subprocess.Popen(
            [*command, "--images", str(tmp_path), "--output", str(tmp_path / "masks")],
            stderr=subprocess.PIPE,
            text=True,
            env={**outside, "MEDWEAVE_HOME": str(tmp_path / "home")},
        )
        for _ in range(3)
    ]
    ends = [(one.communicate()[1], one.returncode) for one in begun]
    assert all(status == 2 and told in line for line, status in ends), ends
