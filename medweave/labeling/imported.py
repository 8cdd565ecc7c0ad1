"""Masks that any other tool made, taken from a folder by image id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medweave.data.images import list_images, read_bytes
from medweave.data.masks import read_mask
from medweave.data.table import MaskRef
from medweave.errors import InputError
from medweave.labeling.labelers import Made, NoMask, Target


class ImportedMasks:
    """A folder (or fsspec URI) with one mask an image, named by the image's id; any image format.

    Why an image gets no mask is said without the file's name, so that reasons can be counted. Raises InputError for a
    folder that is missing, holds no mask, or holds two masks of one id.
    """

    name = "imported"
    digest = ""
    requires_prompts = False

    def __init__(self, folder: str, classes: int, max_pixels: int) -> None:
        self._folder = folder
        self._classes = classes
        self._max_pixels = max_pixels
        self._masks: dict[str, str] = {}
        for image_id, uri in list_images(folder):
            if image_id in self._masks:
                raise InputError(f"{uri}: is a second mask of {image_id} beside {self._masks[image_id]}; remove one")
            self._masks[image_id] = uri
        if not self._masks:
            raise InputError(f"{folder}: holds no masks; put one image file a mask there, named by the image's id")

    def provenance(self, image_id: str | None = None, /) -> dict[str, Any]:
        """The SHA-256 of the image's mask; without an image, one that changes when any file of the folder does."""
        made_by = {"labeler": self.name, "labeler_digest": self.digest}
        if image_id is None:
            return {**made_by, "folder_sha256": self._state()}
        return {**made_by, "mask_sha256": hashlib.sha256(read_bytes(self._masks[image_id])).hexdigest()}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """Probabilities 0 or 1; no mask where the folder has none, or one that cannot be read or is of another size."""
        return [self._label(target) for target in targets]

    def _label(self, target: Target) -> Made | NoMask:
        uri = self._masks.get(target.image_id)
        if uri is None:
            return NoMask("no imported mask")
        try:
            mask = read_mask(MaskRef(uri=uri), self._classes, self._max_pixels)
        except InputError as error:
            return NoMask(f"imported mask: {str(error).removeprefix(f'{uri}: ')}")
        if mask.shape != target.image.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (mask.shape, target.image.shape[:2])]
            return NoMask(f"imported mask: is {sizes[0]} pixels, its image {sizes[1]}")
        if not mask.any():
            return NoMask("imported mask: is empty")
        classes = np.arange(1, self._classes + 1, dtype=np.uint8)[:, None, None]
        return Made((mask == classes).astype(np.float32))

    def _state(self) -> str:
        """Digest of all names, sizes and versions, without reading the files."""
        import fsspec

        state = hashlib.sha256()
        for image_id, uri in self._masks.items():
            fs, path = fsspec.core.url_to_fs(uri)
            state.update(f"{image_id}\n{fs.ukey(path)}\n".encode())
        return state.hexdigest()


def find_masks(imported: str | None, data_root: str | None, setting: str = "labeling.imported") -> str:
    """The folder of masks: under `data_root` if it is there, else from the working directory.

    Raises InputError naming the setting and both places.
    """
    if imported is None:
        raise InputError("labeling.labeler=imported: labeling.imported is not set; give the folder of masks")
    places = [imported]
    if data_root is not None and "://" not in imported and not Path(imported).expanduser().is_absolute():
        places.insert(0, f"{data_root.rstrip('/')}/{imported}")
    problems = []
    for place in places:
        try:
            list_images(place)
            return place
        except InputError as error:
            problems.append(str(error))
    raise InputError(f"{setting}={imported}: {'; '.join(problems)} (from {Path.cwd()})")
