"""Which code this is: the version and a digest of the sources that a stage runs."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_SHARED = ("compute.py", "version.py")
_SHARED_PACKAGES = ("config", "compact")


@cache
def code_digest(*packages: str) -> str:
    """SHA-256 over the sources of these packages of medweave (all of them when none is named), and of what they share.

    Sources are Python files, and the cards of the built-in networks, which name their weights' digest.
    """
    root = Path(__file__).parent
    folders = [root / package for package in (*_SHARED_PACKAGES, *packages)] if packages else [root]
    files = {root / name for name in _SHARED}
    files |= {path for folder in folders for suffix in ("py", "json") for path in folder.rglob(f"*.{suffix}")}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
