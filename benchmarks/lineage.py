"""How long lineage takes over a million labels, and how much memory: both ways, each in a process of its own.

    python benchmarks/lineage.py [--labels 1000000] [--two-cores]

Makes a run with so many labels in an MLflow store of its own, with a registered version, then asks as the command line
does. Seconds are of the question alone and of the whole command with its imports; memory is the command's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from medweave.config import Tracking
from medweave.tracking import RunRecord, connect, log_run, register_model, set_alias
from medweave.tracking.lineage import FACTS, FOLDER, LABELS, write_labels

NAME = "medweave-benchmark"
MADE_BY = f'"labeler": "medsam", "labeler_digest": "{"ab" * 32}", "coarse": "{"cd" * 32}", "score": 0.9'
ASK = """
import contextlib, io, json, os, resource, sys, time
started = time.monotonic()
from medweave.commands.lineage import lineage
from medweave.config import Tracking
from medweave.tracking import connect
connect(Tracking())
ready, processor = time.monotonic(), time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    lineage([sys.argv[1]])
ended = time.monotonic()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"answer": ended - ready, "processor": time.process_time() - processor, "whole": ended - started,
                  "whole_processor": time.process_time(), "peak_mb": peak}))
"""


def records(count: int) -> Iterator[dict[str, Any]]:
    """Labels as a large task has them: a few gold, the rest weak, with prompts and digests of real length."""
    draw = random.Random(0)
    for number in range(count):
        gold = number % 1000 == 0
        box = f"[{draw.random() * 500}, {draw.random() * 500}, {draw.random() * 500}, {draw.random() * 500}]"
        yield {
            "label_id": draw.randbytes(12).hex(),
            "image_id": f"image-{number:08d}",
            "group_id": f"patient-{number // 4:08d}",
            "image_sha256": draw.randbytes(32).hex(),
            "image_uri": f"s3://bucket/task/unlabeled/images/image-{number:08d}.png",
            "source": "gold" if gold else "weak",
            "decision": None if gold else draw.choice(("accept", "accept", "review", "reject")),
            "weight": 1.0 if gold else draw.random() * (draw.random() < 0.5),
            "labeler": "expert" if gold else "medsam",
            "weights": None if gold else "ab" * 32,
            "coarse": None if gold else "cd" * 32,
            "predicted_dice": draw.random(),
            "made_by": f'{{{MADE_BY}, "prompts": [{{"box": {box}, "class": 1}}]}}',
        }


def make(folder: Path, count: int) -> dict[str, str]:
    """A store with one version that learned from `count` labels; returns what to ask."""
    lineage = folder / FOLDER
    lineage.mkdir()
    counts = write_labels(lineage / LABELS, records(count))
    facts = {
        "format": 1, "task": "benchmark", "zenml_run_id": "r", "code": {"medweave": "0", "digest": "e" * 64},
        "config": {}, "config_digest": "f" * 64, "datasets": {}, "models": {}, "calibration": {}, "labels": counts,
    }  # fmt: skip
    (lineage / FACTS).write_text(json.dumps(facts))
    segmenter = folder / "segmenter"
    segmenter.mkdir()
    (segmenter / "card.json").write_text("{}")
    client = connect(Tracking())
    run_id = log_run(client, RunRecord("benchmark", artifacts=[lineage]))
    register_model(client, run_id, NAME, segmenter, model_digest="m", evaluation_digest="e")
    set_alias(client, NAME, "champion", 1)
    (middle,) = pq.read_table(lineage / LABELS, columns=["image_id", "label_id"]).slice(count // 2, 1).to_pylist()
    return {
        "a model": f"models:/{NAME}@champion",
        "an image": f"image:{middle['image_id']}",
        "a label": f"label:{middle['label_id']}",
        "a labeler": "labeler:abab",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--two-cores", action="store_true", help="Use the first two cores only.")
    arguments = parser.parse_args()
    if arguments.two_cores:
        os.sched_setaffinity(0, {0, 1})
    with tempfile.TemporaryDirectory() as made:
        os.environ["MEDWEAVE_HOME"] = str(Path(made) / "home")
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        started = time.monotonic()
        questions = make(Path(made), arguments.labels)
        size = sum(path.stat().st_size for path in Path(made).rglob(LABELS)) // 2 / 1e6
        print(f"{arguments.labels:,} labels, {size:.0f} MB, made in {time.monotonic() - started:.0f} s", flush=True)
        for what, reference in questions.items():
            done = subprocess.run([sys.executable, "-c", ASK, reference], check=True, stdout=subprocess.PIPE, text=True)
            took = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{what:10} {took['answer']:.2f} s ({took['processor']:.2f} s of processor), with imports "
                f"{took['whole']:.2f} s ({took['whole_processor']:.2f} s), {took['peak_mb']} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
