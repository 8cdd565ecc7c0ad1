"""The home folder."""

import pytest

from medweave.errors import InputError
from medweave.home import home


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


def test_home_is_made_and_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDWEAVE_HOME", "relative")
    assert home() == tmp_path / "relative"
    assert home().is_dir()


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(InputError, match="set MEDWEAVE_HOME to a folder of yours"):
        home()
