"""A folder of new images as an image table."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from medweave import progress
from medweave.data import ImageRow, ImageTable, write_table
from medweave.data.images import UnreadableImageError, decode_image, list_folder, read_bytes, skipped_images
from medweave.errors import InputError

READERS = 4
LAST = "last"
"""In place of a time: since the batches before."""


def take_batch(
    folder: str,
    since: datetime | None,
    seen: Collection[str] | None,
    max_pixels: int,
    to: Path,
    shard_rows: int = 64,
) -> tuple[ImageTable, list[str]]:
    """Write a table of the readable images of a folder or URI to `to`; returns it and a line for each other file.

    With `since` only files changed at that time or later are taken, with `seen`, the URIs of earlier batches, only
    others; the table is empty when all images of the folder are older or were seen. Raises InputError for a folder that
    is missing or has no images, and when there are such images but none can be read.
    """
    listed, subfolders = list_folder(folder)
    if skipped := skipped_images(subfolders):
        progress.say(f"warning: {folder}: {skipped}; move them up into it, or give their folder")
    if not listed:
        raise InputError(f"{folder}: no images here; give a folder with new images, or wait for some")
    found = [
        (image_id, uri)
        for image_id, uri in listed
        if uri not in (seen or ()) and (since is None or _changed(uri) >= since)
    ]
    problems: list[str] = []

    def rows() -> Iterator[ImageRow]:
        def read(named: tuple[str, str]) -> ImageRow | str:
            return _row(*named, max_pixels)

        with progress.task("read new images", len(found)) as shown, ThreadPoolExecutor(READERS) as readers:
            for row in readers.map(read, found):
                shown.advance()
                if isinstance(row, str):
                    problems.append(row)
                else:
                    yield row

    table = write_table(to, rows(), shard_rows)
    if found and not len(table):
        raise InputError(f"{folder}: none of the {len(found)} images can be read; the first: {problems[0]}")
    return table, problems


def _row(image_id: str, uri: str, max_pixels: int) -> ImageRow | str:
    try:
        data = read_bytes(uri)
        height, width = decode_image(data, uri, max_pixels).shape[:2]
    except UnreadableImageError as error:
        return str(error)
    return ImageRow(image_id, image_id, uri, hashlib.sha256(data).hexdigest(), height, width)


def _changed(uri: str) -> datetime:
    import fsspec

    fs, path = fsspec.core.url_to_fs(uri)
    changed: datetime = fs.modified(path)
    return changed if changed.tzinfo else changed.replace(tzinfo=UTC)
