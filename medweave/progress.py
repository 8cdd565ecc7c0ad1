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
    """Counts `done` of `total` units and shows it, with the rate and the time left of the units done here."""

    name: str
    total: int
    done: int = 0
    unit: str = ""
    _started: float = field(default_factory=lambda: time.monotonic())
    _advanced: int = 0
    _shown: float = field(default_factory=lambda: time.monotonic())

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count finished units; `note` is a short text such as a loss."""
        self.done += units
        self._advanced += units
        state = " ".join(filter(None, [f"{self.done}/{self.total}", self._pace(), note]))
        if _style == "live":
            width = 24 * self.done // max(self.total, 1)
            bar = "━" * width + " " * (24 - width)
            print(f"\r\x1b[2K  {self.name} {bar} {state}", end="", file=sys.stderr, flush=True)
        elif _style == "lines" and time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            say(f"  {self.name} {state}")

    def skip(self, units: int) -> None:
        """Count units that were finished before and cost no time now."""
        self.done += units

    def summary(self) -> str:
        """What was done in which time."""
        seconds = time.monotonic() - self._started
        rate = f" ({self._advanced / seconds:.1f} {self.unit}/s)" if self.unit and self._advanced and seconds else ""
        return f"  {self.name}: {self.done} in {seconds:.1f} s{rate}"

    def _pace(self) -> str:
        seconds = time.monotonic() - self._started
        if not self._advanced or not seconds:
            return ""
        rate = self._advanced / seconds
        unit = f" {self.unit}" if self.unit else ""
        return f"{rate:.1f}{unit}/s, {_duration((self.total - self.done) / rate)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def task(name: str, total: int, done: int = 0, unit: str = "") -> Iterator[Task]:
    """Show progress of `total` units of work (such as images), of which `done` are finished, and how long it took."""
    try:
        shown = Task(name, total, done, unit)
        yield shown
        if total:
            if _style == "live":
                print("\r\x1b[2K", end="", file=sys.stderr)
            say(shown.summary())
    except BaseException:
        if _style == "live":
            print(file=sys.stderr, flush=True)
        raise
