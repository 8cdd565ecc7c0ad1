import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.labeling import batches
from medweave.labeling.batches import Halving, batched, read_ahead


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 30))
def test_reading_ahead_keeps_the_order_and_the_bounds(sizes, most_pixels):
    lock, ahead, worst = threading.Lock(), [], []

    def load(item):
        with lock:
            ahead.append(item)
            if len(ahead) > 1:
                worst.append((len(ahead), sum(size for _, size in ahead)))
        return item

    items = list(enumerate(sizes))
    found = []
    for item in read_ahead(load, items, lambda item: item[1], most_pixels):
        with lock:
            ahead.remove(item)
        found.append(item)
    assert found == items
    # the one that is asked for counts on top of those that are ahead of it
    assert all(count <= batches.AHEAD + 1 for count, _ in worst)
    assert all(pixels <= most_pixels + 2 * max(sizes) for _, pixels in worst)


@pytest.mark.parametrize(("size", "most_pixels", "ahead"), [(0, 10, batches.AHEAD), (1, 10, 10), (99, 10, 1)])
def test_so_many_items_are_begun_and_no_more(size, most_pixels, ahead):
    begun = iter(range(1000))
    stream = read_ahead(lambda item: item, begun, lambda _: size, most_pixels)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert next(begun) == 5 + ahead  # the last one waits for room
    stream.close()


def test_a_failure_of_a_reader_comes_out_at_its_place_and_ends_the_reading():
    started = []

    def load(item):
        started.append(item)
        if item == 3:
            raise OSError("gone")
        return item

    stream = read_ahead(load, range(1000), lambda _: 1, 1000)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(stream)
    assert len(started) <= 3 + batches.AHEAD + 1


def test_batches_hold_so_many_items_or_pixels_and_items_without_pixels_ride_along():
    def parts(sizes, most=3, most_pixels=10):
        return list(batched(sizes, lambda size: size, most, most_pixels))

    assert parts([1] * 7) == [[1, 1, 1], [1, 1, 1], [1]]
    assert parts([6, 5, 5, 5]) == [[6], [5, 5], [5]]
    assert parts([99, 1, 99]) == [[99], [1], [99]]
    assert parts([0, 1, 0, 0, 1, 1, 0, 1, 0]) == [[0, 1, 0, 0, 1, 1, 0], [1, 0]]
    assert parts([0] * 5) == [[0] * 5] and parts([]) == []


def test_halving_goes_on_with_smaller_parts_and_stays_with_them(capsys):
    sizes = []

    def double(items):
        sizes.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * item for item in items]

    in_parts = Halving("label", 16)
    assert in_parts(double, range(10)) == list(range(0, 20, 2))
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert in_parts(double, range(3)) == [0, 2, 4] and sizes[-2:] == [2, 1]
    assert capsys.readouterr().err.splitlines() == [
        "  label: out of memory with 10 images at once; on with 5",
        "  label: out of memory with 5 images at once; on with 2",
    ]


def test_an_item_that_does_not_fit_alone_has_no_result():
    def choosy(items):
        if 2 in items:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")
        return list(items)

    assert Halving("label", 4)(choosy, [1, 2, 3]) == [1, None, 3]


def test_torch_on_a_cpu_is_recognised_by_what_it_says():
    assert Halving("label", 1)(lambda _: [torch.empty(2**62, dtype=torch.uint8)], [1]) == [None]


def test_other_errors_go_through():
    def broken(_):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Halving("label", 4)(broken, [1, 2])
