"""Progress of long work: a live bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["live", "lines", "quiet"]

_style: Style = "lines"
SECONDS_BETWEEN_LINES = 10.0


def configure(quiet: bool = False) -> None:
    """Choose the style for this process from what standard error is."""
    global _style
    _style = "quiet" if quiet else "live" if sys.stderr.isatty() else "lines"


def say(message: str) -> None:
    """Print one line of progress on standard error, unless quiet."""
    if _style != "quiet":
        print(message, file=sys.stderr, flush=True)


@dataclass
class Task:
    """Counts `done` of `total` units and shows it."""

    name: str
    total: int
    done: int = 0
    _shown: float = field(default_factory=lambda: time.monotonic())

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count finished units; `note` is a short text such as a loss."""
        self.done += units
        if _style == "live":
            width = 24 * self.done // max(self.total, 1)
            bar = "━" * width + " " * (24 - width)
            print(f"\r\x1b[2K  {self.name} {bar} {self.done}/{self.total} {note}", end="", file=sys.stderr, flush=True)
        elif _style == "lines" and time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            say(f"  {self.name} {self.done}/{self.total} {note}".rstrip())


@contextmanager
def task(name: str, total: int, done: int = 0) -> Iterator[Task]:
    """Show progress of `total` units of work, of which `done` are finished, and how long it took."""
    started = time.monotonic()
    try:
        shown = Task(name, total, done)
        yield shown
        if total:
            if _style == "live":
                print("\r\x1b[2K", end="", file=sys.stderr)
            say(f"  {name}: {shown.done} in {time.monotonic() - started:.1f} s")
    except BaseException:
        if _style == "live":
            print(file=sys.stderr, flush=True)
        raise
