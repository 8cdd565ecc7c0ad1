"""Folders that pods share through object storage: here a server that speaks S3, and a home for each pod."""

import pytest

from medweave.errors import InputError
from medweave.shared import fetch, forget, shared, shared_uri


@pytest.fixture
def pod(bucket, tmp_path, monkeypatch):
    """Be in the home of a pod of this name; returns its folder `labels`."""
    monkeypatch.setenv("MEDWEAVE_SHARED", f"{bucket}/medweave/")

    def enter(name):
        monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / name))
        return tmp_path / name / "labels"

    return enter


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_pods_get_what_others_have_finished_and_no_more(pod):
    one = pod("one")
    with shared(one):
        (one / "deep").mkdir()
        (one / "deep/a").write_text("1")
        (one / "b").write_text("2")
        (one / "c.part").write_text("half")
        (one / ".hidden").write_text("half")
        (one / ".aside").mkdir()
        (one / ".aside/d").write_text("half")
    two = pod("two")
    with shared(two):
        assert contents(two) == {"deep/a": "1", "b": "2"}
        (two / "b").write_text("22")
        (two / "deep/a").unlink()
    three = pod("three")
    fetch(three)
    assert contents(three) == {"deep/a": "1", "b": "22"}
    forget(three)
    four = pod("four")
    fetch(four)
    assert contents(four) == {}


def test_what_was_finished_before_a_failure_is_sent_and_the_failure_stays(pod):
    one = pod("one")
    with pytest.raises(KeyError), shared(one):
        (one / "a").write_text("1")
        raise KeyError
    two = pod("two")
    fetch(two)
    assert contents(two) == {"a": "1"}


def test_files_are_sent_while_the_work_goes_on(pod, monkeypatch):
    import fsspec

    monkeypatch.setattr("medweave.shared.EVERY", 0.02)
    one = pod("one")
    storage = fsspec.filesystem("s3")
    with shared(one):
        (one / "a").write_text("1")
        while not storage.exists(shared_uri(one / "a")):
            storage.invalidate_cache()


def test_a_path_has_a_uri_only_in_a_home_that_is_shared(pod, tmp_path, monkeypatch):
    folder = pod("one")
    assert shared_uri(folder / "x.png") == "s3://hospital/medweave/labels/x.png"
    assert shared_uri(tmp_path / "x.png") == str(tmp_path / "x.png")
    monkeypatch.delenv("MEDWEAVE_SHARED")
    assert shared_uri(folder / "x.png") == str(folder / "x.png")
    with shared(folder):
        assert not folder.exists()


def test_a_bucket_that_is_not_there_is_named(pod, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_SHARED", "s3://elsewhere/medweave")
    folder = pod("one")
    with (
        pytest.raises(InputError, match=r"^s3://elsewhere/medweave/labels: cannot be reached .* check MEDWEAVE_SHARED"),
        shared(folder),
    ):
        (folder / "a").write_text("1")
