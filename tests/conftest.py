import hypothesis
import pytest

from medweave import progress

hypothesis.settings.register_profile("without time limits", deadline=None)
hypothesis.settings.load_profile("without time limits")


@pytest.fixture(autouse=True)
def plain_progress(monkeypatch):
    """The command line chooses a style for its process; a test must not choose it for the next one."""
    monkeypatch.setattr(progress, "_style", "lines")
