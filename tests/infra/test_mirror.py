"""The folder that Evidently's UI shows follows object storage, file by file and whole."""

import runpy
from pathlib import Path

import boto3
import pytest

mirror = runpy.run_path(str(Path(__file__).resolve().parents[2] / "infra/kubernetes/base/mirror.py"))["mirror"]


@pytest.fixture
def objects(monkeypatch):
    """A bucket on a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hidden")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3", "us-east-1")
    client.create_bucket(Bucket="mirrored")
    yield client
    server.stop()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_new_changed_and_removed_objects_are_followed(objects, tmp_path):
    def mirrored():
        mirror("s3://mirrored/workspace", tmp_path / "shown", tmp_path / "aside", seen)
        return contents(tmp_path / "shown")

    seen, there = {}, {}
    assert mirrored() == {}
    for change in ({"p/metadata.json": "{1}", "p/snapshots/a.json": "{a}"}, {"p/metadata.json": "{2}"}):
        there |= change
        for name, text in change.items():
            objects.put_object(Bucket="mirrored", Key=f"workspace/{name}", Body=text.encode())
        assert mirrored() == there
    objects.delete_object(Bucket="mirrored", Key="workspace/p/snapshots/a.json")
    assert mirrored() == {"p/metadata.json": "{2}"}
    assert contents(tmp_path / "aside") == {}
