from pathlib import Path

import pytest

from medweave.writing import whole_file


def test_a_file_has_its_name_when_it_is_whole_and_leaves_nothing_otherwise(tmp_path):
    path = tmp_path / "a.json"
    with whole_file(path) as aside:
        aside.write_text("first")
        assert not path.exists() and aside.parent == tmp_path
    assert path.read_text() == "first"
    with pytest.raises(KeyError), whole_file(path) as aside:
        aside.write_text("half")
        raise KeyError
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [".", "/"])
def test_a_folder_is_no_file(path):
    with pytest.raises(IsADirectoryError), whole_file(Path(path)):
        pytest.fail("the block begins")
