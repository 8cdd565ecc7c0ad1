"""Generators that stand on pretrained weights: an autoencoder's latents, a Stable-Diffusion-type pipeline."""

import json

import numpy as np
import pytest
import torch

from medweave.errors import InputError
from medweave.synthesis import Generator, train_generator
from medweave.synthesis.networks import architecture_of, build


def tiny_autoencoder():
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 8), layers_per_block=1, latent_channels=2, norm_num_groups=4, sample_size=16,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    tiny_autoencoder().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A Stable-Diffusion-type pipeline of random weights, as diffusers lays it out."""
    pytest.importorskip("peft", reason="peft is not installed (medweave[pretrained])")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (medweave[pretrained])")
    from diffusers import PNDMScheduler, UNet2DConditionModel

    folder = tmp_path_factory.mktemp("pipeline")
    tiny_autoencoder().save_pretrained(folder / "vae")
    UNet2DConditionModel(
        in_channels=2, out_channels=2, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        cross_attention_dim=8, attention_head_dim=4,
    ).save_pretrained(folder / "unet")  # fmt: skip
    PNDMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).save_pretrained(
        folder / "scheduler"
    )
    text = transformers.CLIPTextConfig(
        vocab_size=10, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=6, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    transformers.CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "b</w>": 3, "a": 4, "b": 5}
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 6})
    )
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return folder


@pytest.mark.parametrize("kind", ["latent", "stable_diffusion"])
def test_training_loading_and_making_on_pretrained_weights(kind, table, make_settings, tmp_path, request):
    where = request.getfixturevalue("autoencoder" if kind == "latent" else "pipeline")
    settings = make_settings(kind=kind, pretrained=str(where), image_size=32, steps=2, lora_rank=2, prompt="a b")
    trained = train_generator([table], settings, tmp_path / "work")
    trained.save(tmp_path / "generator")
    loaded = Generator.load(tmp_path / "generator", settings.compute)
    assert loaded.digest == trained.digest
    masks = np.zeros((1, 32, 32), np.uint8)
    images = [one.make([(0, 0)], masks, settings.synthesis) for one in (trained, loaded)]
    assert images[0].shape == (1, 32, 32, 1)
    assert (images[0] == images[1]).all()
    assert train_generator([table], settings, tmp_path / "work").digest == trained.digest


def test_latents_are_the_autoencoders_scaled_means(autoencoder, make_settings):
    settings = make_settings(kind="latent", pretrained=str(autoencoder)).synthesis
    space = build(architecture_of(settings, 1, 1)).space
    gray = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    with torch.no_grad():
        expected = tiny_autoencoder().eval().encode(gray.expand(-1, 3, -1, -1) / 127.5 - 1).latent_dist.mean
    assert (space.channels, space.side) == (2, 8)
    torch.testing.assert_close(space.encode(gray), expected * 0.18215, rtol=1e-4, atol=1e-5)
    assert space.decode(space.encode(gray)).shape == (1, 1, 16, 16)


def test_a_pipeline_begins_as_it_was_and_only_lora_and_the_masks_planes_are_trained(pipeline, make_settings):
    from diffusers import UNet2DConditionModel

    settings = make_settings(kind="stable_diffusion", pretrained=str(pipeline), image_size=32, lora_rank=2)
    built = build(architecture_of(settings.synthesis, 1, 1))
    assert built.schedule["beta_schedule"] == "scaled_linear" and built.schedule["beta_end"] == 0.012
    planes, times = torch.randn(1, 4, 16, 16), torch.tensor([500])
    original = UNet2DConditionModel.from_pretrained(pipeline, subfolder="unet")
    with torch.no_grad():
        said = built.network(planes, times).sample
        expected = original(planes[:, :2], times, encoder_hidden_states=built.network.told).sample
    torch.testing.assert_close(said, expected, rtol=1e-4, atol=1e-5)
    trained = [name for name, value in built.network.named_parameters() if value.requires_grad]
    assert trained and all("lora" in name or "conv_in" in name for name in trained)


@pytest.mark.parametrize("kind", ["latent", "stable_diffusion"])
def test_weights_that_are_not_there(kind, make_settings, tmp_path):
    if kind == "stable_diffusion":
        pytest.importorskip("peft", reason="peft is not installed (medweave[pretrained])")
    settings = make_settings(kind=kind, pretrained=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"synthesis\.pretrained=.*nowhere: cannot be loaded"):
        build(architecture_of(settings.synthesis, 1, 1))


def test_other_weights_than_those_trained_on(autoencoder, table, make_settings, tmp_path):
    from diffusers import AutoencoderKL

    where = tmp_path / "copy"
    AutoencoderKL.from_pretrained(autoencoder).save_pretrained(where)
    settings = make_settings(kind="latent", pretrained=str(where), steps=1)
    train_generator([table], settings, tmp_path / "work").save(tmp_path / "generator")
    torch.manual_seed(5)
    changed = AutoencoderKL.from_pretrained(where)
    torch.nn.init.normal_(changed.quant_conv.weight)
    changed.save_pretrained(where)
    with pytest.raises(InputError, match=r"copy: not the weights that .*generator was trained on"):
        Generator.load(tmp_path / "generator")


def test_a_size_that_the_autoencoder_cannot_halve(tmp_path, make_settings):
    from diffusers import AutoencoderKL

    deep = AutoencoderKL(
        block_out_channels=(4,) * 5, latent_channels=2, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 5, up_block_types=["UpDecoderBlock2D"] * 5,
    )  # fmt: skip
    deep.save_pretrained(tmp_path)
    settings = make_settings(kind="latent", pretrained=str(tmp_path), image_size=48)
    with pytest.raises(InputError, match=r"synthesis\.image_size=48: .* needs a multiple of 32"):
        build(architecture_of(settings.synthesis, 1, 1))
