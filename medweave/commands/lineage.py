"""`medweave lineage`: what made a model, what a label made, and what changed between two models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from medweave import progress
from medweave.commands.options import Debug, Json, Quiet
from medweave.errors import InputError, RunError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from medweave.tracking import Kind, RegisteredVersion
    from medweave.tracking.lineage_tree import Node

KINDS = ("image", "label", "labeler")
USAGE = "write a model (models:/NAME@champion, run:latest), image:ID, label:ID, labeler:DIGEST, or 'diff REF REF'"


def lineage(
    what: Annotated[list[str], typer.Argument(metavar="REF | image:ID | label:ID | labeler:DIGEST | diff REF REF")],
    json_: Json = False,
    html: Annotated[Path | None, typer.Option("--html", help="Draw it into this file.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write every label that REF learned from.")] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Which labels made this model; which models did this label, image or labeler make; what changed between two."""
    from medweave.tracking.lineage_tree import model_tree, trace_tree
    from pipelines.references import tracking_of

    kind, _, value = what[0].partition(":")
    if csv is not None and (what[0] == "diff" or kind in KINDS):
        raise InputError("--csv: writes the labels of one model; give run:latest, run:ID or models:/NAME@champion")
    missing: list[str] = []
    if what[0] == "diff":
        found, tree = _diff(what[1:])
    elif len(what) != 1:
        raise InputError(f"{' '.join(what)}: one thing at a time; {USAGE}")
    elif kind in KINDS:
        from medweave.tracking import trace

        if not value:
            raise InputError(f"{what[0]}: names nothing; {USAGE}")
        traced = trace(tracking_of(what[0]), cast("Kind", kind), value)
        found, tree = traced.to_json(), trace_tree(traced)
    else:
        client = tracking_of(what[0])
        found = _describe(client, what[0])
        tree, missing = model_tree(found), found["missing"]
        if csv is not None:
            from medweave.tracking import open_lineage

            written = open_lineage(client, found["mlflow_run_id"]).write_csv(csv)
            progress.say(f"{written} labels in {csv}")
    _show(found, tree, json_, html)
    if missing:
        raise RunError(f"{what[0]}: its lineage is not whole: {'; '.join(missing)}")


def _describe(client: MlflowClient, reference: str) -> dict[str, Any]:
    from medweave.tracking import describe

    run_id, version = _resolve(client, reference)
    return describe(client, reference, run_id, version)


def _diff(references: list[str]) -> tuple[dict[str, Any], Node]:
    from medweave.tracking import diff, metrics_of, open_lineage
    from medweave.tracking.lineage_tree import diff_tree
    from pipelines.references import tracking_of

    if len(references) != 2:
        raise InputError("lineage diff: compares two models; write 'medweave lineage diff REF REF'")
    clients = [tracking_of(reference) for reference in references]
    runs = [(client, _resolve(client, reference)[0]) for client, reference in zip(clients, references, strict=True)]
    before, after = (open_lineage(client, run_id) for client, run_id in runs)
    found = diff(before, after, *(metrics_of(client, run_id) for client, run_id in runs))
    return found, diff_tree(" → ".join(references), found)


def _resolve(client: MlflowClient, reference: str) -> tuple[str, RegisteredVersion | None]:
    """The MLflow run that made what a reference names, and the registered version, if it made one."""
    from medweave.tracking import find_version, run_of, version_of_run

    if reference.startswith("run:"):
        from pipelines.store import find_run

        zenml_run_id = str(find_run(reference).id)
        run_id = run_of(client, zenml_run_id)
        try:
            made = version_of_run(client, zenml_run_id)
        except InputError:  # deleted since
            return run_id, None
        return run_id, made if made.run_id == run_id else None
    if not reference.startswith("models:/"):
        raise InputError(f"{reference}: not known; {USAGE}")
    version = find_version(client, reference)
    if version.run_id is None:
        raise InputError(f"{reference}: was not registered by medweave and has no lineage; choose another version")
    return version.run_id, version


def _show(found: dict[str, Any], tree: Node, json_: bool, html: Path | None) -> None:
    from medweave.tracking.lineage_tree import draw, page

    if html is not None:
        try:
            html.write_text(page(tree), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{html}: cannot be written ({error.strerror}); choose another file") from None
        progress.say(f"drawn in {html}")
    if json_:
        typer.echo(json.dumps(found, indent=1))
    elif html is None:
        import sys

        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 200).print(draw(tree))
