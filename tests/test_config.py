"""Settings: strict keys, overrides, profiles, digests."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medweave.config import Settings, load_settings, parse_settings
from medweave.errors import InputError

CONFIGS = Path(__file__).parents[1] / "configs"


def write(folder: Path, content: object) -> Path:
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_wrong_key_names_itself_and_the_nearest_valid_one(tmp_path):
    path = write(tmp_path, {"task": "x", "segmentation": {"image_sze": 64}})
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert str(caught.value) == (
        f"{path}: unknown key 'segmentation.image_sze'; did you mean 'segmentation.image_size'?"
    )


def test_a_wrong_key_inside_an_optional_section_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"'data\.phantoms\.golds'; did you mean 'data\.phantoms\.gold'\?"):
        parse_settings({"task": "x", "data": {"phantoms": {"golds": 3}}})


def test_a_wrong_key_inside_a_mapping_of_sections_names_the_nearest():
    wrong = {"label": {"cpus": 1}, "ingest": {"memry": "1Gi"}}
    with pytest.raises(InputError) as caught:
        parse_settings({"task": "x", "cluster": {"steps": wrong}})
    assert "unknown key 'cluster.steps.label.cpus'; did you mean 'cluster.steps.label.cpu'?" in str(caught.value)
    assert "did you mean 'cluster.steps.ingest.memory'?" in str(caught.value)


@pytest.mark.parametrize("scale", [[1.5, 0.5], [-1, 1], [0, 1]])
def test_factors_of_scale_go_up_from_above_zero(scale):
    with pytest.raises(InputError, match=r"'segmentation\.augmentation\.scale' = .*two factors above 0, the lower one"):
        parse_settings({"task": "x", "segmentation": {"augmentation": {"scale": scale}}})
    settings = parse_settings({"task": "x", "segmentation": {"augmentation": {"scale": [1, 1]}}})
    assert settings.segmentation.augmentation.scale == (1.0, 1.0)


@pytest.mark.parametrize(
    "setting", ["segmentation.learning_rate=.inf", "validation.slack=.inf", "evaluation.surface_tolerance=.nan"]
)
def test_numbers_are_finite(tmp_path, setting):
    with pytest.raises(InputError, match=f"'{setting.partition('=')[0]}'.*finite number"):
        load_settings(write(tmp_path, {"task": "x"}), [setting])


def test_a_value_in_place_of_a_list_is_told_how_a_list_is_written(tmp_path):
    path = write(tmp_path, {"task": "x"})
    with pytest.raises(InputError) as caught:
        load_settings(path, ["data.classes=organ"])
    assert str(caught.value) == f"{path}: 'data.classes' = 'organ': give a list such as [organ]"
    with pytest.raises(InputError, match=r"'data\.classes' = \{'organ': 1\}: give a list$"):
        load_settings(path, ["data.classes={organ: 1}"])


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError) as caught:
        parse_settings({"task": "x", "seed": -1, "dta": {}})
    assert "'seed' = -1" in str(caught.value)
    assert "did you mean 'data'?" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_task_is_named():
    with pytest.raises(InputError, match="'task' is required"):
        parse_settings({"seed": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "line"), ("- 1", "holds no settings"), ("", "holds no settings")],
)
def test_yaml_that_is_no_mapping(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.yaml: no such configuration"):
        load_settings(tmp_path / "nothing.yaml")


def test_overrides_are_yaml_and_reach_deep(tmp_path):
    path = write(tmp_path, {"task": "x"})
    settings = load_settings(
        path, ["seed=7", "labeling.prompts.margin=0.25", "data.classes=[background, left, right]", "data.root=a/b"]
    )
    assert settings.seed == 7
    assert settings.labeling.prompts.margin == 0.25
    assert settings.data.classes == ("left", "right")
    assert settings.data.root == "a/b"


@pytest.mark.parametrize("override", ["seed", "=3", "a..b=3", "seed=[", "task.x=1"])
def test_overrides_that_are_none(tmp_path, override):
    with pytest.raises(InputError, match="--set"):
        load_settings(write(tmp_path, {"task": "x"}), [override])


def test_a_profile_changes_defaults_but_not_what_is_stated(tmp_path):
    path = write(tmp_path, {"task": "x", "segmentation": {"folds": 4}})
    fast = load_settings(path, ["profile=fast"])
    assert (fast.segmentation.folds, fast.segmentation.image_size) == (4, 96)
    assert load_settings(path).segmentation.image_size == 160


def test_number_of_classes_makes_names():
    assert parse_settings({"task": "x", "data": {"classes": 2}}).data.classes == ("class_1", "class_2")
    assert parse_settings({"task": "x", "data": {"classes": 1}}).data.classes == ("foreground",)
    for wrong in ([], ["a", "a"], 0):
        with pytest.raises(InputError, match=r"data\.classes"):
            parse_settings({"task": "x", "data": {"classes": wrong}})


def test_only_keeps_the_named_sections_and_the_seed():
    settings = parse_settings({"task": "x", "seed": 3, "quality": {"accept": 0.9}, "promotion": {"margin": 0.5}})
    only = settings.only("quality")
    assert only.quality.accept == 0.9
    assert only.seed == 3
    assert only.promotion == Settings(task="any").promotion
    assert only == parse_settings({"task": "y", "seed": 3, "quality": {"accept": 0.9}}).only("quality")


def test_prompts_may_be_left_to_choose(tmp_path):
    auto = load_settings(write(tmp_path, {"task": "x"}), ["labeling.prompts=auto"]).labeling.prompts
    assert auto.auto and auto == parse_settings({"task": "x", "labeling": {"prompts": {"auto": True}}}).labeling.prompts
    with pytest.raises(InputError, match=r"'labeling\.prompts' = 'automatic'"):
        parse_settings({"task": "x", "labeling": {"prompts": "automatic"}})
    with pytest.raises(InputError, match=r"did you mean 'labeling\.prompts\.jitters'"):
        parse_settings({"task": "x", "labeling": {"prompts": {"jiters": 3}}})


def test_what_is_accepted_is_never_less_than_what_is_reviewed():
    with pytest.raises(InputError, match=r"accept \(0\.2\) is below review \(0\.3\); lower review, too"):
        parse_settings({"task": "x", "quality": {"accept": 0.2, "review": 0.3}})
    assert parse_settings({"task": "x", "quality": {"accept": 0.2, "review": 0.2}}).quality.accept == 0.2


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1))
def test_settings_survive_yaml_and_keep_their_digest(seed, accept):
    settings = parse_settings({"task": "x", "seed": seed, "quality": {"accept": accept}})
    again = parse_settings(yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json"))))
    assert again == settings
    assert again.digest() == settings.digest()


def test_the_digest_changes_with_any_setting():
    base = parse_settings({"task": "x"})
    assert parse_settings({"task": "x", "seed": 1}).digest() != base.digest()
    assert len(base.digest()) == 64


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_the_shipped_configs_are_valid(name):
    assert load_settings(CONFIGS / name).task == name.removesuffix(".yaml")


@pytest.mark.parametrize(
    "setting", ["encoder=resnet34", "encoder_weights=imagenet", "decoder_channels=[8, 8, 8, 8, 8]"]
)
def test_what_the_built_in_network_would_ignore_is_refused(tmp_path, setting):
    path = tmp_path / "task.yaml"
    path.write_text("task: x")
    name = setting.partition("=")[0]
    with pytest.raises(InputError, match=f"segmentation.{name}.*compact leaves none to choose"):
        load_settings(path, [f"segmentation.{setting}"])
    load_settings(path, ["segmentation.architecture=Unet", f"segmentation.{setting}"])
    assert Settings(**load_settings(path).model_dump()).segmentation.encoder == "resnet18"


def test_a_password_in_the_settings_is_refused_and_not_shown():
    with pytest.raises(InputError, match=r"'tracking\.uri' = 'mysql://db/x': .* set MLFLOW_TRACKING_URI") as caught:
        parse_settings({"task": "x", "tracking": {"uri": "mysql://who:secret@db/x"}})
    assert "secret" not in str(caught.value)
    assert parse_settings({"task": "x", "tracking": {"uri": "mysql://who@db/x"}}).tracking.uri == "mysql://who@db/x"
