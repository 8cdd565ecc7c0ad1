"""Find a task's files in folders, CSVs and object storage, and pair images with masks; nothing is decoded here."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from medweave import config, progress
from medweave.data.inventory import SPLITS, Inventory, InventoryRow, Note, Split
from medweave.errors import InputError

LAYOUT = "a task's folder holds gold/images, gold/masks, unlabeled/images, test/images and test/masks"
Files = defaultdict[str, list[str]]
"""URIs by image id; more than one under an id is for validation to refuse."""


def find_files(settings: config.Data, root: str | None) -> Inventory:
    """All images, masks and pairs of the three splits, not yet read, in order of split and id.

    `root` is the folder or URI that relative paths start from (None: there is none, and they are refused). Raises
    InputError for a missing folder, CSV, or list, and for groups of which none is of an image.
    """
    if root is not None and not _exists(root):
        raise InputError(f"{root}: no such folder; set data.root to a task's folder ({LAYOUT})")
    notes: list[Note] = []
    found = {split: _find(split, settings, root, notes) for split in SPLITS}
    groups = _groups(settings, root, {row.image_id for rows in found.values() for row in rows}, notes)
    rows: list[InventoryRow] = []
    for split, of_split in found.items():
        grouped = [_grouped(row, row.given_group or groups.get(row.image_id)) for row in of_split]
        listed = getattr(settings, split).list
        rows += grouped if listed is None else _only_listed(split, grouped, listed, root)
    return Inventory(rows, list(dict.fromkeys(notes)))


def root_of(settings: config.Data) -> str | None:
    """`data.root` as a URI or an absolute path, or None without one."""
    if settings.root is None or "://" in settings.root:
        return settings.root
    return str(Path(settings.root).expanduser().resolve())


def located(base: str | None, path: str) -> str:
    """A path of the settings, which starts from `base` unless it is absolute or a URI.

    Raises InputError for a relative one without a base.
    """
    if "://" in path or Path(path).is_absolute():
        return path
    if base is None:
        raise InputError(f"{path}: data.root is not set; set it to a task's folder, or set data.phantoms ({LAYOUT})")
    return f"{base.rstrip('/')}/{path}"


def read_groups(uri: str, ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The groups that a CSV (columns image_id, group_id) gives the images `ids`, and its names that are none of them.

    A name is an image's id, or that with an image file's extension. Raises InputError for a CSV that cannot be read,
    lacks a column, states no group or names none of the images.
    """
    groups, strangers = _column(uri, "group_id", ids)
    if not groups and not strangers:
        raise InputError(f"{uri}: states no group; give each image_id its group_id, or do without this file")
    if not groups and ids:
        raise InputError(
            f"{uri}: names no image: '{strangers[0]}' is the first image_id there; write ids such as '{min(ids)}'"
        )
    return groups, strangers


def group_column(settings: config.Data, column: str, ids: Collection[str]) -> dict[str, str]:
    """A column of `data.groups` by image id, of the images `ids` whose cell is not empty; see `read_groups` for names.

    Raises InputError when there is no such column.
    """
    return _column(located(root_of(settings), settings.groups), column, ids)[0]


def _column(uri: str, column: str, ids: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """A CSV's column by image id, without empty cells, and the names there that are no image's."""
    from medweave.data.images import id_of_file

    values: dict[str, str] = {}
    strangers = []
    for row in _read_csv(uri, ("image_id", column)):
        name, value = row["image_id"], row[column]
        image_id = name if name in ids else id_of_file(name)
        if value and image_id in ids:
            values[image_id] = value
        elif value:
            strangers.append(name)
    return values, strangers


def _groups(settings: config.Data, root: str | None, ids: Collection[str], notes: list[Note]) -> dict[str, str]:
    is_default = settings.groups == config.Data.model_fields["groups"].default
    if is_default and (root is None or not _exists(located(root, settings.groups))):
        return {}
    uri = located(root, settings.groups)
    groups, strangers = read_groups(uri, ids)
    if strangers:
        message = f"{len(strangers)} of its ids are no image's ('{strangers[0]}' is the first)"
        notes.append(Note("groups name only images", uri, message, "write them as the images' names, or remove them"))
    return groups


def _grouped(row: InventoryRow, group: str | None) -> InventoryRow:
    return replace(row, group_id=group or row.image_id, given_group=group)


def _find(split: Split, settings: config.Data, root: str | None, notes: list[Note]) -> list[InventoryRow]:
    """The split's images, masks and pairs, not yet read, in order of their ids, with the groups of its own CSV."""
    source: config.Source = getattr(settings, split)
    groups: dict[str, str] = {}
    if source.csv is not None:
        images, masks = _from_csv(split, source.csv, root, groups)
    else:
        images, masks = _from_folders(split, settings, root, notes)
    rows = []
    for image_id in sorted({*images, *masks}):
        files = _pair(images[image_id], masks[image_id] if split != "unlabeled" else [])
        group = groups.get(image_id)
        rows += [InventoryRow(split, image_id, image_id, group, image, mask) for image, mask in files]
    return rows


def _pair(images: Sequence[str], masks: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Pairs of the images and masks of one id; where one side has more files, the other's last one is used again."""
    count = max(len(images), len(masks))
    sides = [[files[min(k, len(files) - 1)] if files else None for k in range(count)] for files in (images, masks)]
    return list(zip(*sides, strict=True))


def _from_folders(split: Split, settings: config.Data, root: str | None, notes: list[Note]) -> tuple[Files, Files]:
    source: config.Source = getattr(settings, split)
    if source.images is None:
        if split == "unlabeled":
            return Files(list), Files(list)
        raise InputError(f"data.{split}: names neither images nor a csv; set data.{split}.images or data.{split}.csv")
    if source.masks is None and split != "unlabeled":
        raise InputError(f"data.{split}.masks: is not set; name the folder of the {split} masks")
    masks = None if split == "unlabeled" else source.masks
    images = _list_folder(split, source.images, settings, root, notes)
    return images, _list_folder(split, masks, settings, root, notes)


def _list_folder(split: Split, path: str | None, settings: config.Data, root: str | None, notes: list[Note]) -> Files:
    from medweave.data.images import UnreadableImageError, list_folder, skipped_images

    files = Files(list)
    if path is None:
        return files
    try:
        folder = located(root, path)
        listed, subfolders = list_folder(folder)
    except UnreadableImageError:
        raise
    except InputError as error:
        without = ", or set data.unlabeled.images to null to go without" if split == "unlabeled" else ""
        raise InputError(f"{error} and data.{split} ({LAYOUT}){without}") from None
    for image_id, uri in listed:
        files[image_id].append(uri)
    read = _folders_read(settings, root)
    if skipped := skipped_images([uri for uri in subfolders if _place(uri) not in read]):
        advice = f"move them up into it, or list all images in a CSV (data.{split}.csv)"
        notes.append(Note("no images lie in subfolders", folder, skipped, advice))
    return files


def _folders_read(settings: config.Data, root: str | None) -> set[str]:
    """Where the images and masks of all splits are read from."""
    sources: list[config.Source] = [getattr(settings, split) for split in SPLITS]
    paths = [path for source in sources if source.csv is None for path in (source.images, source.masks)]
    return {_place(located(root, path)) for path in paths if path is not None}


def _place(uri: str) -> str:
    """A folder's address without its protocol, so that two ways to write it are equal."""
    import fsspec

    return str(fsspec.core.url_to_fs(uri)[1]).rstrip("/")


def _from_csv(split: Split, path: str, root: str | None, groups: dict[str, str]) -> tuple[Files, Files]:
    uri = located(root, path)
    rows = _read_csv(uri, ("image",) if split == "unlabeled" else ("image", "mask"))
    bases = [uri.rpartition("/")[0] if root is None else root, uri.rpartition("/")[0]]
    base = next((base for base in bases if any(_exists(located(base, row["image"])) for row in rows[:8])), bases[0])
    images, masks = Files(list), Files(list)
    for row in rows:
        name = Path(row["image"] or row.get("mask", "")).name
        image_id = row.get("image_id") or Path(name.removesuffix(".gz")).stem
        for files, column in ((images, "image"), (masks, "mask")):
            if row.get(column):
                files[image_id].append(located(base, row[column]))
        if row.get("group_id"):
            groups[image_id] = row["group_id"]
    return images, masks


def _only_listed(split: Split, rows: Sequence[InventoryRow], path: str, root: str | None) -> list[InventoryRow]:
    from medweave.data.images import read_bytes

    candidates = [located(base, path) for base in (root, str(Path.cwd())) if base is not None]
    uri = next((candidate for candidate in candidates if _exists(candidate)), None)
    if uri is None:
        raise InputError(
            f"{candidates[0]}: no such file; set data.{split}.list to a text file with one image id a line"
        )
    listed = {line.strip() for line in _decode(read_bytes(uri), uri).splitlines()} - {""}
    absent = sorted(listed - {row.image_id for row in rows})
    if absent:
        progress.say(f"{split}: {len(absent)} of {len(listed)} images listed in {uri} were not found")
    reason = f"is listed in {uri} but was not found"
    kept = [row for row in rows if row.image_id in listed]
    return kept + [InventoryRow(split, image_id, image_id, image_error=reason) for image_id in absent]


def _read_csv(uri: str, required: Sequence[str]) -> list[dict[str, str]]:
    """The CSV's rows as texts without surrounding blanks, "" for an empty cell."""
    from medweave.data.images import read_bytes

    if not _exists(uri):
        raise InputError(f"{uri}: no such CSV; set the path of a table with the columns {', '.join(required)}")
    reader = csv.DictReader(io.StringIO(_decode(read_bytes(uri), uri), newline=""))
    missing = [name for name in required if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{uri}: has no column '{missing[0]}'; its first line must name {', '.join(required)}")
    try:
        return [{str(name): str(value or "").strip() for name, value in row.items()} for row in reader]
    except csv.Error as error:
        raise InputError(f"{uri}: line {reader.line_num} is not valid CSV ({error}); mend it there") from None


def _decode(data: bytes, uri: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{uri}: is not UTF-8 text; save it as UTF-8") from None


def _exists(uri: str) -> bool:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        return bool(filesystem.exists(path))
    except Exception as error:
        raise InputError(f"{uri}: cannot be reached ({error}); check the address and the credentials") from None
