"""What an option's help says it is by default."""

import pytest
from typer.testing import CliRunner

from medweave.cli import app


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("run",), "output/TASK"),
        (("labels", "import"), "your user name"),
        (("weights", "fetch"), "the publisher's URL"),
        (("monitor",), "output/TASK"),
        (("schedule",), "the task's, or TASK-monitoring"),
        (("rollback",), "the only one"),
        (("synth", "sample"), "synthesis.count"),
    ],
)
def test_defaults_that_depend_are_shown(command, said):
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output
    assert f"[default: ({said})]" in shown
