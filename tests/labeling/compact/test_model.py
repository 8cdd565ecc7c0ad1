import pytest
import torch

from medweave.compact.encoder import DIM, FINE
from medweave.labeling.compact.model import build_compact


@pytest.fixture(scope="module")
def sam():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return build_compact().eval()


def decode(sam, features, points=None, boxes=None, masks=None):
    sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )


BOXES = torch.tensor([[60.0, 64, 190, 192], [20, 30, 200, 100], [0, 0, 256, 256]])


def test_sizes(sam):
    parameters = sum(value.numel() for value in sam.parameters())
    assert 2_000_000 < parameters < 5_500_000
    with torch.no_grad():
        features = sam.image_encoder(torch.randn(2, 3, 256, 256))
        assert features.shape == (2, DIM + 4 * FINE, 32, 32)
        logits, iou = decode(sam, features[:1], boxes=BOXES)
    assert sam.image_encoder.img_size == 256
    assert logits.shape == (3, 1, 128, 128) and iou.shape == (3, 1)


def test_weights_do_not_depend_on_the_side(sam):
    small = build_compact(128)
    small.load_state_dict(sam.state_dict())
    with torch.no_grad():
        features = small.image_encoder(torch.randn(1, 3, 128, 128))
        logits, _ = decode(small, features, boxes=BOXES[:1] / 2)
    assert logits.shape == (1, 1, 64, 64)


@torch.no_grad()
def test_prompts_of_one_image_and_of_several_agree(sam):
    features = sam.image_encoder(torch.randn(2, 3, 256, 256))
    together, _ = decode(sam, features, boxes=BOXES[:2])
    for k in range(2):
        alone, _ = decode(sam, features[k : k + 1], boxes=BOXES[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-4, rtol=1e-4)
    one_image, _ = decode(sam, features[:1], boxes=BOXES)
    torch.testing.assert_close(one_image[:1], together[:1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_maps_show_the_box_and_the_points(sam):
    points = torch.tensor([[[100.0, 52.0], [204.0, 132.0], [12.0, 12.0]]]), torch.tensor([[1, 0, -1]])
    maps = sam.prompt_encoder.draw(points, torch.tensor([[64.0, 32.0, 128.0, 96.0]]), 1)
    left, top, right, bottom, inside, positive, negative = maps[0]
    assert inside[8, 12] > 0.99 and inside[8, 20] < 0.01 and inside[20, 12] < 0.01
    torch.testing.assert_close(left[8, 12], torch.tanh(torch.tensor(8 * (12.5 / 32 - 64 / 256))))
    assert top[4, 12] > 0 > top[3, 12] and right[8, 15] > 0 > right[8, 16] and bottom[11, 12] > 0 > bottom[12, 12]
    assert divmod(int(positive.argmax()), 32) == (6, 12) and divmod(int(negative.argmax()), 32) == (16, 25)
    assert float(positive[1, 1]) < 0.01 and float(negative[1, 1]) < 0.01


def test_gradients_reach_decoder_and_prompts_but_not_a_detached_embedding(sam):
    with torch.no_grad():
        features = sam.image_encoder(torch.randn(1, 3, 256, 256))
    points = torch.tensor([[[100.0, 100.0]]]).repeat(3, 1, 1), torch.ones(3, 1, dtype=torch.int64)
    logits, iou = decode(sam, features, points, BOXES, torch.zeros(3, 1, 128, 128))
    (logits.mean() + iou.mean()).backward()
    without = {name for name, value in sam.named_parameters() if value.grad is None}
    sam.zero_grad()
    assert {name for name in without if not name.startswith("image_encoder.")} <= {
        "prompt_encoder.no_mask_embed.weight",
        "prompt_encoder.not_a_point_embed.weight",
        "prompt_encoder.point_embeddings.0.weight",
    }
