"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medweave import progress

_debug = False


def debugging() -> bool:
    """Whether `--debug` was given."""
    return _debug


def _set_debug(value: bool) -> None:
    global _debug
    _debug = _debug or value


def _set_quiet(value: bool) -> bool:
    progress.configure(value)
    return value


Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and ZenML's log.", callback=_set_debug)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.", callback=_set_quiet)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a setting; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path, typer.Option("--config", help="The task's YAML, such as configs/busi.yaml.")]
