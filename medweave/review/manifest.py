"""What a queue's folder says of itself, so that corrections find the way back: `queue.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from medweave import config
from medweave.data.masks import Array, decode_mask
from medweave.errors import InputError

MANIFEST = "queue.json"


class Proposal(BaseModel):
    """An image of the queue and the label that was proposed for it.

    `image_sha256` is of the image at `image_uri`, `shown_sha256` of the queue's own copy. `mask` is the proposed class
    map as PNG (all 0 without a label): the mask in the folder is there to be changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: str
    group_id: str
    image_uri: str
    image_sha256: str
    shown_sha256: str
    height: int
    width: int
    label_id: str | None
    made_by: dict[str, Any]
    mask: Base64Bytes

    def proposed(self) -> Array:
        """The proposed mask as an HxW uint8 class map."""
        return decode_mask(self.mask)


class Queue(BaseModel):
    """The whole queue: of which task and run it is, and its images in the order of their rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    task: str
    run: str
    data: config.Data
    proposals: list[Proposal]


def read_manifest(folder: Path) -> Queue:
    """Read a queue's `queue.json`. Raises InputError where there is none, or a damaged one."""
    path = folder / MANIFEST
    try:
        return Queue.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{folder}: is no review queue (no {MANIFEST}); give a folder that 'medweave labels review' wrote"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and the access") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: is damaged at {where} ({first['msg']}); write the queue again") from None
