"""Training that resumes bit by bit, says what is wrong, and learns."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medweave.data import ImageTable, write_table
from medweave.errors import InputError, RunError
from medweave.synthesis import train_generator, training


def test_a_broken_training_goes_on_to_the_same_weights(table, make_settings, generator, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)
    in_the_way = tmp_path / "samples-000003.png"
    in_the_way.mkdir()
    with pytest.raises(InputError, match=r"samples-000003\.png: cannot be written"):
        train_generator([table], make_settings(), tmp_path)
    in_the_way.rmdir()
    again = train_generator([table], make_settings(), tmp_path)
    assert again.digest == generator.digest
    assert again.card.training == generator.card.training
    assert train_generator([table], make_settings(), tmp_path).digest == generator.digest


def test_the_seed_decides(table, make_settings, generator, tmp_path):
    assert train_generator([table], make_settings(seed=1), tmp_path).digest != generator.digest


def test_synthetic_rows_teach_nothing(rows, table, make_settings, generator, tmp_path):
    made = write_table(tmp_path / "made", [replace(rows[0], image_id="m", label_source="synthetic", decision="accept")])
    assert train_generator([table, made], make_settings(), tmp_path / "work").digest == generator.digest


def test_sample_sheets_show_masks_over_images(table, make_settings, tmp_path):
    train_generator([table], make_settings(), tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "samples-000004.png"))
    assert sheet.shape == (32, 128, 3)
    assert set(np.unique(sheet[:16])) == {0, 255}
    assert sheet[16:, :80].std() > 0 and not sheet[16:, 80:].any()


def test_the_card_says_how_it_came_about(generator):
    assert [step for step, _ in generator.card.training["losses"]] == [4]
    assert generator.card.training["steps"] == 4
    assert generator.card.classes == ("foreground",)
    assert generator.conditional


@pytest.mark.parametrize(
    ("other", "said"),
    [({"width": 16}, r"synthesis\.width: 8, now 16"), ({"seed": 3}, "seed: 0, now 3")],
)
def test_a_checkpoint_of_another_configuration_is_refused(table, make_settings, tmp_path, other, said):
    train_generator([table], make_settings(steps=1), tmp_path)
    with pytest.raises(InputError, match=rf"checkpoint of another configuration \({said}\)"):
        train_generator([table], make_settings(steps=1, **other), tmp_path)
    train_generator([table], make_settings(steps=1, sampler="ddim", guidance=1.0), tmp_path)


def test_a_damaged_checkpoint_is_told(table, make_settings, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half of it")
    with pytest.raises(InputError, match=r"checkpoint\.pt: is damaged"):
        train_generator([table], make_settings(), tmp_path)


def test_a_loss_that_is_not_finite_ends_the_run(table, make_settings, tmp_path):
    with pytest.raises(RunError, match=r"not finite at step \d+; lower synthesis\.learning_rate"):
        train_generator([table], make_settings(learning_rate=1e30, steps=20), tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_fewer_than_eight_images(rows, make_settings, tmp_path):
    with pytest.raises(InputError, match="7 images are too few"):
        train_generator([write_table(tmp_path / "t", rows[:7])], make_settings(), tmp_path / "w")


def test_discs_are_learned_where_the_masks_say(table: ImageTable, make_settings, tmp_path):
    settings = make_settings(steps=60, batch_size=8, learning_rate=5e-3, ema=0.9, sampling_steps=8)
    learned = train_generator([table], settings, tmp_path)
    masks = np.zeros((4, 16, 16), np.uint8)
    masks[:2, 4:9, 4:9] = masks[2:, 7:12, 7:12] = 1
    images = learned.make([(0, k) for k in range(4)], masks, settings.synthesis)[..., 0].astype(float)
    inside, outside = images[masks == 1].mean(), images[masks == 0].mean()
    assert inside > outside + 60
