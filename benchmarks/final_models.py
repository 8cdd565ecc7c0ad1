"""Final against gold-only models on real data: every task's run with several seeds, and one table.

Labelers by themselves, and `compact+imported`, where the imported masks are a second opinion. A run that has finished
is not made again, so the command may be stopped and started. Scores of an image are averaged over the seeds before the
95 % intervals are computed by bootstrap over groups.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medweave.config import load_settings
from medweave.segmentation import Evaluation

METRICS = ("dice", "iou", "nsd", "hd95")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", nargs="+", default=["configs/busi.yaml", "configs/isic.yaml", "configs/cxr.yaml"])
    parser.add_argument("--labelers", nargs="+", default=["compact", "imported", "compact+imported"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", dest="overrides", nargs="*", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("output/final_models"))
    parser.add_argument("--measured", action="store_true", help="Show what has been measured, run nothing.")
    arguments = parser.parse_args()
    print("| task | labels | seeds | accepted of made | gold only | final | difference | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for config in arguments.configs:
        for labeler in arguments.labelers:
            folders = [arguments.output / f"{Path(config).stem}-{labeler}-{seed}" for seed in arguments.seeds]
            for folder, seed in zip(folders, arguments.seeds, strict=True):
                if not arguments.measured and not (folder / "summary.json").exists():
                    _run(config, [f"seed={seed}", *_labeling(labeler, config), *arguments.overrides], folder)
            if finished := [folder for folder in folders if (folder / "summary.json").exists()]:
                print(f"| {Path(config).stem} | {labeler} | {_row(finished)} |", flush=True)


def _labeling(labeler: str, config: str) -> list[str]:
    """The settings of a labeler by itself, or with `+imported` beside the masks that the config's `imported` names."""
    first, _, second = labeler.partition("+")
    masks = load_settings(config).labeling.imported if second else None
    return [f"labeling.labeler={first}", *([f"labeling.second_opinion={masks}"] if masks else [])]


def _run(config: str, overrides: Sequence[str], folder: Path) -> None:
    command = [sys.executable, "-m", "medweave.cli", "run", "--config", config, "--output", str(folder)]
    subprocess.run([*command, *(part for override in overrides for part in ("--set", override))], check=True)


def _row(folders: Sequence[Path]) -> str:
    from pipelines.store import artifact, find_run

    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    runs = [find_run(f"run:{summary['run_id']}") for summary in summaries]
    baseline, final = (
        _averaged([artifact(run, "evaluate", f"{which}_evaluation") for run in runs]) for which in ("baseline", "final")
    )
    shown = [model.summary(2000, 0)["dice"] for model in (baseline, final)]
    shown.append(final.difference(baseline, resamples=2000, seed=0).to_json())
    accepted, made = (
        np.mean([summary["labels"]["weak"][key] for summary in summaries]) for key in ("accepted", "made")
    )
    minutes = max(summary["seconds"]["total"] for summary in summaries) / 60
    cells = [f"{dice['mean']:.3f} [{dice['ci95'][0]:.3f}, {dice['ci95'][1]:.3f}]" for dice in shown]
    return " | ".join([str(len(folders)), f"{accepted:.0f} of {made:.0f}", *cells, f"{minutes:.0f}"])


def _averaged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Scores of the same images in the same order, averaged over evaluations."""
    first = evaluations[0]
    if any([row.image_id for row in other.rows] != [row.image_id for row in first.rows] for other in evaluations):
        raise SystemExit("the runs were not measured on the same test images; give another --output")
    rows = zip(*(evaluation.rows for evaluation in evaluations), strict=True)
    return Evaluation(
        tuple(replace(same[0], **{m: float(np.mean([getattr(r, m) for r in same])) for m in METRICS}) for same in rows)
    )


if __name__ == "__main__":
    main()
