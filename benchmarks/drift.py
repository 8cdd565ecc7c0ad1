"""How often the verdict on a batch is wrong: false alarms on the same source, and shifts that are found.

Columns are drawn like those of images and labels: skewed, related, tied, some unknown. Run: python benchmarks/drift.py
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from medweave.config import Monitoring
from medweave.quality.batch_verdict import judge_batch

CONTINUOUS = (
    "image.brightness", "image.contrast", "image.noise", "image.sharpness", "image.embedding_distance",
    "label.area_share", "label.compactness", "label.center_x", "label.center_y", "label.contrast",
)  # fmt: skip


def draw(rng: np.random.Generator, rows: int, shifted: str | None, by: float) -> pd.DataFrame:
    """A batch; `by` standard deviations are added to one column."""
    mix = np.eye(len(CONTINUOUS)) + 0.15
    normal = rng.normal(size=(rows, len(CONTINUOUS))) @ mix
    frame = pd.DataFrame(normal / np.sqrt((mix**2).sum(axis=0)), columns=list(CONTINUOUS))
    if shifted:
        frame[shifted] += by
    frame["label.area_share"] = np.exp(frame["label.area_share"])
    frame["label.components"] = 1.0 + rng.poisson(0.2, rows)
    frame["label.border_contact"] = np.where(rng.random(rows) < 0.8, 0.0, rng.random(rows))
    frame["label.empty"] = (rng.random(rows) < 0.05).astype(float)
    frame.loc[frame["label.empty"] == 1, "label.contrast"] = np.nan
    return frame


def rate(trials: int, reference: int, images: int, shifted: str | None, by: float) -> tuple[float, float, float]:
    """The shares of trials that read drift, watch or drift, and drift or watch with the shifted column deciding."""
    rng = np.random.default_rng(1)
    levels, named = [], []
    for trial in range(trials):
        known = {"training": draw(rng, reference, None, 0)}
        verdict = judge_batch(known, draw(rng, images, shifted, by), {}, Monitoring(), trial)
        levels.append(verdict.level)
        named.append(shifted in [one.column for one in verdict.deciding])
    drift, watch = levels.count("drift") / trials, levels.count("watch") / trials
    return drift, drift + watch, sum(named) / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--reference", type=int, default=200, help="training images")
    trials, reference = vars(parser.parse_args()).values()
    print(f"{trials} trials, {reference} training images, {len(CONTINUOUS) + 3} columns, no batch before")
    print(f"{'batch':34} {'drift':>7} {'+ watch':>8} {'named':>7}")
    for images in (30, 100):
        drift, watch, _ = rate(trials, reference, images, None, 0)
        print(f"{f'{images} images, same source':34} {drift:7.1%} {watch:8.1%}")
    for column in ("label.area_share", "image.brightness"):
        for by in (0.5, 0.75):
            drift, watch, named = rate(trials, reference, 100, column, by)
            print(f"{f'100 images, {column} +{by:g} sd':34} {drift:7.1%} {watch:8.1%} {named:7.1%}")


if __name__ == "__main__":
    main()
