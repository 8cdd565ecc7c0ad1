"""Labelling spread over workers: processes of one thread each stand in for pods, which label parts of one table.

    python benchmarks/scale_out.py [--images 256] [--workers 1 2] [--labeler compact] [--size 192]

Prints for each number of workers the seconds from the first label to the last, and the ratio to one worker's divided
by their number (1 is perfect; the slowest worker counts). Starting up, the time until a worker has read its models, is
printed beside it, and so is the peak of a worker's resident memory. Use no more workers than cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medweave.config import Labeling, Phantoms, Settings

SETTINGS = Settings.model_validate(
    {"task": "scale", "data": {"classes": ["lesion"]}, "segmentation": {"image_size": 96}, "compute": {"threads": 1}}
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--labeler", default="compact")
    parser.add_argument("--size", type=int, default=192, help="pixels of a side of the images")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        folder, part, parts, work = arguments.part
        print(json.dumps(_label(Path(folder), int(part), int(parts), Path(work), arguments.labeler)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, arguments.images, arguments.size)
        one = None
        for workers in arguments.workers:
            told = _spread(folder, workers, arguments.labeler)
            seconds, start_up = max(part["seconds"] for part in told), max(part["start_up"] for part in told)
            one = one or seconds * workers
            print(
                f"{workers} workers: {seconds:.1f} s, {seconds * workers / one:.2f} of one worker's time / {workers}; "
                f"start-up {start_up:.1f} s, {max(part['peak_mb'] for part in told):.0f} MB",
                flush=True,
            )


def _prepare(folder: Path, images: int, size: int) -> None:
    from medweave.data.ingest import ingest
    from medweave.data.phantoms import write_phantoms

    write_phantoms(folder / "task", Phantoms(size=size, gold=8, unlabeled=images, test=4), seed=0)
    data = SETTINGS.data.model_copy(update={"root": str(folder / "task")})
    ingest(data, 0, folder / "tables")


def _spread(folder: Path, workers: int, labeler: str) -> list[dict[str, float]]:
    started = []
    for part in range(workers):
        work = folder / f"work-{workers}-{part}"
        part_of = ["--part", str(folder), str(part), str(workers), str(work)]
        command = [sys.executable, __file__, *part_of, "--labeler", labeler]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MEDWEAVE_HOME": str(folder / "home")}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment))
    return [json.loads(worker.communicate()[0]) for worker in started]


def _label(folder: Path, part: int, parts: int, work: Path, labeler: str) -> dict[str, float]:
    began = time.monotonic()
    from medweave.data import ImageTable
    from medweave.data.masks import read_mask
    from medweave.labeling import Chain, bounds_from_masks, configured_labeler, label_images
    from medweave.segmentation import OutOfFold, Segmenter
    from medweave.segmentation.networks import architecture_of, pretrained_or_random
    from medweave.segmentation.segmenter import Card

    settings = SETTINGS.model_copy(update={"labeling": Labeling(labeler=labeler)})
    network, origin = pretrained_or_random(architecture_of(SETTINGS.segmentation, 1), None)
    coarse = Segmenter(Card(architecture_of(SETTINGS.segmentation, 1), ("lesion",), 96, origin, (1,)), [network])
    gold = ImageTable(folder / "tables" / "gold")
    bounds = bounds_from_masks((read_mask(row.mask, 1, 10**8) for row in gold), 1, 0.5)
    chain = Chain(OutOfFold(coarse), configured_labeler(settings), bounds, settings.labeling.prompts, 1)
    table = ImageTable(folder / "tables" / "unlabeled").part(part, parts, work / "part")
    ready = time.monotonic()
    label_images(table, chain, "weak", work / "labels", 10**8, work / "store")
    labelled, peak = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"start_up": ready - began, "seconds": labelled - ready, "peak_mb": peak}


if __name__ == "__main__":
    main()
