"""The review queue's HTML page: every label that waits for an expert, beside its image, and why it was chosen."""

from __future__ import annotations

from collections.abc import Sequence

from medweave.report.content import Example
from medweave.report.page import render
from medweave.report.tiles import legend, picture_row


def render_review(examples: Sequence[Example], task: str, run: str, classes: Sequence[str]) -> str:
    """The page as HTML text, in the order of `examples`, whose captions say why: no script, no external resource."""
    return render(
        "review.html.j2",
        {
            "examples": examples,
            "task": task,
            "run": run,
            "classes": classes,
            "rows": lambda shown: [picture_row(example, classes) for example in shown],
            "legend": lambda shown: legend(shown, classes),
            "has_heat": lambda shown: any(example.coarse is not None for example in shown),
        },
    )
