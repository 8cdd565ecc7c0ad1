"""Which code this is: the version and a digest of the sources that a stage runs."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_SHARED = ("compute.py", "version.py")


@cache
def code_digest(*packages: str) -> str:
    """SHA-256 over the Python sources of these packages of medweave (all of them when none is named)."""
    root = Path(__file__).parent
    folders = [root / package for package in ("config", *packages)] if packages else [root]
    files = {root / name for name in _SHARED} | {path for folder in folders for path in folder.rglob("*.py")}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
