"""One line of any error, for the messages that name it."""

import pytest

from medweave.errors import RunError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RunError("no space left\nat /a"), "no space left"),
        (ValueError("\n  the second line\n"), "the second line"),
        (OSError(), "OSError"),
        (RunError(" \n"), "RunError"),
    ],
)
def test_the_first_line_says_something(error, line):
    assert first_line(error) == line
