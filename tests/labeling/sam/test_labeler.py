import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from segment_anything import SamPredictor

from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Prompt
from medweave.labeling.sam import SamLabeler
from medweave.labeling.sam.labeler import inside

BOX = Prompt(1, (10.0, 6.0, 70.0, 40.0))
POINTS = Prompt(1, None, ((30.0, 20.0, True), (80.0, 45.0, False)))
POINT = Prompt(1, None, ((50.0, 30.0, True),))
BOTH = Prompt(1, BOX.box, POINTS.points)
FORMS = [BOX, POINTS, POINT, BOTH]


def labeler(sam, kind="sam", precision="fp32", **more):
    return SamLabeler(sam, kind, "tiny", "digest", "cpu", precision, **more)


def target(image, *prompts, rounds=1, name="a"):
    return Target(name, f"sha of {name}", name, image, tuple(prompts), rounds)


def predictor(sam, image):
    made = SamPredictor(sam)
    made.set_image(image)
    return made


def predicted(sam, image, prompt, mask_input=None):
    """SamPredictor's logits at the image's size and low resolution, and its score: the best of three for points."""
    masks, scores, low = predictor(sam, image).predict(
        point_coords=np.array([point[:2] for point in prompt.points]) if prompt.points else None,
        point_labels=np.array([point[2] for point in prompt.points], int) if prompt.points else None,
        box=None if prompt.box is None else np.array(prompt.box),
        mask_input=mask_input,
        multimask_output=prompt.box is None,
        return_logits=True,
    )
    best = scores.argmax()
    return masks[best], low[best], scores[best]


def dividing(sam, image, prompts):
    """The Sam with a threshold in the middle of what it says, as random weights rarely say both yes and no."""
    sam.mask_threshold = float(np.median([predicted(sam, image, prompt)[0] for prompt in prompts]))
    return sam


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.fixture
def divided(new_sam, image):
    return dividing(new_sam(), image, FORMS)


def test_logits_of_any_mix_of_prompts_are_segment_anythings(sam, image):
    ours = labeler(sam)
    mixed = [BOX, POINTS, BOTH, Prompt(1, (60.0, 30.0, 90.0, 50.0)), POINT]
    [[(embedding, prompts)]] = ours.embed([target(image, *mixed)])
    logits, scores = ours.logits(embedding, prompts)
    for prompt, found, score in zip(mixed, logits.detach(), scores.detach(), strict=True):
        _, expected, estimate = predicted(sam, image, prompt)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert float(score) == pytest.approx(float(estimate), abs=1e-5)


@pytest.mark.parametrize("prompt", FORMS)
@pytest.mark.parametrize("turn", [False, True])
def test_the_mask_is_segment_anythings(divided, image, prompt, turn):
    pixels = np.ascontiguousarray(image.transpose(1, 0, 2)) if turn else image
    logits, _, score = predicted(divided, pixels, prompt)
    [made] = labeler(divided).segment([target(pixels, prompt)])
    expected = logits > divided.mask_threshold
    assert 0 < expected.sum() < expected.size
    assert iou(made.class_map() == 1, expected) >= 0.99
    sigmoid = 1 / (1 + np.exp(divided.mask_threshold - logits))
    np.testing.assert_allclose(made.probabilities[0], np.where(sigmoid < 0.01, 0, sigmoid), atol=0.01)
    assert made.score == pytest.approx(float(np.clip(score, 0, 1)), abs=1e-5)


def test_a_second_round_is_given_the_first_ones_mask(divided, image):
    for prompt in FORMS:
        _, low, _ = predicted(divided, image, prompt)
        logits, _, _ = predicted(divided, image, prompt, mask_input=low[None])
        ours = labeler(divided)
        [made] = ours.segment([target(image, prompt, rounds=2)])
        assert iou(made.class_map() == 1, logits > divided.mask_threshold) >= 0.99
        assert not np.allclose(made.probabilities, ours.segment([target(image, prompt)])[0].probabilities)


def test_alternatives_are_averaged_and_components_united(divided, image):
    other = Prompt(1, (60.0, 30.0, 90.0, 50.0), component=1)
    [made] = labeler(divided).segment([target(image, BOX, BOTH, other)])
    logits = [predicted(divided, image, prompt)[0] - divided.mask_threshold for prompt in (BOX, BOTH, other)]
    first, second, third = (1 / (1 + np.exp(-value)) for value in logits)
    np.testing.assert_allclose(made.probabilities[0], np.maximum((first + second) / 2, third), atol=0.01)
    assert made.agreement is not None


def test_classes_have_their_channels(divided, image):
    boxes = [Prompt(1, (0.0, 30.0, 40.0, 56.0)), Prompt(3, (40.0, 20.0, 60.0, 35.0))]
    [made] = labeler(divided, classes=3).segment([target(image, *boxes)])
    assert made.probabilities.shape == (3, *image.shape[:2])
    assert not made.probabilities[1].any() and made.probabilities[0].any() and made.probabilities[2].any()


def medsam_published(image, side):
    """MedSAM's published preprocessing (MedSAM_Inference.py): scikit-image's resize of order 3, minimum and maximum.

    scikit-image resizes by a spline on the grid of pixel centres, and smooths before where it shrinks.
    """
    factors = np.array([image.shape[0] / side, image.shape[1] / side, 1])
    smooth = ndimage.gaussian_filter(image.astype(float), np.maximum(0, (factors - 1) / 2), mode="mirror")
    resized = ndimage.zoom(smooth, 1 / factors, order=3, mode="mirror", grid_mode=True)
    resized = np.clip(resized, image.min(), image.max()).astype(np.uint8)
    return (resized - resized.min()) / np.clip(resized.max() - resized.min(), a_min=1e-8, a_max=None)


def medsam_masks(sam, inputs, box, shape):
    """The rest of MedSAM's published inference: logits to probabilities, then to the image's size."""
    height, width = shape
    with torch.no_grad():
        features = sam.image_encoder(torch.tensor(inputs).float().permute(2, 0, 1)[None])
        scaled = torch.tensor([box]) / torch.tensor([width, height, width, height]) * inputs.shape[0]
        sparse, dense = sam.prompt_encoder(points=None, boxes=scaled[:, None, :], masks=None)
        logits, _ = sam.mask_decoder(features, sam.prompt_encoder.get_dense_pe(), sparse, dense, False)
        probability = torch.sigmoid(logits - sam.mask_threshold)
        return torch.nn.functional.interpolate(probability, shape, mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_medsam_is_fed_nearly_as_published(divided, image, factor):
    pixels = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    box = tuple(factor * edge for edge in BOX.box)
    published = medsam_published(pixels, 80)
    ours = labeler(divided, "medsam")
    [[(_, _)]] = ours.embed([target(pixels, Prompt(1, box))])
    [(frame, _)] = ours._kind.frames(pixels.shape[:2], [BOX], 80)
    inputs = ours._kind.pixels(pixels, frame, 80).transpose(1, 2, 0)
    assert inputs.min() == 0 and inputs.max() == 1
    assert np.abs(inputs - published).mean() < 0.02
    [made] = ours.segment([target(pixels, Prompt(1, box))])
    expected = medsam_masks(divided, inputs, box, pixels.shape[:2])
    np.testing.assert_allclose(made.probabilities[0], np.where(expected < 0.01, 0, expected), atol=0.01)
    assert made.score is None


def test_a_constant_image_is_no_division_by_zero(sam):
    flat = np.full((20, 30, 3), 7, np.uint8)
    for kind in ("sam", "medsam"):
        [[(embedding, _)]] = labeler(sam, kind).embed([target(flat, Prompt(1, (2, 2, 20, 15)))])
        assert torch.isfinite(embedding.features).all()


def test_compact_sees_a_window_around_each_component(sam, image):
    far = Prompt(1, (80.0, 40.0, 90.0, 50.0), component=1)
    ours = labeler(sam, "compact")
    [frames] = ours.embed([target(image, BOX, far, BOTH)])
    assert [prompts for _, prompts in frames] == [[BOX, BOTH], [BOX, BOTH], [far], [far]]
    assert [seen.frame.window for seen, _ in frames] == [(0, -25, 96, 71)] * 2 + [(64, 24, 96, 56)] * 2
    assert [seen.frame.mirrored for seen, _ in frames] == [False, True, False, True]
    [made] = ours.segment([target(image, BOX, far, BOTH)])
    assert isinstance(made, (Made, NoMask))


def test_compacts_points_stay_where_they_are_in_a_pixel(sam, image):
    """Column 84 of a window from 80 to 96 that becomes 80 wide (5 times): its centre is at 4.5 * 5 = 22.5."""
    point = Prompt(1, (84.0, 44.0, 92.0, 52.0), ((84.0, 44.0, True),))
    ours = labeler(sam, "compact")
    [[(embedding, prompts), (mirrored, _)]] = ours.embed([target(image, point)])
    x0, y0, x1, _ = embedding.frame.window
    scale = 80 / (x1 - x0)
    column, row = (84.5 - x0) * scale, (44.5 - y0) * scale
    for frame, expected in ((embedding.frame, [column, row]), (mirrored.frame, [80 - column, row])):
        _, points = ours._in_frame(prompts, frame)
        np.testing.assert_allclose(points[0][0, 0] + 0.5, expected, rtol=1e-5)


def test_compact_labels_a_mirrored_image_as_it_labels_the_image(divided, image):
    """A box of even size in a window of even size, so that both windows hold the same pixels."""
    width = image.shape[1]
    points = ((30.0, 20.0, True), (60.0, 34.0, False))
    prompt = Prompt(1, (20.0, 10.0, 44.0, 30.0), points)
    flipped = Prompt(1, (width - 44.0, 10.0, width - 20.0, 30.0), tuple((width - 1 - x, y, s) for x, y, s in points))
    ours = labeler(divided, "compact")
    [made] = ours.segment([target(image, prompt)])
    [other] = ours.segment([target(np.ascontiguousarray(image[:, ::-1]), flipped)])
    assert made.probabilities.std() > 0
    np.testing.assert_allclose(other.probabilities[..., ::-1], made.probabilities, atol=1e-4)


@pytest.mark.parametrize("kind", ["sam", "medsam", "compact"])
def test_targets_together_give_what_each_gives_alone(divided, image, kind):
    ours = labeler(divided, kind)
    targets = [target(np.roll(image, 7 * k, axis=1), *FORMS[: k + 1], rounds=1 + k % 2, name=str(k)) for k in range(4)]
    together = ours.segment(targets)
    for one, made in zip(targets, together, strict=True):
        [alone] = ours.segment([one])
        assert isinstance(made, Made)
        np.testing.assert_allclose(made.probabilities, alone.probabilities, atol=1e-4)


def test_an_image_is_encoded_once_for_all_prompts(new_sam, image):
    sam, calls = new_sam(), []
    sam.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    labeler(sam).segment([target(image, *FORMS, *FORMS)])
    assert len(calls) == 1


def test_bfloat16_is_near_full_precision(sam, image):
    full, mixed = (
        labeler(sam, precision=precision).embed([target(image, BOX)])[0][0][0].features
        for precision in ("fp32", "bf16")
    )
    assert mixed.dtype == torch.float32 and not torch.equal(full, mixed)
    assert torch.nn.functional.cosine_similarity(full.flatten(), mixed.flatten(), dim=0) > 0.99


def test_no_prompts_no_label(sam, image):
    assert labeler(sam).segment([target(image)]) == [NoMask("no prompt")]


def test_prompts_outside_the_image_give_no_label(sam, image):
    outside = Prompt(1, (200.0, 10.0, 300.0, 40.0)), Prompt(1, None, ((-9.0, 5.0, True),))
    assert labeler(sam).segment([target(image, *outside)]) == [NoMask("the prompts lie outside the image")]


def test_prompts_are_clipped_to_the_image():
    nan = float("nan")
    prompts = [
        Prompt(1, (-5.0, 10.0, 200.0, 40.0), ((5.0, 5.0, True), (500.0, 5.0, False))),
        Prompt(2, (10.0, 10.0, 10.0, 40.0)),
        Prompt(2, (nan, 10.0, 20.0, 40.0)),
        Prompt(2, (200.0, 10.0, 210.0, 40.0), ((5.0, 5.0, True),)),
        Prompt(2, None, ((5.0, 5.0, False),)),
    ]
    assert inside(prompts, (56, 96)) == [
        Prompt(1, (0.0, 10.0, 96.0, 40.0), ((5.0, 5.0, True),)),
        Prompt(2, None, ((5.0, 5.0, True),)),
    ]


@pytest.mark.parametrize("kind", ["sam", "medsam", "compact"])
def test_not_a_number_gives_no_label(new_sam, image, kind):
    sam = new_sam()
    with torch.no_grad():
        for layer in sam.mask_decoder.output_hypernetworks_mlps:
            layer.layers[-1].bias.fill_(torch.nan)
    [made] = labeler(sam, kind).segment([target(image, BOX)])
    assert isinstance(made, NoMask) and "not finite" in made.reason


def test_another_decoder_shares_the_encoder(new_sam, image):
    sam, other = new_sam(), new_sam(seed=1)
    ours = labeler(sam)
    before = ours.segment([target(image, BOX)])[0]
    state = labeler(other).decoder_state()
    assert {name.split(".")[0] for name in state} == {"mask_decoder", "prompt_encoder"}
    swapped = ours.with_decoder(state)
    assert swapped.sam.image_encoder is sam.image_encoder
    assert swapped.digest == ours.digest and swapped.provenance() != ours.provenance()
    [[(embedding, prompts)]] = ours.embed([target(image, BOX)])
    expected = labeler(other).logits(embedding, prompts)[0]
    assert torch.equal(swapped.logits(embedding, prompts)[0], expected)
    assert not torch.equal(ours.logits(embedding, prompts)[0], expected)
    after = ours.segment([target(image, BOX)])[0]
    assert np.array_equal(before.probabilities, after.probabilities)


def test_training_a_decoder_of_its_own_leaves_the_first_alone(new_sam, image):
    ours = labeler(new_sam())
    state = ours.decoder_state()
    trained = ours.with_decoder(state)
    [[(embedding, prompts)]] = trained.embed([target(image, *FORMS)])
    logits, scores = trained.logits(embedding, prompts, rounds=2)
    goal = trained.low_resolution((image[..., 0] > 128).astype(np.uint8), embedding.frame)
    assert goal.shape == logits.shape[1:]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, goal.expand_as(logits)) + scores.mean()
    loss.backward()
    moved = [*trained.sam.mask_decoder.parameters(), *trained.sam.prompt_encoder.point_embeddings.parameters()]
    assert sum(parameter.grad is not None for parameter in moved) > 0.9 * len(moved)
    torch.optim.SGD(trained.sam.mask_decoder.parameters(), lr=0.1).step()
    assert all(torch.equal(state[name], kept) for name, kept in ours.decoder_state().items())
    assert not all(torch.equal(state[name], kept) for name, kept in trained.decoder_state().items())
