"""A generator that several processes train is the one that a single process trains, but for rounding."""

import pytest

from medweave.synthesis import train_generator
from medweave.synthesis.gpus import train_in_processes


def test_two_processes_learn_what_one_learns(table, make_settings, tmp_path, capsys):
    settings = make_settings(batch_size=4, steps=6)
    together = train_in_processes(2, [table], settings, tmp_path / "two")
    assert "could not train" not in capsys.readouterr().err
    alone = train_generator([table], settings, tmp_path / "one")
    (step, loss), (_, expected) = together.card.training["losses"][-1], alone.card.training["losses"][-1]
    assert step == 6
    assert loss == pytest.approx(expected, rel=1e-3)


def test_where_several_processes_fail_one_goes_on(table, make_settings, tmp_path, capsys, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    made = train_in_processes(2, [table], make_settings(batch_size=3, steps=2), tmp_path / "work")
    assert not list(temporary.glob("torchelastic*"))  # what they say lies with the work, which is dropped at the end
    assert "2 processes could not train the generator" in capsys.readouterr().err
    assert made.card.training["steps"] == 2
