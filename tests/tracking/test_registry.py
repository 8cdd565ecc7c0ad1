import base64
import io
import shutil

import pytest
from PIL import Image

from medweave.errors import InputError
from medweave.tracking import champion, get_version, logged_models, register_model, resolve_model, set_alias

NAME = "medweave-demo"


@pytest.fixture
def register(client, run_id, segmenter):
    def register(model="m1", evaluation="e1", **more):
        return register_model(client, run_id, NAME, segmenter, model_digest=model, evaluation_digest=evaluation, **more)

    return register


def test_version_holds_the_segmenters_files_its_run_and_tags(client, register, run_id, segmenter):
    made = register(tags={"config_digest": "c1"}, description="gold + weak")
    assert (made.name, made.version, made.model_uri) == (NAME, 1, "models:/medweave-demo/1")
    assert made.run_id == run_id
    assert made.tags == {"config_digest": "c1", "model_digest": "m1", "evaluation_digest": "e1"}
    assert client.get_model_version(NAME, "1").description == "gold + weak"
    (output,) = client.get_run(run_id).outputs.model_outputs
    assert client.get_logged_model(output.model_id).status == "READY"
    folder = resolve_model(client, "models:/medweave-demo/1")
    assert folder != segmenter
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in segmenter.iterdir()
    }


def test_model_has_signature_example_and_stated_requirements_and_no_pickle(client, register):
    from mlflow.models import Model

    register()
    folder = resolve_model(client, "models:/medweave-demo/1").parents[1]
    model = Model.load(str(folder))
    assert model.signature.inputs.input_names() == ["image"]
    assert model.signature.outputs.input_names() == ["mask"]
    assert (folder / "input_example.json").is_file()
    assert "medweave==" in (folder / "requirements.txt").read_text()
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle")]


def test_example_is_an_image():
    assert Image.open(io.BytesIO(base64.b64decode(logged_models.EXAMPLE))).convert("RGB").size == (1, 1)


def test_same_model_and_evaluation_register_once(register):
    assert register() == register()
    assert register(evaluation="e2").version == 2
    assert register(model="m2").version == 3
    assert register().version == 1


def test_folder_without_card_is_refused(register, segmenter):
    (segmenter / "card.json").unlink()
    with pytest.raises(InputError, match="no segmenter here"):
        register()


def test_alias_and_number_lead_to_versions(client, register):
    first, second = register("m1"), register("m2")
    assert champion(client, NAME) is None
    set_alias(client, NAME, "champion", 1)
    assert champion(client, NAME) == first
    assert get_version(client, NAME, "champion") == first
    assert get_version(client, NAME, 2) == second
    assert resolve_model(client, f"models:/{NAME}@champion") == resolve_model(client, f"models:/{NAME}/1")
    assert resolve_model(client, f"models:/{NAME}@champion") != resolve_model(client, f"models:/{NAME}/2")


def test_missing_models_are_errors_that_name_what_there_is(client, register):
    with pytest.raises(InputError, match=r"^medweave-demo: no such registered model; there are: none yet; if tracking"):
        resolve_model(client, "models:/medweave-demo@champion")
    register()
    set_alias(client, NAME, "challenger", 1)
    with pytest.raises(InputError, match=r"^other: no such registered model; there are: medweave-demo; if tracking"):
        resolve_model(client, "models:/other/1")
    with pytest.raises(InputError, match=r"^medweave-demo: no version 2; there are: 1, @challenger; if tracking"):
        resolve_model(client, "models:/medweave-demo/2")
    with pytest.raises(
        InputError, match=r"^medweave-demo: no version is called @champion; there are: 1, @challenger; if tracking"
    ):
        resolve_model(client, "models:/medweave-demo@champion")


@pytest.mark.parametrize("reference", ["medweave-demo", "models:/medweave-demo", "models:/a/b", "models:/a'b/1", ""])
def test_what_is_no_reference_is_an_error(client, reference):
    with pytest.raises(InputError, match="not a model; write"):
        resolve_model(client, reference)


def test_a_model_without_its_segmenter_is_an_error(client, register):
    register()
    shutil.rmtree(resolve_model(client, "models:/medweave-demo/1"))
    with pytest.raises(InputError, match=r"^models:/medweave-demo/1: .* the model's files are missing"):
        resolve_model(client, "models:/medweave-demo/1")


def test_deleted_files_are_an_error(client, register, home):
    register()
    shutil.rmtree(home / "mlartifacts")
    with pytest.raises(InputError, match=r"^models:/medweave-demo/1: .* the model's files cannot be read"):
        resolve_model(client, "models:/medweave-demo/1")
