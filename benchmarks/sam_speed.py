"""How much faster medweave labels with SAM than segment-anything's own predictor does in fp32, on the same weights.

medweave computes in the device's native precision: bfloat16 where it has instructions for it, else fp32.

    python benchmarks/sam_speed.py [--model-type vit_b] [--device cpu] [--threads 2] [--images 1] [--rounds 5]

Weights and images are random, of the published shapes; every image has one box. Each of the two is a process of its
own; they take turns, `--images` images at a time, so that whatever else the machine does befalls both. Prints the
seconds an image of each, by the wall clock and (on a CPU) in processor time, their ratios, and the peak of memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

BOX = (150.0, 120.0, 420.0, 380.0)
HEIGHT, WIDTH = 500, 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-type", default="vit_b", choices=["vit_b", "vit_l", "vit_h"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--worker", choices=list(WORKERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    print(f"{arguments.model_type} on {arguments.device}, {arguments.threads} threads, seed {arguments.seed}, "
          f"{arguments.images} images of {WIDTH}x{HEIGHT} at a time, {arguments.rounds} rounds")  # fmt: skip
    processes = {name: start(name) for name in WORKERS}
    walls: dict[str, list[float]] = {name: [] for name in WORKERS}
    cpus: dict[str, list[float]] = {name: [] for name in WORKERS}
    memory: dict[str, list[float]] = {name: [] for name in WORKERS}
    for turn in range(arguments.rounds + 1):
        for name, process in processes.items():
            wall, cpu, peak = measured(process)
            if turn:  # the first one warms up
                walls[name].append(wall / arguments.images)
                cpus[name].append(cpu / arguments.images)
                memory[name].append(peak)
    for process in processes.values():
        process.communicate()
    for name in WORKERS:
        wall, cpu = statistics.median(walls[name]), statistics.median(cpus[name])
        print(f"{name:17s} {wall:7.3f} s an image (median), {cpu:7.3f} s of processor time, {max(memory[name]):.0f} MB")
    for what, seconds in (("wall clock", walls), ("processor time", cpus)):
        ratios = [slow / fast for slow, fast in zip(*seconds.values(), strict=True)]
        print(f"ratio by {what}: {statistics.median(ratios):.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})")


def start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measured(process: subprocess.Popen[str]) -> tuple[float, float, float]:
    """Have a worker label its images once: seconds, processor seconds and peak MB."""
    assert process.stdin and process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    wall, cpu, peak = (float(value) for value in process.stdout.readline().split())
    return wall, cpu, peak


def work(arguments: argparse.Namespace) -> None:
    """Label the images once for every line that comes in; answer with seconds, processor seconds and peak MB."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    images = np.random.default_rng(arguments.seed).integers(0, 256, (arguments.images, HEIGHT, WIDTH, 3), np.uint8)
    label = WORKERS[arguments.worker](arguments)
    cuda = torch.device(arguments.device).type == "cuda"
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        label(list(images))
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        peak = torch.cuda.max_memory_allocated() / 1e6 if cuda else peak_rss()
        print(*seconds, peak, flush=True)


def segment_anything(arguments: argparse.Namespace) -> Callable[[list[np.ndarray]], object]:
    from segment_anything import SamPredictor, sam_model_registry

    predictor = SamPredictor(sam_model_registry[arguments.model_type]().to(arguments.device).eval())

    def label(images: list[np.ndarray]) -> None:
        for image in images:
            predictor.set_image(image)
            predictor.predict(box=np.array(BOX), multimask_output=False)

    return label


def medweave(arguments: argparse.Namespace) -> Callable[[list[np.ndarray]], object]:
    import torch
    from segment_anything import sam_model_registry

    from medweave.compute import native_precision
    from medweave.labeling.labelers import Target
    from medweave.labeling.prompts import Prompt
    from medweave.labeling.sam import SamLabeler
    from medweave.labeling.sam.attention import FastEncoder

    sam = sam_model_registry[arguments.model_type]()
    precision = native_precision(arguments.device)
    sam.image_encoder = FastEncoder(sam.image_encoder, torch.bfloat16 if precision == "bf16" else torch.float32)
    if arguments.compile:
        sam.image_encoder.compile()
    labeler = SamLabeler(sam, "sam", arguments.model_type, "", arguments.device, precision)

    def label(images: list[np.ndarray]) -> None:
        labeler.segment([Target(str(k), "", "", image, (Prompt(1, BOX),)) for k, image in enumerate(images)])

    return label


def peak_rss() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)


WORKERS = {"segment-anything": segment_anything, "medweave": medweave}


if __name__ == "__main__":
    main()
