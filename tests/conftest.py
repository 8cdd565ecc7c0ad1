import os
from pathlib import Path

import hypothesis
import pytest

from medweave import progress

# ZenML reads it when it is imported, and finds no root by itself in the processes that share the tests.
os.environ.setdefault("ZENML_CUSTOM_SOURCE_ROOT", str(Path(__file__).resolve().parents[1]))
hypothesis.settings.register_profile("without time limits", deadline=None)
hypothesis.settings.load_profile("without time limits")


@pytest.fixture(autouse=True)
def plain_progress(monkeypatch):
    """The command line chooses a style for its process; a test must not choose it for the next one."""
    monkeypatch.setattr(progress, "_style", "lines")


@pytest.fixture
def bucket(monkeypatch):
    """The URI of an empty bucket on a local server that speaks S3."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="hospital")
    yield "s3://hospital"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
