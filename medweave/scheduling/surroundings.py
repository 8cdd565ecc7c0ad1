"""What a scheduled run finds around it, whoever starts it: its folder, and variables from medweave's home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from medweave.errors import InputError
from medweave.home import home
from medweave.scheduling.jobs import Job


@contextmanager
def surroundings(job: Job) -> Iterator[None]:
    """Set the variables that `environment` in medweave's home states, and be in the job's folder.

    Raises InputError when the folder is gone, and for a line of `environment` that states no variable.
    """
    os.environ.update(_stated(home() / "environment"))
    if not Path(job.folder).is_dir():
        raise InputError(f"{job.name}: its folder {job.folder} is gone; bring it back, or schedule again in another")
    with chdir(job.folder):
        yield


def _stated(file: Path) -> dict[str, str]:
    """The variables of a file of lines NAME=value, with # before comments and quotes around a value if it has them."""
    if not file.exists():
        return {}
    stated = {}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="surrogateescape").splitlines(), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip() or name.startswith("#"):
            continue
        if not equals or not name.isidentifier():
            raise InputError(f"{file}: line {number} is not NAME=value; mend it there")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        stated[name] = value[1:-1] if quoted else value
    return stated
