from functools import partial

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from medweave.errors import InputError
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam import SamLabeler, load_sam

SIDE = 64
BOX = Prompt(1, (10.0, 6.0, 70.0, 40.0))
POINTS = Prompt(1, None, ((30.0, 20.0, True), (80.0, 45.0, False)))
BOTH = Prompt(1, BOX.box, POINTS.points)


def tiny_sam(seed=0, dim=32):
    torch.manual_seed(seed)
    encoder = ImageEncoderViT(
        img_size=SIDE, patch_size=16, embed_dim=32, depth=2, num_heads=2, out_chans=dim, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=2, global_attn_indexes=(1,),
    )  # fmt: skip
    prompts = PromptEncoder(
        embed_dim=dim, image_embedding_size=(SIDE // 16,) * 2, input_image_size=(SIDE, SIDE), mask_in_chans=4
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=32, num_heads=2)
    decoder = MaskDecoder(transformer_dim=dim, transformer=transformer, iou_head_hidden_dim=16)
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    sam = Sam(encoder, prompts, decoder).eval()
    sam.mask_threshold = -0.4  # random weights rarely exceed SAM's 0
    return sam


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small spend all their time waiting for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sam():
    return tiny_sam()


@pytest.fixture(scope="module")
def image():
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    return cv2.resize(noise, (96, 56), interpolation=cv2.INTER_CUBIC)  # 96 wide, 56 high: wider than the input


def labeler(sam, kind="sam", precision="fp32"):
    return SamLabeler(sam, kind, "vit_b", "digest", "cpu", precision)


def predicted(sam, image, prompt):
    """SamPredictor's mask from one prompt; the most trusted of three for points alone."""
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    masks, trust, _ = predictor.predict(
        point_coords=np.array([point[:2] for point in prompt.points]) if prompt.points else None,
        point_labels=np.array([point[2] for point in prompt.points], int) if prompt.points else None,
        box=None if prompt.box is None else np.array(prompt.box),
        multimask_output=prompt.box is None,
    )
    return masks[trust.argmax()].astype(np.uint8)


@pytest.mark.parametrize("prompt", [BOX, POINTS, BOTH])
@pytest.mark.parametrize("turn", [False, True])
def test_sam_gives_the_masks_of_segment_anythings_predictor(sam, image, prompt, turn):
    pixels = np.ascontiguousarray(image.transpose(1, 0, 2)) if turn else image
    mask = labeler(sam).segment(pixels, [prompt], "")
    reference = predicted(sam, pixels, prompt)
    assert 0 < mask.sum() < mask.size and mask.dtype == np.uint8 and mask.shape == pixels.shape[:2]
    assert (mask == reference).mean() > 0.999


def test_prompts_of_one_class_unite(sam, image):
    prompts = [BOX, Prompt(1, (60.0, 30.0, 90.0, 50.0)), POINTS, BOTH]
    union = np.maximum.reduce([predicted(sam, image, prompt) for prompt in prompts])
    assert (labeler(sam).segment(image, prompts, "") == union).mean() > 0.999


def test_where_classes_overlap_the_higher_logit_wins(sam, image):
    boxes = [(0.0, 30.0, 40.0, 56.0), (40.0, 20.0, 60.0, 35.0)]
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    logits = np.stack(
        [predictor.predict(box=np.array(b), multimask_output=False, return_logits=True)[0][0] for b in boxes]
    )
    expected = np.where(logits.max(axis=0) > sam.mask_threshold, logits.argmax(axis=0) + 1, 0)
    mask = labeler(sam).segment(image, [Prompt(k + 1, box) for k, box in enumerate(boxes)], "")
    assert set(np.unique(expected)) == {0, 1, 2}
    assert (mask == expected).mean() > 0.999


def medsam_reference(sam, image, box):
    """MedSAM's published inference (MedSAM_Inference.py), with cv2 for the resizing of the image."""
    height, width = image.shape[:2]
    resized = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    unit = (resized - resized.min()) / np.clip(resized.max() - resized.min(), 1e-8, None)
    with torch.no_grad():
        features = sam.image_encoder(torch.tensor(unit).float().permute(2, 0, 1)[None])
        scaled = torch.tensor(np.array([box]) / np.array([width, height, width, height]) * SIDE, dtype=torch.float)
        sparse, dense = sam.prompt_encoder(points=None, boxes=scaled[:, None, :], masks=None)
        logits, _ = sam.mask_decoder(features, sam.prompt_encoder.get_dense_pe(), sparse, dense, False)
        probability = torch.sigmoid(logits)
        full = torch.nn.functional.interpolate(probability, (height, width), mode="bilinear", align_corners=False)
    return (full[0, 0] > 0.5).numpy().astype(np.uint8)


def test_medsam_gives_the_masks_of_its_published_inference(sam, image):
    mask = labeler(sam, "medsam").segment(image, [BOX], "")
    assert 0 < mask.sum() < mask.size
    assert (mask == medsam_reference(sam, image, BOX.box)).mean() > 0.999


def test_medsam_and_sam_are_fed_differently(sam, image):
    ours = [labeler(sam, kind).encode(image) for kind in ("sam", "medsam")]
    assert ours[0].input_size == (37, 64) and ours[1].input_size == (64, 64)
    assert not torch.allclose(ours[0].features, ours[1].features)


def test_a_constant_image_is_no_division_by_zero(sam):
    features = labeler(sam, "medsam").encode(np.full((20, 30, 3), 7, np.uint8)).features
    assert torch.isfinite(features).all()


def test_an_image_is_encoded_once_for_all_prompts(sam, image):
    calls = []
    hook = sam.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    labeler(sam).segment(image, [BOX, POINTS, BOTH, BOX], "")
    hook.remove()
    assert len(calls) == 1


def test_mixed_precision_is_near_full_precision(sam, image):
    full, mixed = (labeler(sam, precision=precision).encode(image).features for precision in ("fp32", "bf16"))
    assert mixed.dtype == torch.float32 and not torch.equal(full, mixed)
    assert torch.nn.functional.cosine_similarity(full.flatten(), mixed.flatten(), dim=0) > 0.99


def test_no_prompts_no_object(sam, image):
    assert not labeler(sam).segment(image, [], "").any()


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr("segment_anything.sam_model_registry", {"vit_b": tiny_sam})


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_are_read_from_a_checkpoint_and_digested(registry, tmp_path, image, suffix):
    trained = tiny_sam(seed=5)
    path = tmp_path / f"weights{suffix}"
    save_file(trained.state_dict(), path) if suffix == ".safetensors" else torch.save(trained.state_dict(), path)
    loaded = load_sam("sam", path, "vit_b", "cpu", "fp32")
    assert (loaded.segment(image, [BOX], "") == labeler(trained).segment(image, [BOX], "")).all()
    assert not (loaded.segment(image, [BOX], "") == labeler(tiny_sam()).segment(image, [BOX], "")).all()
    assert len(loaded.digest) == 64 and loaded.provenance()["labeler_digest"] == loaded.digest
    path.write_bytes(path.read_bytes() + b" ") if suffix != ".safetensors" else None
    assert suffix == ".safetensors" or load_sam("sam", path, "vit_b", "cpu").digest != loaded.digest


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", bytes(64)])
def test_an_unreadable_checkpoint_is_one_line(registry, tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights.*cannot be read as weights") as error:
        load_sam("medsam", path, "vit_b", "cpu")
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_would_run_code_is_refused(registry, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("touched").touch, ())

    path = tmp_path / "weights.pth"
    torch.save({"x": Harmful()}, path)
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_sam("sam", path, "vit_b", "cpu")
    assert not (tmp_path / "touched").exists()


def test_weights_of_another_architecture_are_refused(registry, tmp_path):
    state = tiny_sam().state_dict()
    name = "mask_decoder.iou_token.weight"
    others = {
        "1 weights missing, 0 unknown, 0 of another shape": {key: value for key, value in state.items() if key != name},
        "0 weights missing, 1 unknown, 0 of another shape": {**state, "surplus": torch.zeros(1)},
        "0 weights missing, 0 unknown, 1 of another shape": {**state, name: torch.zeros(2, 2)},
    }
    for index, (message, weights) in enumerate(others.items()):
        path = tmp_path / f"{index}.pth"
        torch.save(weights, path)
        with pytest.raises(InputError, match=f"{index}.pth: is no SAM of type vit_b .{message}"):
            load_sam("sam", path, "vit_b", "cpu")
    path = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(InputError, match="holds no table of weights"):
        load_sam("sam", path, "vit_b", "cpu")
