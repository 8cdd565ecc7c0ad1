"""`medweave monitor` judges a batch of new images; `medweave dashboard` shows batches, runs and pipelines."""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from medweave import progress
from medweave.commands.options import ConfigFile, Debug, Overrides, Quiet, debugging
from medweave.errors import InputError

DRIFT = 3


def monitor(
    config: ConfigFile,
    images: Annotated[str, typer.Option(help="Folder or URI of the new images.")],
    since: Annotated[
        str | None,
        typer.Option(help="Take only images changed since 2026-01-31 or 2026-01-31T08:00, or those new since 'last'."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Folder of masks to look at in place of the champion's predictions.")
    ] = None,
    set_: Overrides = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for drift.html and drift.json.", show_default="output/TASK")
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Say whether new images look like what the model was made for; ends with 3 when they have drifted."""
    from medweave.config import load_settings
    from pipelines.launch_monitoring import run_monitoring

    settings = load_settings(config, set_ or ())
    folder = output or Path("output") / settings.task
    batch = run_monitoring(settings, images, _time(since), labels, folder, debugging())
    level, count = batch["verdict"]["level"], batch["images"]
    about = f"{count} image{'s' if count != 1 else ''}; look at {folder / 'drift.html'}" if count else "nothing new"
    progress.say(f"{level}: {about}")
    if level == "drift":
        raise typer.Exit(DRIFT)


def _time(told: str | None) -> str | None:
    """An ISO time with its zone, this machine's where none is given; `last` stays."""
    from medweave.monitoring import LAST

    if told in (None, LAST):
        return told
    try:
        return datetime.fromisoformat(told).astimezone().isoformat()
    except ValueError:
        raise InputError(f"--since {told}: is no time; write 2026-01-31, 2026-01-31T08:00 or last") from None


def dashboard(
    config: Annotated[
        Path | None, typer.Option("--config", help="A task's YAML.", show_default="medweave's home")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of the page with links; 0: any.")] = 5000,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Start Evidently, MLflow and ZenML's dashboard on this machine, and one page with links, until Ctrl-C."""
    from medweave.config import Settings, load_settings
    from medweave.monitoring import monitoring_folder
    from medweave.monitoring.front import front_server
    from pipelines.dashboards import running, services

    settings = load_settings(config, ()) if config else Settings(task="any")
    folder = monitoring_folder(settings)
    found = services(folder, settings.tracking)
    try:
        server = front_server(folder, [(one.name, one.shows, one.url) for one in found], port)
    except OSError as error:
        raise InputError(f"--port {port}: cannot be used ({error.strerror}); choose another") from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends what was started, as Ctrl-C does
    progress.say("starting Evidently, MLflow and ZenML")
    with server, running(found):
        for one in found:
            progress.say(f"  {one.name:10} {one.url}  {one.shows}")
        typer.echo(f"http://127.0.0.1:{server.server_port}")
        server.serve_forever()
