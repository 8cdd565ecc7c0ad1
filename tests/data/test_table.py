"""The image table: what is written is read, digests depend on content alone, half a table is no table."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.data import ImageRow, ImageTable, MaskRef, ShardWriter, write_shards, write_table
from medweave.errors import InputError


def make_row(number: int, **changes) -> ImageRow:
    row = ImageRow(f"image {number}", f"group {number // 2}", f"/images/{number}.png", f"{number:064x}", 30, 40)
    return replace(row, **changes)


ROWS = st.lists(
    st.builds(
        ImageRow,
        image_id=st.text(min_size=1, max_size=8),
        group_id=st.text(max_size=4),
        image_uri=st.text(max_size=8),
        image_sha256=st.text("0123456789abcdef", min_size=4, max_size=4),
        height=st.integers(1, 30000),
        width=st.integers(1, 30000),
        label_source=st.sampled_from(["none", "gold", "weak", "synthetic"]),
        mask=st.builds(MaskRef, uri=st.none() | st.text(max_size=4), png=st.none() | st.binary(max_size=9)),
        made_by=st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3),
        predicted_dice=st.none() | st.floats(0, 1),
        decision=st.none() | st.sampled_from(["accept", "review", "reject"]),
        coarse=st.none() | st.binary(max_size=9),
        features=st.dictionaries(st.text(max_size=4), st.floats(-1e9, 1e9), max_size=3),
    ),
    max_size=7,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, shard_rows=st.integers(1, 4))
def test_rows_survive_and_the_digest_does_not_depend_on_shards(tmp_path_factory, rows, shard_rows):
    table = write_table(tmp_path_factory.mktemp("table"), rows, shard_rows)
    assert list(table) == rows
    assert len(table) == len(rows)
    assert len(list(table.shards())) == -(-len(rows) // shard_rows)
    assert write_table(tmp_path_factory.mktemp("table"), rows, 5).digest == table.digest


def test_the_digest_changes_with_content_and_order(tmp_path):
    rows = [make_row(0), make_row(1)]
    digest = write_table(tmp_path / "a", rows).digest
    assert write_table(tmp_path / "b", rows[::-1]).digest != digest
    assert write_table(tmp_path / "c", [rows[0], replace(rows[1], mask=MaskRef(png=b"x"))]).digest != digest
    assert write_table(tmp_path / "d", [rows[0], replace(rows[1], weight=0.5)]).digest != digest


def test_chosen_columns_leave_the_others_at_their_defaults(tmp_path):
    table = write_table(tmp_path, [make_row(0, predicted_dice=0.5, coarse=b"c", features={"a": 1.0})])
    assert next(table.shards(["features"])) == [make_row(0, features={"a": 1.0})]


def test_a_label_id_depends_on_mask_image_and_making():
    row = make_row(0)
    label = row.with_label("weak", MaskRef(png=b"mask"), {"labeler": "ellipse"})
    assert label.label_source == "weak"
    others = [
        row.with_label("weak", MaskRef(png=b"Mask"), {"labeler": "ellipse"}),
        row.with_label("weak", MaskRef(png=b"mask"), {"labeler": "grabcut"}),
        make_row(1).with_label("weak", MaskRef(png=b"mask"), {"labeler": "ellipse"}),
    ]
    assert len({label.label_id, *(other.label_id for other in others)}) == 4
    assert row.with_label("weak", MaskRef(png=b"mask"), {"labeler": "ellipse"}).label_id == label.label_id


def test_half_a_table_is_no_table(tmp_path):
    writer = ShardWriter(tmp_path)
    writer.write(0, [make_row(0)])
    with pytest.raises(InputError, match="no image table here"):
        len(ImageTable(tmp_path))
    assert writer.has(0)
    assert not writer.has(1)
    writer.write(1, [make_row(1)])
    assert list(writer.finish()) == [make_row(0), make_row(1)]
    assert not list(tmp_path.glob(".*.part"))


def test_a_smaller_table_replaces_a_larger_one(tmp_path):
    write_table(tmp_path, [make_row(n) for n in range(5)], shard_rows=1)
    table = write_shards(tmp_path, [[make_row(7)]])
    assert list(table) == [make_row(7)]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: cannot be written"):
        write_table(tmp_path / "file", [make_row(0)])


def test_a_table_of_another_format_is_refused(tmp_path):
    write_table(tmp_path, [])
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(InputError, match="format 9"):
        len(ImageTable(tmp_path))


def test_parts_share_a_table_out(tmp_path):
    rows = [make_row(n) for n in range(7)]
    table = write_table(tmp_path / "all", rows, shard_rows=3)
    parts = [table.part(part, 3, tmp_path / str(part), shard_rows=2) for part in range(3)]
    assert [list(part) for part in parts] == [[rows[0], rows[3], rows[6]], [rows[1], rows[4]], [rows[2], rows[5]]]
    assert len(table.part(7, 8, tmp_path / "none")) == 0
