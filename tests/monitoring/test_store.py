import json
from multiprocessing import get_context

import pytest

from medweave.config import Settings
from medweave.monitoring.store import FACTS, ROWS, BatchStore, shared_store
from tests.monitoring.conftest import add, batch


def test_batches_come_back_as_they_were_oldest_first(store):
    later, first = add(store, batch(2, "drift")), add(store, batch(1))
    assert store.batches() == [first, later]
    assert [one.level for one in store.batches()] == ["ok", "drift"]
    assert store.uris() == {"/images/b001.png", "/images/b002.png"}
    assert {path.name for path in store.folder(first).iterdir()} == {FACTS, ROWS}
    assert sorted(path.name for path in (store.root / "batches").iterdir()) == ["b001", "b002"]


def test_the_same_images_judged_again_are_one_batch(store):
    add(store, batch(1))
    again = add(store, batch(2, digest=batch(1).digest))
    assert store.batches() == [again]


def test_what_a_killed_run_or_another_version_left_is_told_of_and_left_out(store, capsys):
    good = add(store, batch(1))
    for week, change in ((2, "{"), (3, json.dumps({"format": 0})), (4, json.dumps({"format": 1, "id": "x"}))):
        (store.folder(add(store, batch(week))) / FACTS).write_text(change)
    (store.folder(add(store, batch(5))) / ROWS).unlink()
    (store.root / "batches" / ".half").mkdir()
    capsys.readouterr()
    assert store.batches() == [good]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4 and all("is left out" in line for line in told)
    assert "written by another version" in told[1]


def test_a_batch_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.aside() as files:
        (files / ROWS).write_text("half")
        raise RuntimeError
    assert list((store.root / "batches").iterdir()) == []


def count_up(store, counter, together):
    together.wait()
    for _ in range(1000):
        with store.lock():
            counter.write_text(str(int(counter.read_text()) + 1))


def test_two_processes_hold_the_store_one_after_the_other(store):
    """Each reads a number, and writes it back larger by one, a thousand times."""
    counter = store.root / "counter"
    counter.write_text("0")
    fork = get_context("fork")
    together = fork.Barrier(2)
    running = [fork.Process(target=count_up, args=(store, counter, together)) for _ in range(2)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert [one.exitcode for one in running] == [0, 0]
    assert counter.read_text() == "2000"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match=r"file/tiny: cannot be written .*; choose another"):
        BatchStore(tmp_path / "file" / "tiny")


def test_a_pod_finds_the_batches_of_pods_before_it_and_none_that_were_replaced(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_SHARED", f"{bucket}/medweave")
    settings = Settings(task="tiny")
    again = batch(3, digest=batch(2).digest)
    for pod, news in (("one", [batch(1), batch(2)]), ("two", [again]), ("three", [])):
        monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / pod))
        with shared_store(settings) as store:
            for one in news:
                add(store, one)
    assert store.batches() == [batch(1), again]
