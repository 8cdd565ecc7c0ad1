"""Commands about registered models: promote, roll back, and send what MLflow did not get."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medweave import progress
from medweave.commands.options import Debug, Quiet
from medweave.errors import InputError, RunError

Reference = Annotated[str, typer.Argument(metavar="REF", help="models:/NAME/VERSION, models:/NAME@challenger, run:ID.")]
runs_app = typer.Typer(name="runs", help="Records of runs.", no_args_is_help=True)


def promote(
    reference: Reference,
    force: Annotated[bool, typer.Option("--force", help="Promote even if the gate says no.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; needed with --force, and recorded.")] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Judge a version on the task's newest test set and make it the champion if it is fit; else end with 1."""
    from pipelines.promoting import promote_reference

    if force and not (reason or "").strip():
        raise InputError("--force: needs --reason, which is recorded with the version")
    if reason is not None and not force:
        raise InputError("--reason: goes with --force; without it the gate gives the reason")
    decision = promote_reference(reference, reason)
    if not decision.promoted:
        raise RunError(decision.reason)
    progress.say(decision.reason)


def rollback(
    model: Annotated[str | None, typer.Option(help="The registered model.", show_default="the only one")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with both versions.")] = "",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Make the champion before this one the champion again."""
    from medweave.config import Tracking
    from medweave.promotion import only_model
    from medweave.promotion import rollback as go_back
    from medweave.tracking import connect

    client = connect(Tracking())
    name = model or only_model(client)
    done = go_back(client, name, reason)
    progress.say(f"{name}: version {done.after} is the champion again, in place of version {done.before}")


def export(
    model: Annotated[str, typer.Option(help="run:latest, run:ID, models:/NAME@champion or models:/NAME/VERSION.")],
    to: Annotated[Path, typer.Option(help="The file to write, such as model.onnx.")],
    format_: Annotated[Literal["onnx", "torchscript"], typer.Option("--format", help="What to write.")] = "onnx",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as ONNX or TorchScript, which run without medweave, and check that it agrees with the original."""
    from medweave.segmentation.export import export_model
    from pipelines.references import segmenter_of

    difference = export_model(segmenter_of(model), to, format_)
    progress.say(f"{to}: agrees with {model}; the largest difference of a probability is {difference:.1g}")


def serve(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, or another alias or version.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5001,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Answer requests with MLflow's server; when the alias moves, with the version that it names then."""
    import signal
    import sys

    from medweave.config import Tracking
    from medweave.tracking import connect
    from medweave.tracking.serving import serve as run_server

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves through `serve`, which ends MLflow's server
    address = f"http://{host}:{port}/invocations"
    run_server(connect(Tracking()), model, host, port, lambda served: progress.say(f"{served.model_uri} at {address}"))


@runs_app.command("sync")
def runs_sync(debug: Debug = False, quiet: Quiet = False) -> None:
    """Send the records of runs that MLflow did not get; they are kept until it has them."""
    from pipelines.syncing import sync

    nothing = True
    for run_id, sent in sync():
        uri, nothing = sent.version.model_uri, False
        progress.say(f"run {run_id} is {uri}; 'medweave promote {uri}' judges it")
    if nothing:
        progress.say("nothing to send")
