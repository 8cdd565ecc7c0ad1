"""A scheduled run: skipped when nothing changed, alone, told to a real HTTP server however it ends."""

import shutil

import pytest

from medweave.config import Labeling, Phantoms, Settings
from medweave.data.phantoms import write_phantoms
from medweave.errors import RunError
from medweave.scheduling import held, last_run
from pipelines.scheduled import fingerprint, retrain, watch

MODEL = {"model": {"name": "medweave-tiny", "version": 3, "reason": "Not promoted: it is worse."}}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))
    write_phantoms(tmp_path / "task", Phantoms(size=64, gold=4, unlabeled=3, test=4), seed=1)
    return Settings(task="tiny", data={"root": str(tmp_path / "task"), "classes": ("lesion",)})


def test_it_trains_once_for_the_same_images_and_again_for_a_new_one(settings, told, tmp_path):
    trained = []

    def train(of, output):
        trained.append(output)
        return MODEL

    ends = [retrain("weekly", settings, tmp_path / "output", train) for _ in range(2)]
    assert ends[0] == "weekly: medweave-tiny version 3: Not promoted: it is worse."
    assert "nothing relevant has changed since the last run, which ended so: medweave-tiny version 3" in ends[1]
    assert len(trained) == 1

    image = min((tmp_path / "task/unlabeled/images").iterdir())
    shutil.copy(
        min((tmp_path / "task/test/images").iterdir()), tmp_path / "task/unlabeled/images" / f"new{image.suffix}"
    )
    retrain("weekly", settings, tmp_path / "output", train)
    assert len(trained) == 2
    assert [message["status"] for message in told] == ["success", "unchanged", "success"]
    assert told[0]["text"] == "medweave tiny: medweave-tiny version 3: Not promoted: it is worse."


def test_a_failure_is_told_and_the_next_run_tries_again(settings, told, tmp_path):
    def fail(of, output):
        raise RunError("step label: the loss is not finite")

    for _ in range(2):
        with pytest.raises(RunError, match="the loss is not finite"):
            retrain("weekly", settings, tmp_path, fail)
    assert last_run("weekly") is None
    assert [message["status"] for message in told] == ["failure", "failure"]
    assert "step label: the loss is not finite" in told[0]["text"]


def test_it_never_overlaps_itself(settings, told, tmp_path):
    with held("weekly"):
        assert "still going on" in retrain("weekly", settings, tmp_path, pytest.fail)
    assert told == []


def test_monitoring_says_what_came_of_it_tells_of_failures_and_never_overlaps_itself(settings, told):
    judged = {"verdict": {"level": "drift"}, "images": 3}
    assert watch("daily", settings, lambda: judged) == "daily: drift, 3 new images"
    with held("daily"):
        assert "still going on" in watch("daily", settings, pytest.fail)
    assert told == []

    def fail():
        raise RunError("step judge_batch: no")

    with pytest.raises(RunError):
        watch("daily", settings, fail)
    assert [(message["status"], message["text"]) for message in told] == [
        ("failure", "medweave tiny: step judge_batch: no")
    ]


def test_what_decides_about_the_model_is_relevant_and_where_it_runs_is_not(settings):
    before = fingerprint(settings)
    assert (
        fingerprint(settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"parallel": 9})}))
        == before
    )
    assert fingerprint(settings.model_copy(update={"seed": 1})) != before


def test_another_imported_mask_is_relevant(settings, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for way in ({"labeler": "imported", "imported": str(masks)}, {"second_opinion": str(masks)}):
        made_by = settings.model_copy(update={"labeling": Labeling(**way)})
        (masks / "a.png").write_bytes(b"one")
        before = fingerprint(made_by)
        assert fingerprint(made_by) == before
        (masks / "a.png").write_bytes(b"another")
        assert fingerprint(made_by) != before


def test_a_webhook_that_is_gone_fails_nothing(settings, told, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_WEBHOOK", "http://127.0.0.1:1/hook")
    assert "version 3" in retrain("weekly", settings, tmp_path, lambda *_: MODEL)
