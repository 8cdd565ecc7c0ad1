"""MLflow's real server on a real model answers, and with another model when the alias has moved."""

import base64
import io
import json
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
import urllib3
from PIL import Image

from medweave.config import Segmentation
from medweave.segmentation import Segmenter
from medweave.segmentation.networks import architecture_of, build_network
from medweave.segmentation.segmenter import Card
from medweave.tracking import register_model, resolve_model, serving, set_alias

NAME = "medweave-demo"


@pytest.fixture
def two_versions(client, run_id, tmp_path):
    """Two small networks with random weights, registered; the first is champion."""
    import torch

    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        architecture = architecture_of(Segmentation(architecture="Unet", decoder_channels=(16, 8, 8, 8, 8)), classes=1)
        network = build_network(architecture).eval()
        with torch.no_grad():  # centre the logits, so that masks have both classes
            network.segmentation_head[0].bias -= network(torch.randn(1, 3, 32, 32)).median()
        made.append(Segmenter(Card(architecture, ("lesion",), 32, "random", (99,)), [network]))
        made[-1].save(tmp_path / str(seed))
        register_model(client, run_id, NAME, tmp_path / str(seed), model_digest=f"m{seed}", evaluation_digest="e")
    set_alias(client, NAME, "champion", 1)
    return made


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.soak
def test_a_command_that_is_told_to_end_ends_its_server(two_versions):
    command = [sys.executable, "-m", "medweave.cli", "serve", "--model", f"models:/{NAME}@champion", "--port"]
    served = subprocess.Popen([*command, str(free_port())], stderr=subprocess.PIPE, text=True)
    assert f"models:/{NAME}/1 at http" in served.stderr.readline()
    servers = psutil.Process(served.pid).children(recursive=True)
    assert servers
    served.terminate()
    assert served.wait(60) == 0
    _, left = psutil.wait_procs(servers, timeout=60)
    assert left == []


@pytest.mark.soak
def test_the_server_follows_the_alias_and_stays_where_the_next_version_is_lost(
    client, run_id, two_versions, tmp_path, monkeypatch
):
    monkeypatch.setattr(serving, "POLL_S", 0.1)
    port = free_port()
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    request = json.dumps({"dataframe_records": [{"image": base64.b64encode(file.getvalue()).decode()}]})
    ended, warned, served = threading.Event(), threading.Event(), [threading.Event(), threading.Event()]
    monkeypatch.setattr(serving, "say", lambda text: warned.set() if "goes on being served" in text else None)
    lost = register_model(client, run_id, NAME, tmp_path / "1", model_digest="lost", evaluation_digest="e").version
    shutil.rmtree(resolve_model(client, f"models:/{NAME}/{lost}"))

    def answer():
        patient = urllib3.Retry(total=500, backoff_factor=0.5, backoff_max=1.0, allowed_methods=None)
        found = urllib3.request(
            "POST", f"http://127.0.0.1:{port}/invocations", body=request, retries=patient,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        mask = json.loads(found.data)["predictions"][0]["mask"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(mask))))

    server = threading.Thread(
        target=serving.serve,
        args=(client, f"models:/{NAME}@champion", "127.0.0.1", port, lambda v: served[v.version - 1].set(), ended),
    )
    server.start()
    try:
        expected = [next(segmenter.predict_masks([image])) for segmenter in two_versions]
        assert not np.array_equal(*expected)
        np.testing.assert_array_equal(answer(), expected[0])
        set_alias(client, NAME, "champion", 2)
        assert served[1].wait(300)
        np.testing.assert_array_equal(answer(), expected[1])
        set_alias(client, NAME, "champion", lost)
        assert warned.wait(300)
        np.testing.assert_array_equal(answer(), expected[1])
    finally:
        ended.set()
        server.join()
