import atexit
import json
import os
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import hypothesis
import pytest

from medweave import progress

# ZenML reads these when it is imported; each of the processes that share the tests has a store of its own.
_zenml = Path(tempfile.mkdtemp(prefix="medweave-tests-"))
atexit.register(shutil.rmtree, _zenml, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("ZENML_")]:
    del os.environ[_name]
os.environ.update(
    ZENML_CUSTOM_SOURCE_ROOT=str(Path(__file__).resolve().parents[1]),
    ZENML_CONFIG_PATH=str(_zenml),
    ZENML_LOCAL_STORES_PATH=str(_zenml / "stores"),
)
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


@pytest.fixture
def told(monkeypatch):
    """The messages that the webhook got."""
    messages = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self):
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MEDWEAVE_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield messages
    server.shutdown()
    server.server_close()
