"""Phantoms as a task's folder: gold, unlabeled and test images as PNG, with groups.csv."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from medweave import progress
from medweave.config import Phantoms
from medweave.data.phantoms.dermoscopy import make_dermoscopy
from medweave.data.phantoms.shapes import Mask
from medweave.data.phantoms.ultrasound import make_ultrasound
from medweave.data.phantoms.xray import make_xray
from medweave.errors import InputError

MAKERS = {"ultrasound": make_ultrasound, "dermoscopy": make_dermoscopy, "xray": make_xray}
SPLITS = ("gold", "unlabeled", "test")
STAMP = "phantoms.json"
SHARED_PATIENTS = 0.2
"""Share of neighbouring images (0 and 1, 2 and 3, …) that come from one patient."""


def make_phantom(modality: str, size: int, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """Draw one image and its exact mask.

    Returns the image, uint8 (size, size), in RGB (size, size, 3) for dermoscopy, and the mask, uint8 (size, size) of
    0 and 1, never empty. Lengths scale with `size`, which is at least 64 pixels. Raises InputError for an unknown
    modality.
    """
    if modality not in MAKERS:
        raise InputError(f"unknown modality '{modality}'; choose one of {', '.join(MAKERS)}")
    return MAKERS[modality](size, rng)


def phantom(settings: Phantoms, seed: int, split: str, index: int) -> tuple[Mask, Mask]:
    """Image and exact mask of the image `SPLIT_INDEX` that `write_phantoms` writes, also where it writes no mask."""
    rng = np.random.default_rng((seed, SPLITS.index(split), index))
    return make_phantom(settings.modality, settings.size, rng)


def write_phantoms(folder: str | Path, settings: Phantoms, seed: int) -> None:
    """Write `gold` and `test` (images and masks of 0/255), `unlabeled` (images) and `groups.csv` into `folder`.

    Image i of a split depends on (seed, split, i) alone: the same seed gives the same bytes, and a larger count adds
    images to a smaller one. The folder appears whole or not at all; a folder that already holds these phantoms is
    left as it is. Raises InputError where `folder` holds anything else or cannot be written.
    """
    folder = Path(folder)
    stamp = {"seed": seed, **settings.model_dump()}
    if _holds(folder, stamp):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _fill(aside, settings, seed)
            (aside / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
            aside.chmod(0o755)
            _put(aside, folder, stamp)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None


def _holds(folder: Path, stamp: dict[str, object]) -> bool:
    """Whether `folder` is complete already; InputError when it holds something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != stamp:
        raise InputError(f"{folder}: holds something other than these phantoms; remove it or choose another folder")
    return True


def _put(aside: Path, folder: Path, stamp: dict[str, object]) -> None:
    try:
        aside.replace(folder)
    except OSError:  # fine when another process has finished the same phantoms meanwhile
        if not _holds(folder, stamp):
            raise


def _fill(root: Path, settings: Phantoms, seed: int) -> None:
    from PIL import Image

    counts = {split: getattr(settings, split) for split in SPLITS}
    groups = ["image_id,group_id"]
    with progress.task("phantoms", sum(counts.values())) as task:
        for number, (split, count) in enumerate(counts.items()):
            labelled = split != "unlabeled"
            (root / split / "images").mkdir(parents=True)
            if labelled:
                (root / split / "masks").mkdir()
            for index in range(count):
                name = f"{split}_{index:05d}"
                image, mask = phantom(settings, seed, split, index)
                Image.fromarray(image).save(root / split / "images" / f"{name}.png")
                if labelled:
                    Image.fromarray(mask * np.uint8(255)).save(root / split / "masks" / f"{name}.png")
                groups.append(f"{name},{split}_patient_{_patient(seed, number, index):05d}")
                task.advance()
    (root / "groups.csv").write_text("\n".join(groups) + "\n", encoding="utf-8")


def _patient(seed: int, split: int, index: int) -> int:
    """The patient's number: the image's own, or for some odd images that of the image before."""
    shared = index % 2 == 1 and np.random.default_rng((seed, split, index, len(SPLITS))).random() < SHARED_PATIENTS
    return index - shared
