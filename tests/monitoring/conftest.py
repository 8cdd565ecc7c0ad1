from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medweave.config import Monitoring, Settings
from medweave.monitoring import Batch, store_of
from medweave.monitoring.store import ROWS

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(task="tiny", monitoring=Monitoring(folder=str(tmp_path / "monitoring"), retrain=True))


@pytest.fixture
def store(settings):
    return store_of(settings)


def column(name="label.area_share", level="ok", effect=0.0, way="higher", against="training"):
    return {
        "column": name,
        "against": against,
        "level": level,
        "way": way,
        "effect": effect,
        "spread": 0.0,
        "p": 0.01,
        "median": 0.2,
        "reference_median": 0.1,
        "usual": None,
        "typical": [],
        "extreme": [],
    }


def batch(week, level="ok", columns=None, **facts):
    time = (START + timedelta(weeks=week)).isoformat(timespec="seconds")
    made = {
        "id": f"b{week:03}",
        "time": time,
        "source": "/images",
        "digest": f"{week:064x}",
        "reference": "r",
        "champion": "models:/medweave-tiny/1",
        "labels": "champion",
        "images": 40,
        "verdict": {"level": level, "images": 40, "notes": [], "columns": columns or [column()]},
        "summary": {
            name: {"known": 40, "mean": 0.1 + week / 1000, "deviation": 0.1, "least": 0.0, "largest": 1.0}
            for name in ("label.area_share", "image.brightness", "model.confidence")
        },
    }
    return Batch(**{**made, **facts})


def add(store, one, values=(1.0,)):
    """Keep a batch whose images, all of one URI, have these values of `image.brightness`."""
    names, uris = [f"a{k}" for k in range(len(values))], [f"/images/{one.id}.png"] * len(values)
    with store.aside() as files:
        rows = {"image_id": names, "image_uri": uris, "image.brightness": list(values)}
        pq.write_table(pa.table(rows), files / ROWS)
        store.add(one, files)
    return one
