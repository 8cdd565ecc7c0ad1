"""Expert's corrections of labels: kept beside the data they belong to, added to and never changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from medweave import config
from medweave.data.masks import Array, encode_mask
from medweave.data.sources import located, root_of
from medweave.errors import InputError
from medweave.home import home

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Replaced(BaseModel):
    """The label that a correction takes the place of: its id (None: there was none), its mask's digest, its making."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_id: str | None
    mask_sha256: str
    made_by: dict[str, Any]


class Correction(BaseModel):
    """A mask that an expert drew or confirmed, for which image, by whom and when (UTC, ISO 8601).

    `supersedes` is the id of the correction of the image that was in force before. Masks are named by `mask_digest`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    image_id: str
    image_sha256: str
    image_uri: str
    group_id: str
    mask_sha256: str
    by: str
    when: str
    run: str
    replaces: Replaced
    supersedes: str | None = None

    @property
    def id(self) -> str:
        """Content address of image, mask, person and what is replaced, as 24 hexadecimal digits."""
        content = [self.image_sha256, self.mask_sha256, self.by, self.replaces.label_id, self.supersedes]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Kept:
    """A correction in a store, and the URI of its mask."""

    correction: Correction
    mask_uri: str

    @property
    def made_by(self) -> dict[str, Any]:
        """How the gold label came about, for the image table."""
        made = self.correction
        who = {"labeler": "expert", "by": made.by, "when": made.when}
        return {**who, "correction": made.id, "replaces": made.replaces.label_id}


class CorrectionStore:
    """A folder, or any fsspec URI, with `<id>.json` a correction and `masks/<digest>.png` a mask."""

    def __init__(self, location: str) -> None:
        self.location = location

    def current(self) -> dict[str, Kept]:
        """The correction in force of each image, by the image's SHA-256: the one that no other supersedes.

        Of several (two people at once) it is the latest. A store that is not there yet is empty. Raises InputError for
        a file that is no correction, and for a place out of reach.
        """
        corrections = self._read()
        superseded = {correction.supersedes for correction in corrections.values()}
        standing = [correction for name, correction in corrections.items() if name not in superseded]
        standing.sort(key=lambda correction: (correction.when, correction.id))
        return {c.image_sha256: Kept(c, self._mask_uri(c.mask_sha256)) for c in standing}

    def add(self, correction: Correction, mask: Array, replaced: Array, classes: int) -> None:
        """Keep a correction, its mask and the replaced one (HxW class maps); the JSON comes last."""
        scale = np.uint8(255 if classes == 1 else 1)
        for digest, pixels in ((correction.mask_sha256, mask), (correction.replaces.mask_sha256, replaced)):
            self._write(f"masks/{digest}.png", encode_mask(pixels * scale))
        self._write(f"{correction.id}.json", correction.model_dump_json(indent=1).encode())

    def _mask_uri(self, digest: str) -> str:
        return f"{self.location}/masks/{digest}.png"

    def _read(self) -> dict[str, Correction]:
        files, folder = self._open()
        corrections = {}
        try:
            for name in sorted(path for path in files.find(folder, maxdepth=1) if path.endswith(".json")):
                correction = Correction.model_validate_json(files.cat_file(name))
                corrections[correction.id] = correction
        except ValidationError as error:
            what = error.errors()[0]["msg"]
            raise InputError(f"{name}: is no correction ({what}); restore the file or take it out") from None
        except Exception as error:  # storage clients raise errors of their own
            raise InputError(f"{self.location}: cannot be read ({error}); check data.corrections") from None
        return corrections

    def _write(self, name: str, data: bytes) -> None:
        files, folder = self._open()
        path = f"{folder}/{name}"
        try:
            if files.exists(path):
                return
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
            files.pipe_file(f"{path}.part", data)
            files.mv(f"{path}.part", path)
        except Exception as error:  # storage clients raise errors of their own
            raise InputError(f"{self.location}: cannot be written ({error}); set data.corrections elsewhere") from None

    def _open(self) -> tuple[AbstractFileSystem, str]:
        import fsspec

        try:
            files, folder = fsspec.core.url_to_fs(self.location)
            files.invalidate_cache()
        except Exception as error:
            raise InputError(f"{self.location}: cannot be reached ({error}); check data.corrections") from None
        return files, folder.rstrip("/")


def store_of(data: config.Data, task: str) -> CorrectionStore:
    """The store that a task's settings name, or the one in medweave's home."""
    if data.corrections is None:
        return CorrectionStore(str(home() / "corrections" / task))
    path = str(Path(data.corrections).expanduser()) if data.corrections.startswith("~") else data.corrections
    return CorrectionStore(located(root_of(data), path).rstrip("/"))


def mask_digest(mask: Array) -> str:
    """SHA-256 of an HxW uint8 class map: of its size and its values, whatever file it is in."""
    return hashlib.sha256(f"{mask.shape}".encode() + np.ascontiguousarray(mask).tobytes()).hexdigest()
