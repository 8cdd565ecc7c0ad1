"""A pipeline of two steps: images are labelled, and then counted."""

import os
import signal
import time
from pathlib import Path

import fsspec
import numpy as np
from zenml import pipeline, step
from zenml.enums import ExecutionMode

from medweave import shared
from medweave.config import Phantoms, Prompts
from medweave.data import ImageRow, write_table
from medweave.data.phantoms import write_phantoms
from medweave.errors import InputError
from medweave.home import home
from medweave.labeling import Bounds, Chain, ClassBounds, label_images
from medweave.labeling.ellipse import EllipseLabeler
from medweave.work import drop_finished, work_folder

IMAGES = 3
shared.EVERY = 0.1


class Bright:
    """A coarse model that finds what is bright, and is killed at the second image if it was never killed before."""

    digest = "bright"

    def __init__(self, work: Path, killed: bool) -> None:
        self.work, self.killed, self.seen = work, killed, 0

    def predict(self, images, rows):
        for _ in images:
            self.seen += 1
            if self.killed and self.seen == 2 and not (self.work / "killed").exists():
                (self.work / "killed").touch()
                wait_until_stored(self.work / "killed")
                os.kill(os.getpid(), signal.SIGKILL)
        bright = [(image.mean(axis=2) > np.percentile(image, 90)).astype(np.float32) for image in images]
        return [(one[None], {}) for one in bright]


def wait_until_stored(path: Path) -> None:
    """Return when a file is in the shared storage."""
    files = fsspec.filesystem("s3")
    while not files.exists(shared.shared_uri(path)):
        files.invalidate_cache()
        time.sleep(0.05)


@step(enable_cache=False)
def label_some(killed: bool) -> tuple[int, int]:
    """How many images have a label, and how many of them this pod was the one to label."""
    with work_folder("small") as work:
        write_phantoms(work / "images", Phantoms(size=64, gold=1, unlabeled=IMAGES, test=1), seed=0)
        paths = sorted((work / "images/unlabeled/images").glob("*.png"))
        rows = [ImageRow(path.stem, path.stem, str(path), path.stem, 64, 64) for path in paths]
        coarse = Bright(work, killed)
        bounds = Bounds((ClassBounds(0.0, 1.0, 0.0, 5),))
        chain = Chain(coarse, EllipseLabeler(1), bounds, Prompts(), 1)
        table = write_table(work / "table", rows, 1)
        return len(label_images(table, chain, "weak", work / "labels", 10_000, home() / "labels")), coarse.seen


@step(enable_cache=False)
def count(labels: int, how: str) -> int:
    """The number of labels; `never` fails always, and `mute` ends its process."""
    if how == "mute":
        print("cannot allocate", flush=True)
        os._exit(3)
    if how == "never":
        raise InputError(f"scan-{labels}.png: is truncated; copy it again")
    return labels


@pipeline(name="small", execution_mode=ExecutionMode.FAIL_FAST, enable_cache=False, on_cleanup=drop_finished)
def small(how: str) -> None:
    """Label, then count; `killed`: the first pod is killed when it has labelled one image."""
    labels, _ = label_some(how == "killed")
    count(labels, how)
