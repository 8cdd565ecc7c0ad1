"""What the teacher says, how views are mixed, and how the teacher's part grows."""

import math

import pytest
import torch

from medweave.segmentation.consistency import Views, consistency_loss, cutmix, ramp, teach


def test_the_teacher_is_sure_of_the_likeliest_class_at_its_probability():
    # Pixels: background .7; class 1 .95; class 2 .9; undecided .4 / .35 / .25 for background, 1, 2.
    probabilities = torch.tensor([[[[0.2, 0.95, 0.05, 0.35]], [[0.1, 0.03, 0.9, 0.25]]]])
    taught, sure = teach(probabilities, 0.9)
    assert taught.tolist() == [[[0, 1, 2, 0]]]
    assert sure.tolist() == [[[0.0, 1.0, 1.0, 0.0]]]


def numbered(count: int, size: int = 16) -> Views:
    """All maps of image k are filled with k."""
    maps = torch.arange(count)[:, None, None].expand(count, size, size)
    return Views(
        maps[:, None].expand(-1, 3, -1, -1).to(torch.uint8), maps.to(torch.uint8), maps.float(), maps, maps.float()
    )


def test_a_box_of_the_neighbour_replaces_the_same_place_in_all_maps():
    torch.manual_seed(0)
    mixed = cutmix(numbered(4), 1.0)
    for index in range(4):
        replaced = mixed.masks[index] != index
        rows, columns = replaced.any(dim=1), replaced.any(dim=0)
        assert torch.equal(replaced, rows[:, None] & columns[None])  # one box
        assert 0.05 < replaced.float().mean() < 0.6
        assert set(mixed.masks[index][replaced].tolist()) == {(index - 1) % 4}
        for maps in (mixed.images[:, 0], mixed.images[:, 2], mixed.trust, mixed.taught, mixed.sure):
            assert torch.equal(maps[index].int(), mixed.masks[index].int())


def test_a_share_of_nothing_mixes_nothing_and_the_seed_repeats():
    assert torch.equal(cutmix(numbered(4), 0.0).masks, numbered(4).masks)
    seeds = [0, 0, 1]
    drawn = []
    for seed in seeds:
        torch.manual_seed(seed)
        drawn.append(cutmix(numbered(4), 1.0).masks)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_teacher_counts_more_and_more():
    assert ramp(0, 100, 0.4) == pytest.approx(math.exp(-5))
    assert ramp(20, 100, 0.4) == pytest.approx(math.exp(-1.25))
    assert ramp(40, 100, 0.4) == ramp(90, 100, 0.4) == 1.0
    assert ramp(5, 100, 0.0) == 1.0


def test_only_what_the_teacher_is_sure_of_is_learned():
    # Sure of the upper half, which is all class 1: ln 2 over half of the pixels, soft Dice 2/3 there (see the losses).
    taught = torch.zeros(1, 4, 4, dtype=torch.long)
    taught[:, :2] = 1
    views = Views(torch.zeros(1, 3, 4, 4), taught * 0, taught * 0.0, taught, taught.float())
    loss = consistency_loss(torch.zeros(1, 1, 4, 4), views)
    assert loss.item() == pytest.approx(0.5 * math.log(2) + 0.5 / 3, abs=1e-4)


def test_the_teacher_counts_as_far_as_no_trusted_label_speaks():
    taught = torch.ones(1, 4, 4, dtype=torch.long)
    losses = [
        consistency_loss(
            torch.zeros(1, 1, 4, 4),
            Views(torch.zeros(1, 3, 4, 4), taught, torch.full((1, 4, 4), trust), taught, torch.ones(1, 4, 4)),
        ).item()
        for trust in (0.0, 0.75, 1.0)
    ]
    # p = 1/2 of a mask that is all class 1: ln 2 + 1 - 2*(16*.5)/(16*.5+16) = ln 2 + 1/3.
    assert losses == pytest.approx([math.log(2) + 1 / 3, (math.log(2) + 1 / 3) / 4, 0.0], abs=1e-4)
