"""Promptable models side by side on images with gold; each in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medweave import progress
from medweave.bench.coarse import coarse_boxes
from medweave.bench.data import JITTERS, MAX_PIXELS, GoldFolder, gold_boxes, gold_folder
from medweave.bench.measuring import Prompting, measure
from medweave.compute import device, precision
from medweave.config import Compute, Labeling, Prompts, Segmentation
from medweave.data.splits import group_folds
from medweave.errors import InputError
from medweave.home import home
from medweave.labeling import Labeler, Prompt, create_labeler
from medweave.labeling.weights import CATALOGUE, find_weights, weights_folder

BOXES = Prompts(margin=0.0, jitters=0)


@dataclass(frozen=True)
class Bench:
    """What labelers are measured on: the folder `data`, which holds `images` and `masks` of so many classes.

    With `gold`, a folder alike, there are also labelers that learn from it, and with `coarse` also the boxes of a
    coarse model that is trained on it.
    """

    data: Path
    gold: Path | None = None
    classes: int = 1
    coarse: bool = False
    seed: int = 0

    def labelers(self) -> dict[str, Labeling]:
        """The settings of every labeler that is available on this machine, by the name it is shown under."""
        plain = {name: Labeling(labeler=name, prompts=BOXES) for name in ("ellipse", "grabcut", "compact")}
        for name, entry in CATALOGUE.items():
            if find_weights(entry.kind, entry.model_type) and name == f"{entry.kind}_{entry.model_type}":
                plain[name] = Labeling(labeler=entry.kind, model_type=entry.model_type, prompts=BOXES)
        if self.gold is None:
            return plain
        learned = {"crop": Labeling(labeler="crop", prompts=BOXES)}
        for name, settings in plain.items():
            if settings.labeler not in ("ellipse", "grabcut"):
                learned[f"{name}+adapted"] = settings.model_copy(update={"adapt": True})
        return plain | learned

    def run(self, quiet: bool) -> tuple[dict[str, Any], list[str]]:
        """Measure every labeler, one after the other: what `run_one` returns, for all, and who gave no result.

        Says how many images have an empty mask and are left out. Raises InputError for data that do not fit.
        """
        images = gold_folder(self.data, self.classes)
        folders = {self.data: images} if self.gold is None else {self.data: images, self.gold: self._gold(self.gold)}
        for folder, found in folders.items():
            if found.left_out:
                progress.say(f"{folder}: images with an empty mask, left out: {found.left_out}")
        if self.coarse:
            self._coarse_boxes()
        measured: dict[str, Any] = {}
        failed = []
        for name in self.labelers():
            command = self._command(name, quiet)
            ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 (this very command)
            if ended.returncode:
                failed.append(name)
            else:
                measured |= json.loads(ended.stdout)["labelers"]
        return {"images": len(images), "labelers": measured}, failed

    def run_one(self, name: str) -> dict[str, Any]:
        """Measure a labeler in this process: `{"images": n, "labelers": {name: …}}`, as the command prints."""
        labelers = self.labelers()
        if name not in labelers:
            raise InputError(f"--only {name}: not available here; there is {', '.join(labelers)}")
        images = gold_folder(self.data, self.classes)
        promptings: dict[str, Prompting] = {
            key: partial(gold_boxes, classes=self.classes, share=share, seed=self.seed)
            for key, share in JITTERS.items()
        }
        if self.coarse:
            seen = self._coarse_boxes()
            promptings["coarse_box"] = lambda image: seen[image.target.image_id]
        with _own_home():
            measured = measure(self._labeler(labelers[name]), images, promptings)
        return {"images": len(images), "labelers": {name: measured.to_json() | {"peak_rss_mb": _peak_rss_mb()}}}

    def _labeler(self, settings: Labeling) -> Labeler:
        """The labeler, which has learned from gold if it does."""
        from medweave.labeling.fitted import labeler_for
        from medweave.labeling.fitting import fit_to_gold
        from medweave.labeling.gold_prompts import GoldSet

        compute = Compute()
        labeler = create_labeler(
            settings, None, self.classes, self.seed, str(device(compute)), precision(compute), MAX_PIXELS
        )
        if self.gold is None or not (settings.adapt or settings.labeler == "crop"):
            return labeler
        images = list(self._gold(self.gold))
        groups = [image.target.group_id for image in images]
        folds = dict(zip(groups, group_folds(groups, Segmentation().folds, self.seed).tolist(), strict=True))
        work = home() / "fitting"
        work.mkdir()
        fitted = fit_to_gold(labeler, GoldSet(images, folds, self.classes, seed=self.seed), settings, work)
        return labeler_for(fitted, labeler)

    def _gold(self, folder: Path) -> GoldFolder:
        """What labelers learn from; enough for their folds."""
        gold, least = gold_folder(folder, self.classes), Segmentation().folds
        if len(gold) < least:
            raise InputError(
                f"--gold {folder}: {len(gold)} images show a structure, and labelers that learn need {least}; add more"
            )
        return gold

    def _coarse_boxes(self) -> Mapping[str, Sequence[Prompt]]:
        if self.gold is None:
            raise InputError("--coarse: needs --gold, the images that the coarse model is trained on")
        gold, images = (gold_folder(folder, self.classes) for folder in (self.gold, self.data))
        return coarse_boxes(gold, images, Segmentation(), BOXES, self.seed)

    def _command(self, name: str, quiet: bool) -> list[str]:
        command = [sys.executable, "-m", "medweave.cli", "bench", "labelers", "--json", "--only", name]
        command += ["--data", str(self.data), "--classes", str(self.classes), "--seed", str(self.seed)]
        command += [] if self.gold is None else ["--gold", str(self.gold)]
        return command + ["--coarse"] * self.coarse + ["--quiet"] * quiet


@contextmanager
def _own_home() -> Iterator[None]:
    """A home with nothing in it but the weights: what earlier runs kept of an image would make a labeler faster."""
    weights = weights_folder()
    before = os.environ.get("MEDWEAVE_HOME")
    with tempfile.TemporaryDirectory(prefix="medweave-") as folder:
        Path(folder, "weights").symlink_to(weights)
        os.environ["MEDWEAVE_HOME"] = folder
        try:
            yield
        finally:
            del os.environ["MEDWEAVE_HOME"]
            os.environ.update({} if before is None else {"MEDWEAVE_HOME": before})


def _peak_rss_mb() -> int:
    """Peak resident memory of this process; `getrusage` may count the parent's, from before the program was loaded."""
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) // 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)
