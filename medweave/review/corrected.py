"""Read corrected masks out of a queue's folder, check every one, and keep them as corrections."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from medweave.data.coco import read_coco
from medweave.data.corrections import Correction, CorrectionStore, Kept, Replaced, mask_digest, store_of
from medweave.data.images import list_images, read_bytes
from medweave.data.masks import Array, read_mask
from medweave.data.table import MaskRef
from medweave.errors import InputError
from medweave.review.manifest import Proposal, Queue, read_manifest

Format = Literal["png", "coco"]
LEAVE_OUT: Mapping[Format, str] = {"png": "delete its mask", "coco": "take it out of annotations.json"}


@dataclass(frozen=True)
class Imported:
    """What an import did: corrections `added`, `known` before, masks `unchanged`, and boxes passed over."""

    added: int
    known: int
    unchanged: int
    boxes: int
    by: str
    location: str

    def told(self) -> Iterator[str]:
        """One line a fact."""
        yield f"corrected by {self.by}: {self.added} kept in {self.location}"
        if self.known:
            yield f"imported before: {self.known}, nothing was added"
        if self.unchanged:
            yield f"as proposed: {self.unchanged} left out (see --all and --format)"
        if self.boxes:
            yield f"boxes without an outline: {self.boxes} passed over"


def import_corrections(folder: Path, format_: Format, by: str, when: datetime, everything: bool = False) -> Imported:
    """Keep the masks in a queue's folder that differ from those proposed, and with `everything` also the others.

    Masks are `masks/<image_id>.png` (any format that is read) or, with `coco`, those of `annotations.json`; an image
    that is not there was not reviewed. A proposed mask that is empty and was left so is never taken. `when` is a time
    with a zone. The mask in force before, if there is one, stays in the store and is superseded.

    Raises InputError that lists everything that is wrong, and then nothing is imported: unknown ids, masks of another
    size, with values that are no class, unreadable, or emptied; images that have changed since the queue was written.
    """
    queue = read_manifest(folder)
    by = by.strip()
    if not by or not by.isprintable():
        raise InputError(f"--by {by!r}: is no name; say who corrected the masks")
    masks, problems, boxes = _masks(folder, format_, queue)
    proposals = {proposal.image_id: proposal for proposal in queue.proposals}
    proposed = {image_id: proposals[image_id].proposed() for image_id in masks}
    taken = {
        image_id: mask
        for image_id, mask in masks.items()
        if not np.array_equal(mask, proposed[image_id]) or (everything and mask.any())
    }
    for image_id, mask in taken.items():
        problems += _unfit(proposals[image_id], mask, folder, format_, image_id in boxes)
    if problems:
        raise InputError("\n".join([f"{folder}: nothing was imported, as not all of it is right", *problems]))
    store = store_of(queue.data, queue.task)
    added = _keep(store, queue, {k: (proposals[k], proposed[k], mask) for k, mask in taken.items()}, by, when)
    return Imported(added, len(taken) - added, len(masks) - len(taken), len(boxes), by, store.location)


def user_name() -> str:
    """The name of the user who runs this. Raises InputError where the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise InputError("--by: this system has no user name; say who corrected the masks") from None


def _keep(
    store: CorrectionStore,
    queue: Queue,
    taken: Mapping[str, tuple[Proposal, Array, Array]],
    by: str,
    when: datetime,
) -> int:
    """Add what the store does not have in force already; return how many."""
    current = store.current()
    added = 0
    for proposal, proposed, mask in taken.values():
        before = current.get(proposal.image_sha256)
        digest = mask_digest(mask)
        if before and _same(before, digest, by):
            continue
        correction = Correction(
            image_id=proposal.image_id,
            image_sha256=proposal.image_sha256,
            image_uri=proposal.image_uri,
            group_id=proposal.group_id,
            mask_sha256=digest,
            by=by,
            when=when.astimezone(UTC).isoformat(timespec="seconds"),
            run=queue.run,
            replaces=Replaced(label_id=proposal.label_id, mask_sha256=mask_digest(proposed), made_by=proposal.made_by),
            supersedes=before.correction.id if before else None,
        )
        store.add(correction, mask, proposed, len(queue.data.classes))
        added += 1
    return added


def _same(before: Kept, digest: str, by: str) -> bool:
    return (before.correction.mask_sha256, before.correction.by) == (digest, by)


def _masks(folder: Path, format_: Format, queue: Queue) -> tuple[dict[str, Array], list[str], Sequence[str]]:
    """The class maps in the folder by image id, what is wrong with them, and the image of each box passed over."""
    sizes = {proposal.image_id: (proposal.height, proposal.width) for proposal in queue.proposals}
    if format_ == "coco":
        path = folder / "annotations.json"
        found = read_coco(read_bytes(str(path)), sizes, queue.data.classes)
        return dict(found.masks), [f"{path.name}: {problem}" for problem in found.problems], found.boxes
    masks: dict[str, Array] = {}
    problems = []
    for image_id, uri in list_images(str(folder / "masks")):
        name = f"masks/{Path(uri).name}"
        if image_id not in sizes:
            problems.append(f"{name}: '{image_id}' is no image of this queue; rename or remove it")
            continue
        if image_id in masks:
            problems.append(f"{name}: is a second mask of '{image_id}'; remove one")
            continue
        try:
            mask = read_mask(MaskRef(uri=uri), len(queue.data.classes), queue.data.max_pixels)
        except InputError as error:
            problems.append(str(error))
            continue
        if mask.shape != sizes[image_id]:
            told, size = "{1}x{0}".format(*mask.shape), "{1}x{0}".format(*sizes[image_id])
            problems.append(f"{name}: the mask is {told} but its image is {size}; save it at the image's size")
            continue
        masks[image_id] = mask
    return masks, problems, ()


def _unfit(proposal: Proposal, mask: Array, folder: Path, format_: Format, boxed: bool) -> Iterator[str]:
    """Why this mask of the right size cannot be gold; `boxed` says that a box without an outline was passed over."""
    if not mask.any():
        empty = "its annotation has a box but no outline" if boxed else "the corrected mask is empty"
        yield (
            f"{proposal.image_id}: {empty}, and gold has to show the structure; "
            f"draw it, or {LEAVE_OUT[format_]} to leave the image out"
        )
    shown = folder / "images" / f"{proposal.image_id}.png"
    if shown.exists() and hashlib.sha256(shown.read_bytes()).hexdigest() != proposal.shown_sha256:
        yield f"images/{shown.name}: is not the image that was written; write the queue again"
    try:
        digest = hashlib.sha256(read_bytes(proposal.image_uri)).hexdigest()
    except InputError as error:
        yield str(error)
        return
    if digest != proposal.image_sha256:
        yield f"{proposal.image_uri}: has changed since the queue was written; run again and write a new queue"
