import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medweave.data import ImageRow, write_table
from medweave.monitoring import rows
from medweave.monitoring.rows import sample_rows, summarise_rows, write_rows


def table(folder, values):
    made = (
        ImageRow(
            f"i{k}", f"i{k}", f"/{k}.png", "0" * 64, 8, 8, features={} if v is None else {"image.side": v, "b": 1.0}
        )
        for k, v in enumerate(values)
    )
    return write_table(folder, made, shard_rows=3)


def test_rows_are_the_tables_features(tmp_path):
    write_rows(table(tmp_path / "t", [4.0, None, 2.0, 8.0]), tmp_path / "rows.parquet")
    frame = sample_rows(tmp_path / "rows.parquet", 10, seed=0)
    assert list(frame.index) == ["i0", "i1", "i2", "i3"] and list(frame.columns) == ["b", "image.side"]
    assert frame["image.side"].tolist() == pytest.approx([4, np.nan, 2, 8], nan_ok=True)
    assert frame["b"].tolist() == pytest.approx([1, np.nan, 1, 1], nan_ok=True)


def test_a_sample_has_so_many_rows_each_once_and_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 7)
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"image_id": [str(k) for k in range(50)], "x": np.arange(50.0)}).to_parquet(path)
    first = sample_rows(path, 20, seed=1)
    assert len(first) == len(set(first.index)) == 20 and list(first["x"]) == sorted(int(k) for k in first.index)
    assert first.equals(sample_rows(path, 20, seed=1)) and not first.equals(sample_rows(path, 20, seed=2))


@given(st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3)), min_size=1, max_size=40))
def test_summaries_by_chunks_are_those_of_all_values(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pd.DataFrame({"image_id": "a", "x": pd.Series(values, dtype=float)}).to_parquet(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "CHUNK", 7)
        found = summarise_rows(path)
    known = [value for value in values if value is not None]
    assert bool(known) == ("x" in found)
    if known:
        one = found["x"]
        assert (one.known, one.least, one.largest) == (len(known), min(known), max(known))
        assert (one.mean, one.deviation) == pytest.approx((np.mean(known), np.std(known)), abs=1e-6)
