"""Finished labels on disk, by how they were made: what is labelled once is not labelled again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medweave import progress
from medweave.data.table import ImageRow
from medweave.labeling.chain import Label
from medweave.writing import whole_file

RECIPES = 16
"""Folders of labels that are kept; those that were used longest ago go first."""


class LabelStore:
    """Labels that one recipe (JSON-serialisable) made, in a folder of its own under `root`, one file an image.

    Every entry carries its SHA-256: a damaged one is dropped and counts as missing. Where `folder` cannot be
    written, the store stays without what is put into it, and says so once.
    """

    def __init__(self, root: Path, recipe: Mapping[str, Any]) -> None:
        self.folder = root / _sha256(json.dumps(recipe, sort_keys=True).encode())[:32]
        self._writable = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.utime(self.folder)
            folders = sorted(root.iterdir(), key=lambda folder: folder.stat().st_mtime)
            for folder in folders[:-RECIPES]:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            self._give_up(error)

    def get(self, row: ImageRow) -> Label | None:
        """The label that was put for this image, if it is there and whole."""
        try:
            digest, _, text = self._path(row).read_bytes().partition(b"\n")
        except OSError:
            return None
        if _sha256(text).encode() != digest:
            return None
        entry = json.loads(text)
        return Label(_decoded(entry["coarse"]), _decoded(entry["mask"]), entry["made_by"], entry["features"])

    def put(self, row: ImageRow, label: Label) -> None:
        """Keep the label of an image."""
        if not self._writable:
            return
        coded = {"coarse": _encoded(label.coarse), "mask": _encoded(label.mask)}
        entry = {**coded, "made_by": label.made_by, "features": label.features}
        text = json.dumps(entry, sort_keys=True).encode()
        path = self._path(row)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as aside:
                aside.write_bytes(_sha256(text).encode() + b"\n" + text)
        except OSError as error:
            self._give_up(error)

    def _path(self, row: ImageRow) -> Path:
        key = _sha256(json.dumps([row.image_id, row.group_id, row.image_sha256]).encode())
        return self.folder / key[:2] / f"{key}.label"

    def _give_up(self, error: OSError) -> None:
        self._writable = False
        progress.say(f"  label: {self.folder}: cannot be written ({error.strerror}); labels are not kept for later")


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
