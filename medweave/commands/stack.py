"""`medweave stack`: where pipelines run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medweave import progress
from medweave.commands.options import Debug, Quiet

stack_app = typer.Typer(name="stack", help="Where pipelines run: this machine, or Kubernetes.", no_args_is_help=True)


@stack_app.command("apply")
def apply(
    name: Annotated[str, typer.Argument(help="The stack's name, such as kubernetes.")],
    values: Annotated[Path, typer.Option(help="A YAML like those in infra/stacks.")],
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Make a Kubernetes stack, or bring it up to date, and use it from now on."""
    from medweave.stack import load_values
    from pipelines.stacks import apply_stack

    changed = apply_stack(name, load_values(values))
    progress.say(
        f"stack {name} is {'up to date' if changed else 'as it was'}; runs go to it ('medweave stack use default' for "
        f"this machine again), and 'medweave doctor --stack {name}' checks it"
    )


@stack_app.command("use")
def use(
    name: Annotated[str, typer.Argument(help="The stack's name; default is this machine.")],
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Use another stack from now on."""
    from pipelines.stacks import activate

    activate(name)
    progress.say(f"runs go to stack {name}")
