"""What is installed, reachable or missing on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from medweave.compute import native_precision
from medweave.config import Tracking
from medweave.errors import InputError, first_line
from medweave.home import home

PACKAGES = (
    "zenml", "mlflow", "torch", "torchvision", "segment-anything", "segmentation-models-pytorch", "monai",
    "great-expectations", "evidently",
)  # fmt: skip
FREE_GB = 5


@dataclass(frozen=True)
class Check:
    """One thing looked at: `ok`, `note` (works, but know this) or `missing` (must be mended)."""

    name: str
    state: Literal["ok", "note", "missing"]
    what: str


def examine() -> Iterator[Check]:
    """Look at Python, packages, processor, home folder and stores, one after the other."""
    supported = (3, 11) <= sys.version_info[:2] <= (3, 12)
    yield Check("python", "ok" if supported else "missing", f"{platform.python_version()} (3.11 or 3.12 is needed)")
    for package in PACKAGES:
        yield _package(package)
    yield _guarded("operators", _operators)
    yield _guarded("device", _device)
    yield _guarded("home", _home)
    yield _guarded("mlflow store", _mlflow)


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "missing", "not installed; run 'make setup'")


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except InputError as error:
        return Check(name, "missing", str(error))
    except Exception as error:
        return Check(name, "missing", f"{type(error).__name__}: {first_line(error)}")


def _operators() -> Check:
    """torchvision's compiled operators need the same build of torch."""
    import torch
    from torchvision.ops import nms

    nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    return Check("operators", "ok", f"torchvision {version('torchvision')} fits torch {torch.__version__}")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        gigabytes = torch.cuda.get_device_properties(0).total_memory / 2**30
        precision = native_precision("cuda")
        return Check("device", "ok", f"{torch.cuda.get_device_name(0)}, {gigabytes:.0f} GiB, computes in {precision}")
    what = f"CPU with {os.cpu_count()} cores, computes in {native_precision('cpu')}; a GPU is used where there is one"
    return Check("device", "note", what)


def _home() -> Check:
    folder = home()
    free = shutil.disk_usage(folder).free / 1e9
    advice = "" if free >= FREE_GB else f"; free some, or set MEDWEAVE_HOME: a run wants {FREE_GB} GB"
    return Check("home", "ok" if free >= FREE_GB else "note", f"{folder}, {free:.0f} GB free{advice}")


def _mlflow() -> Check:
    from medweave.tracking import connect
    from medweave.uris import without_credentials

    client = connect(Tracking())
    models = client.search_registered_models(max_results=100)
    return Check("mlflow store", "ok", f"{without_credentials(client.tracking_uri)}, {len(models)} registered models")
