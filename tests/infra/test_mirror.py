"""The folder that Evidently's UI shows follows object storage, file by file and whole."""

import runpy
from pathlib import Path

import boto3

mirror = runpy.run_path(str(Path(__file__).resolve().parents[2] / "infra/kubernetes/base/mirror.py"))["mirror"]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_new_changed_and_removed_objects_are_followed(bucket, tmp_path):
    objects, name_of_bucket = boto3.client("s3"), bucket.removeprefix("s3://")

    def mirrored():
        mirror(f"{bucket}/workspace", tmp_path / "shown", tmp_path / "aside", seen)
        return contents(tmp_path / "shown")

    seen, there = {}, {}
    assert mirrored() == {}
    for change in ({"p/metadata.json": "{1}", "p/snapshots/a.json": "{a}"}, {"p/metadata.json": "{2}"}):
        there |= change
        for name, text in change.items():
            objects.put_object(Bucket=name_of_bucket, Key=f"workspace/{name}", Body=text.encode())
        assert mirrored() == there
    objects.delete_object(Bucket=name_of_bucket, Key="workspace/p/snapshots/a.json")
    assert mirrored() == {"p/metadata.json": "{2}"}
    assert contents(tmp_path / "aside") == {}
