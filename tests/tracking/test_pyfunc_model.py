import base64
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from medweave.errors import InputError
from medweave.tracking import register_model, resolve_model

WITHOUT_THE_PIPELINE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("zenml", "steps", "pipelines"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import mlflow.pyfunc, pandas
print(mlflow.pyfunc.load_model(sys.argv[1]).predict(pandas.DataFrame({"image": [sys.stdin.read()]}))["mask"][0])
"""


@pytest.fixture
def trained(tmp_path):
    """A small network with random weights, and its folder."""
    import torch

    from medweave.config import Segmentation
    from medweave.segmentation.networks import architecture_of, build_network
    from medweave.segmentation.segmenter import Card, Segmenter

    torch.manual_seed(0)
    architecture = architecture_of(Segmentation(architecture="Unet"), classes=1)
    network = build_network(architecture).eval()
    with torch.no_grad():  # centre the logits, so that masks have both classes
        network.segmentation_head[0].bias -= network(torch.randn(1, 3, 64, 64)).median()
    segmenter = Segmenter(Card(architecture, ("lesion",), 64, "random", (3,)), [network])
    folder = tmp_path / "trained"
    segmenter.save(folder)
    return segmenter, folder


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_served_model_answers_with_the_segmenters_masks(client, run_id, trained):
    import mlflow.pyfunc
    import pandas as pd

    segmenter, folder = trained
    register_model(client, run_id, "medweave-demo", folder, model_digest="m", evaluation_digest="e")
    served = mlflow.pyfunc.load_model(str(resolve_model(client, "models:/medweave-demo/1").parents[1]))

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (48, 80, 3), np.uint8), rng.integers(0, 256, (33, 21, 3), np.uint8)]
    answer = served.predict(pd.DataFrame({"image": [png(image) for image in images]}))
    masks = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in answer["mask"]]
    for mask, expected in zip(masks, segmenter.predict_masks(images), strict=True):
        np.testing.assert_array_equal(mask, expected)
    assert len(np.unique(masks[0])) == 2

    for content, said in ((base64.b64encode(b"text").decode(), "is not an image"), ("abc", "is not base64; send")):
        with pytest.raises(InputError, match=f"^image 1: {said}"):
            served.predict(pd.DataFrame({"image": [png(images[0]), content]}))


def test_a_fresh_process_without_zenml_predicts_the_same(client, run_id, trained):
    segmenter, folder = trained
    register_model(client, run_id, "medweave-demo", folder, model_digest="m", evaluation_digest="e")
    model = resolve_model(client, "models:/medweave-demo/1").parents[1]
    image = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_PIPELINE, str(model)], input=png(image), capture_output=True, text=True
    )
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(done.stdout))))
    np.testing.assert_array_equal(mask, next(segmenter.predict_masks([image])))
