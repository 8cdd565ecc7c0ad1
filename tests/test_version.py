"""The digest of the code: it changes with what a stage runs, the built-in networks' weights included."""

import shutil
from pathlib import Path

import pytest

import medweave
from medweave import version


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the package whose digests are computed."""
    root = tmp_path / "medweave"
    shutil.copytree(Path(medweave.__file__).parent, root, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    monkeypatch.setattr(version, "__file__", str(root / "version.py"))
    version.code_digest.cache_clear()
    yield root
    version.code_digest.cache_clear()


def digest_after(change: Path, *packages: str) -> tuple[str, str]:
    before = version.code_digest(*packages)
    change.write_text(change.read_text() + "\n")
    version.code_digest.cache_clear()
    return before, version.code_digest(*packages)


@pytest.mark.parametrize(
    "file", ["segmentation/losses.py", "compact/encoder.py", "compact/compact.json", "config/settings.py"]
)
def test_what_a_stage_runs_changes_its_digest(sources, file):
    before, after = digest_after(sources / file, "segmentation")
    assert before != after


def test_another_stages_code_does_not(sources):
    before, after = digest_after(sources / "report/page.py", "data", "segmentation")
    assert before == after
    before, after = digest_after(sources / "report/charts.py")
    assert before != after
