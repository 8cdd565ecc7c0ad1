"""Batches that keep the labeler fed and the memory bounded: reading ahead in threads, halving when memory runs out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from medweave import progress

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 4
AHEAD = 32
"""Results that are kept ready at most."""


def read_ahead(load: Callable[[T], R], items: Iterable[T], pixels: Callable[[T], int], most_pixels: int) -> Iterator[R]:
    """`load` of each item, in order, computed in threads before it is asked for.

    At most `AHEAD` results are ready or under way at a time, and (but for one) of no more than `most_pixels`.
    """
    waiting: deque[tuple[int, Future[R]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for item in items:
                size = pixels(item)
                while waiting and (len(waiting) >= AHEAD or ahead + size > most_pixels):
                    done, future = waiting.popleft()
                    yield future.result()
                    ahead -= done
                waiting.append((size, pool.submit(load, item)))
                ahead += size
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            for _, future in waiting:
                future.cancel()


def batched(items: Iterable[T], pixels: Callable[[T], int], most: int, most_pixels: int) -> Iterator[list[T]]:
    """Lists of items in order, each of at most `most` items that have pixels, and (but for one) of `most_pixels`."""
    batch: list[T] = []
    count = total = 0
    for item in items:
        size = pixels(item)
        if size and count and (count == most or total + size > most_pixels):
            yield batch
            batch, count, total = [], 0, 0
        batch.append(item)
        count, total = count + (size > 0), total + size
    if batch:
        yield batch


class Halving:
    """Applies functions to batches of items, in ever smaller parts once memory does not suffice."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most

    def __call__(self, function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | None]:
        """One result an item, in order; None for an item for which, on its own, memory does not suffice."""
        results: list[R | None] = []
        while len(results) < len(items):
            part = items[len(results) : len(results) + self._most]
            try:
                results.extend(function(part))
                continue
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
            if len(part) == 1:
                results.append(None)
            else:
                self._most = len(part) // 2
                progress.say(f"  {self._name}: out of memory with {len(part)} images at once; on with {self._most}")
        return results


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether it is numpy's or Python's, torch's on a GPU (`torch.OutOfMemoryError`), or torch's on a CPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
