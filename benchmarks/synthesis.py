"""How fast a generator trains within a time limit, and how fast and how well each sampler makes images with it.

    python benchmarks/synthesis.py --config configs/busi.yaml [--minutes 45] [--images 32] [--output DIR] [--set …]

A few steps are timed first; `synthesis.steps` is what fits the limit, and at most what the configuration says. All
samplers start from the same noise and the same masks, so their sheets can be compared image by image. Images a second
are of processor time; the Fréchet-type distance is to the real images, beside that of their halves. A stopped run
goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from itertools import chain, product
from pathlib import Path

from medweave import progress
from medweave.config import Settings, load_settings, parse_settings
from medweave.data import ImageTable
from medweave.data.ingest import ingest
from medweave.home import home
from medweave.labeling.compact.features import image_features
from medweave.synthesis import Generator, make_conditions, sample_images, train_generator
from medweave.synthesis.checks import check_samples, common_side, read_pictures
from medweave.synthesis.sheet import write_table_sheet

TIMED = 20
SAMPLERS = {"dpm_solver": (10, 25, 50), "ddim": (25, 50), "ddpm": (1000,)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", dest="overrides", nargs="*", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--samplers", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--guidance", nargs="+", type=float, default=[1.0])
    parser.add_argument("--output", type=Path, default=Path("output/synthesis"))
    arguments = parser.parse_args()
    settings, output = load_settings(arguments.config, arguments.overrides), arguments.output
    found = ingest(settings.data, settings.seed, output / "tables", cache=home() / "phantoms")
    tables = [found.tables["gold"], found.tables["unlabeled"]]

    limit = output / "limit.json"
    if not limit.exists():
        seconds = _seconds_a_step(tables, settings, output / "timed")
        limit.write_text(json.dumps({"seconds": seconds, "steps": int(60 * arguments.minutes / seconds)}))
    measured = json.loads(limit.read_text())
    steps = max(1, min(settings.synthesis.steps, measured["steps"]))
    settings = _with(settings, steps=steps)
    print(f"{1 / measured['seconds']:.2f} steps/s of {settings.synthesis.batch_size} images; {steps} steps")

    if not (output / "generator" / "card.json").exists():
        started = time.monotonic()
        train_generator(tables, settings, output / "training").save(output / "generator")
        print(f"trained in {(time.monotonic() - started) / 60:.1f} min")
    generator = Generator.load(output / "generator", settings.compute)
    conditions = make_conditions(chain(*tables), settings, arguments.images, settings.seed)
    wanted = conditions if generator.conditional else arguments.images
    print(
        "| sampler | steps | guidance | images/s | Fréchet-type distance | halves of real ones, 95 % below | copies |"
    )
    print("|---|---|---|---|---|---|---|")
    samplers = [(sampler, count) for sampler in arguments.samplers for count in SAMPLERS[sampler]]
    for (sampler, count), guidance in product(samplers, arguments.guidance):
        how = _with(settings, sampler=sampler, sampling_steps=count, guidance=guidance)
        name, started = f"{sampler}-{count}-{guidance:g}", time.process_time()
        table = sample_images(generator, wanted, how, output / name, settings.seed)
        speed = len(table) / (time.process_time() - started)
        print(f"| {sampler} | {count} | {guidance:g} | {speed:.3f} | {_quality(table, tables, how)} |", flush=True)
        write_table_sheet(table, output / f"{name}.png")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB; sheets in {output}")


def _quality(samples: ImageTable, real: list[ImageTable], settings: Settings) -> str:
    side, pixels = common_side(list(samples)), settings.data.max_pixels
    made, known = (read_pictures(rows, side, pixels) for rows in (samples, chain(*real)))
    same_bits = settings.data.duplicates.distance
    checked = check_samples(made, known, image_features, settings.synthesis.checks, same_bits, settings.seed)
    copies = sum(bool(sample.copy.by) for sample in checked.samples)
    if (found := checked.frechet) is None:
        return f"too few images | | {copies}"
    return f"{found.samples:.1f} | {found.real:.1f}, {found.real95:.1f} | {copies}"


def _seconds_a_step(tables: list[ImageTable], settings: Settings, work: Path) -> float:
    """Of a longer training less a shorter one, after one that warms up; sample sheets are made small."""
    taken = []
    for turn, steps in enumerate((TIMED, TIMED, 2 * TIMED)):
        started = time.monotonic()
        train_generator(tables, _with(settings, steps=steps, sampling_steps=1), work / str(turn))
        taken.append(time.monotonic() - started)
    return max(1e-6, (taken[2] - taken[1]) / TIMED)


def _with(settings: Settings, **synthesis: object) -> Settings:
    raw = settings.model_dump(mode="json")
    return parse_settings({**raw, "synthesis": {**raw["synthesis"], **synthesis}})


if __name__ == "__main__":
    progress.configure(quiet=True)
    main()
