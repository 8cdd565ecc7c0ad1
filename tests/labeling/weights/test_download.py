import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medweave.errors import InputError, RunError
from medweave.labeling.weights.download import download, obtain

CONTENT = np.random.default_rng(0).bytes(1000)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_a_file_comes_whole_and_in_pieces(site, folder):
    site.content = CONTENT
    path = download(site.url, folder, chunk=300)
    assert path.read_bytes() == CONTENT and path.name.endswith("-model.pth")
    assert site.starts == [0, 300, 600, 900]
    assert list(folder.iterdir()) == [path]


def test_what_is_here_is_not_asked_for_again(site, folder):
    site.content = CONTENT
    path = download(site.url, folder)
    site.starts.clear()
    site.status = 500
    assert download(site.url, folder) == path and site.starts == []


def test_a_connection_cut_in_the_middle_is_resumed_at_the_right_byte(site, folder):
    site.content, site.cut_at = CONTENT, 550
    with pytest.raises(RunError, match="stopped after 500 of 1000 bytes"):
        download(site.url, folder, chunk=100)
    (part,) = folder.iterdir()
    assert part.name.endswith(".part") and part.read_bytes() == CONTENT[:500]
    site.cut_at = None
    site.starts.clear()
    assert download(site.url, folder, chunk=200).read_bytes() == CONTENT
    assert site.starts == [500, 700, 900]


def test_a_part_of_any_length_is_resumed(site, folder):
    site.content, site.cut_at = CONTENT, 550
    with pytest.raises(RunError):
        download(site.url, folder, chunk=100)
    (part,) = folder.iterdir()
    part.write_bytes(CONTENT[:333])  # a process killed while it wrote
    site.cut_at = None
    assert download(site.url, folder, chunk=100).read_bytes() == CONTENT


def test_another_version_is_not_patched_onto_the_old_one(site, folder):
    site.content, site.cut_at = CONTENT, 550
    with pytest.raises(RunError):
        download(site.url, folder, chunk=100)
    site.content, site.version, site.cut_at = CONTENT[::-1], "2", None
    site.starts.clear()
    path = download(site.url, folder, chunk=500)
    assert path.read_bytes() == CONTENT[::-1] and site.starts == [0, 500]
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("chunk", [300, 2000])
def test_a_server_without_ranges_sends_the_whole(site, folder, chunk):
    site.content, site.knows_ranges = CONTENT, False
    assert download(site.url, folder, chunk).read_bytes() == CONTENT
    assert site.starts == [0]


def test_of_a_whole_that_was_not_asked_for_the_rest_is_taken(site, folder):
    site.content, site.cut_at = CONTENT, 550
    with pytest.raises(RunError):
        download(site.url, folder, chunk=100)
    site.knows_ranges, site.cut_at = False, None
    assert download(site.url, folder, chunk=100).read_bytes() == CONTENT


def test_a_server_that_sends_other_bytes_than_asked_for(site, folder):
    site.content, site.short = CONTENT, 7
    with pytest.raises(RunError, match="sends other bytes than it is asked for"):
        download(site.url, folder, chunk=100)


def test_a_missing_file_and_a_missing_server_differ(site, folder):
    site.status = 404
    with pytest.raises(InputError, match=r"model.pth: no such file; check the URL"):
        download(site.url, folder)
    site.status = 503
    with pytest.raises(RunError, match=r"model.pth: cannot be reached"):
        download(site.url, folder)
    with pytest.raises(RunError, match="cannot be reached") as error:
        download("http://127.0.0.1:9/model.pth", folder)
    assert "\n" not in str(error.value)
    assert not list(folder.iterdir())


def test_other_places_and_paths(folder, tmp_path):
    file = tmp_path / "model.pth"
    file.write_bytes(CONTENT)
    assert obtain(file.as_uri(), folder, chunk=300).read_bytes() == CONTENT
    assert obtain(str(file), folder) == file
    for missing in (f"{file}x", f"{file.as_uri()}x"):
        with pytest.raises(InputError, match="no such file"):
            obtain(missing, folder)


def from_hub(tmp_path, *sources, **environment):
    """What `obtain` returns or raises in a process of its own, since the hub's client reads its environment once."""
    program = f"""
from pathlib import Path
from medweave.labeling.weights.download import obtain
for source in {sources!r}:
    try:
        print(obtain(source, Path({str(tmp_path)!r})))
    except Exception as error:
        print(type(error).__name__, error)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1", **environment}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines()


def test_the_model_hub(site, folder, tmp_path):
    endpoint = site.url.removesuffix("/weights/model.pth")
    site.content = CONTENT
    (path,) = from_hub(tmp_path, "hf:owner/name/sub/model.pth", HF_ENDPOINT=endpoint)
    assert Path(path).read_bytes() == CONTENT
    sources = "hf:owner/name/sub/model.pth", "hf:owner/name/other.pth"
    again, other = from_hub(tmp_path, *sources, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="1")
    assert again == path
    assert other.startswith("RunError hf:owner/name/other.pth: cannot be had from the model hub")
    with pytest.raises(InputError, match="not of the form hf:owner/name/file"):
        obtain("hf:owner/name", folder)
