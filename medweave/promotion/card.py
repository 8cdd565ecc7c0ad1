"""The model card of a registered version, in Markdown and HTML: what it is, learned from, measured, and decided."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.tracking import RegisteredVersion, describe

if TYPE_CHECKING:
    from mlflow import MlflowClient

TEMPLATE = "card.md.j2"


def write_card(client: MlflowClient, version: RegisteredVersion) -> str:
    """Write `model_card.md` and `model_card.html` among the files of the version's run; return the Markdown.

    The Markdown is the version's description in the registry, too.
    """
    text = render_card(describe(client, version.model_uri, str(version.run_id), version))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("model_card.md", text), ("model_card.html", to_html(text, version.model_uri))):
            path = Path(folder) / name
            path.write_text(content, encoding="utf-8")
            client.log_artifact(str(version.run_id), str(path))
    client.update_model_version(version.name, str(version.version), text)
    return text


def render_card(described: Mapping[str, Any]) -> str:
    """The card in Markdown of what `tracking.describe` found; what is not known is left out."""
    from jinja2 import Environment

    tags = described["tags"]
    environment = Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 (Markdown)
    environment.filters["cell"] = _cell
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8"))
    dice = {
        name: json.loads(tags[key])
        for name, key in (("this model", "test_dice"), ("gold-only training", "gold_only_dice"))
        if key in tags
    }
    checks = {key.removeprefix("check."): said for key, said in tags.items() if key.startswith("check.")}
    return template.render(
        described, dice=dice, checks=checks, promotion=_under("promotion.", tags), rollback=_under("rollback.", tags)
    )


def to_html(markdown: str, title: str) -> str:
    """Markdown as a self-contained page; HTML inside it is shown as text."""
    from html import escape

    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    style = (
        ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;"
        "padding:0 1rem;overflow-wrap:anywhere}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}"
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}</body></html>\n'


def _under(prefix: str, tags: Mapping[str, str]) -> dict[str, str]:
    return {key.removeprefix(prefix): value for key, value in sorted(tags.items()) if key.startswith(prefix)}


def _cell(value: object) -> str:
    """Text that stays in its cell of a table and means nothing in Markdown."""
    marks = "\\`*_[]<|#"
    return "".join(f"\\{mark}" if mark in marks else mark for mark in str(value)).replace("\n", " ")
