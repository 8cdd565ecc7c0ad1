"""The published weights that medweave knows by name."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medweave.errors import InputError

Kind = Literal["sam", "medsam"]
ModelType = Literal["vit_b", "vit_l", "vit_h"]


@dataclass(frozen=True)
class Published:
    """One file of weights, as its publisher gives it.

    `kind` says how images are fed (see `SamLabeler`), `size` is in bytes, `checksum` is "algorithm:hexadecimal digits".
    `url` is None where there is no direct download: a person takes the file from `page`.
    """

    name: str
    what: str
    kind: Kind
    model_type: ModelType
    file: str
    page: str
    url: str | None = None
    size: int | None = None
    checksum: str | None = None

    def to_bring(self) -> str:
        """The file, its size and where it is published, in words."""
        size = "" if self.size is None else f"{self.size / 1e6:,.0f} MB, "
        return f"{self.file} ({size}{self.url or self.page})"


_SAM_PAGE = "https://github.com/facebookresearch/segment-anything#model-checkpoints"
_SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
_MEDSAM_FOLDER = "https://drive.google.com/drive/folders/1ETWmi4AiniJeWOt6HAsYgTjYv_fkgzoN"

_ENTRIES = (
    Published(
        "sam_vit_b", "SAM (Kirillov et al., 2023), ViT-B", "sam", "vit_b", "sam_vit_b_01ec64.pth", _SAM_PAGE,
        f"{_SAM_FILES}/sam_vit_b_01ec64.pth", 375_042_383,
        "sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    Published(
        "sam_vit_l", "SAM, ViT-L", "sam", "vit_l", "sam_vit_l_0b3195.pth", _SAM_PAGE,
        f"{_SAM_FILES}/sam_vit_l_0b3195.pth", 1_249_524_607,
        "sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    Published(
        "sam_vit_h", "SAM, ViT-H", "sam", "vit_h", "sam_vit_h_4b8939.pth", _SAM_PAGE,
        f"{_SAM_FILES}/sam_vit_h_4b8939.pth", 2_564_550_879,
        "sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    Published(
        "medsam_vit_b", "MedSAM (Ma et al., 2024), ViT-B, for boxes", "medsam", "vit_b", "medsam_vit_b.pth",
        "https://zenodo.org/records/10689643", "https://zenodo.org/records/10689643/files/medsam_vit_b.pth",
        375_049_145, "md5:3bb6db55bd0c9ca30b61248bca72f8d6",
    ),
    Published(
        "medsam_point_vit_b", "MedSAM, ViT-B, for points (trained on abdominal CT)", "medsam", "vit_b",
        "medsam_point_prompt_flare22.pth", _MEDSAM_FOLDER,
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, Published] = {entry.name: entry for entry in _ENTRIES}


def published(name: str, catalogue: Mapping[str, Published] = CATALOGUE) -> Published:
    """The entry of this name. Raises InputError, with the nearest names, when there is none."""
    if name not in catalogue:
        near = difflib.get_close_matches(name, catalogue, n=2, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(catalogue)}"
        raise InputError(f"{name}: no weights of this name; {hint}")
    return catalogue[name]


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
