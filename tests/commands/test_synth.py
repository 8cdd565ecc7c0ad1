"""`medweave synth`: training and sampling from the command line."""

import sys

import pytest

from medweave import cli
from medweave.commands import options
from medweave.data import ImageTable

CONFIG = """
task: tiny
data: {phantoms: {size: 64, gold: 4, unlabeled: 4, test: 1}}
synthesis: {image_size: 16, width: 8, steps: 2, batch_size: 2, sampling_steps: 2}
compute: {device: cpu, threads: 1}
"""


@pytest.fixture
def medweave(tmp_path, monkeypatch, capfd):
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(options, "_debug", False)

    def run(*arguments):
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["medweave", "synth", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capfd.readouterr().err

    return run


def test_train_then_sample_and_again(medweave, tmp_path):
    config, generator, made = tmp_path / "tiny.yaml", tmp_path / "generator", tmp_path / "made"
    assert medweave("train", "--config", config, "--to", generator)[0] == 0
    assert {path.name for path in generator.iterdir()} == {"card.json", "weights.safetensors", "training"}
    for _ in range(2):
        status, said = medweave("sample", "--config", config, "--generator", generator, "--to", made, "--count", 3)
        assert (status, f"3 images in {made}" in said) == (0, True)
    rows = list(ImageTable(made))
    assert [row.label_source for row in rows] == ["synthetic"] * 3 and all(row.mask.png for row in rows)
    assert (made / "samples.png").exists() and len(list((made / "images").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "synthesis.image_size=65"), "'synthesis.image_size' = 65"),
        (("--set", "synthesis.kind=latent"), "set synthesis.pretrained to their folder or hub id"),
        (("--set", "data.phantoms.unlabeled=3"), "7 images are too few"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(medweave, tmp_path, arguments, said):
    status, err = medweave("train", "--quiet", "--config", tmp_path / "tiny.yaml", "--to", tmp_path / "g", *arguments)
    assert status == 2
    assert err.count("\n") == 1 and err.startswith("medweave: ") and said in err


def test_a_folder_without_a_generator(medweave, tmp_path):
    where = tmp_path / "nothing"
    status, err = medweave(
        "sample", "--quiet", "--config", tmp_path / "tiny.yaml", "--generator", where, "--to", tmp_path / "made"
    )
    assert (status, err.count("\n")) == (2, 1)
    assert f"{where}: no generator here" in err
