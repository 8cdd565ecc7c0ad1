"""What monitoring says of the newest runs of a task, asked of a real ZenML store."""

import time

import pytest
from zenml import pipeline, step
from zenml.client import Client

from pipelines.store import configure
from steps.refresh import newest_runs


@step(enable_cache=False)
def nothing() -> None:
    pass


@pipeline(name="training", enable_cache=False)
def training():
    nothing()


@pytest.fixture
def far_east(monkeypatch):
    """A process whose local time is 9 hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_run_began_when_it_did_whatever_the_local_time(far_east):
    configure()
    before = time.time()
    training.with_options(run_name="clock-2026_01_01-00_00_00_000000")()
    after = time.time()
    (run,) = newest_runs("clock")
    assert (run.pipeline, run.state) == ("training", "completed")
    assert before - 1 <= run.began <= after
    Client().delete_pipeline_run(Client().get_pipeline_run("clock-2026_01_01-00_00_00_000000").id)
