"""What a batch is held against."""

import numpy as np

from medweave.data import ImageRow, write_table
from medweave.monitoring import judge
from tests.monitoring.conftest import add, batch

MANY, FEW = np.linspace(0, 1, 40), np.linspace(0, 1, 19)


def table(folder, values):
    rows = (
        ImageRow(f"i{k}", f"i{k}", f"/{k}.png", "0" * 64, 8, 8, features={"image.brightness": value})
        for k, value in enumerate(values)
    )
    return write_table(folder, rows)


def held_against(store, settings, tmp_path):
    """What a batch of many images is compared with, and what is noted of it."""
    training, gold, new = table(tmp_path / "training", MANY), table(tmp_path / "gold", []), table(tmp_path / "n", MANY)
    verdict = judge(store, new, training, gold, "/images", None, "none", settings).verdict
    return verdict["level"], {one["against"] for one in verdict["columns"]}, list(verdict["notes"])


def test_the_earlier_batch_is_the_newest_that_was_large_enough_to_be_judged(store, settings, tmp_path):
    add(store, batch(0), MANY)
    add(store, batch(1, "watch", images=19), FEW)
    assert held_against(store, settings, tmp_path) == ("ok", {"training", "earlier batch"}, [])


def test_batches_too_small_to_be_judged_and_those_that_drifted_are_no_earlier_batch(store, settings, tmp_path):
    add(store, batch(0, "drift"), MANY)
    add(store, batch(1, "watch", images=19), FEW)
    assert held_against(store, settings, tmp_path) == ("ok", {"training"}, [])
