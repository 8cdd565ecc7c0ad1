"""`medweave schedule`: retraining at its time, on the cluster or on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medweave import progress
from medweave.commands.options import Debug, Overrides, Quiet, debugging
from medweave.errors import InputError

schedule_app = typer.Typer(name="schedule", help="Retraining at its time.", invoke_without_command=True)
Name = Annotated[str, typer.Argument(help="A name that 'medweave schedule list' shows.")]
Cron = Annotated[str | None, typer.Option(help="When: minute, hour, day, month, day of the week; '0 3 * * 0'.")]


@schedule_app.callback()
def create(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The task's YAML.")] = None,
    cron: Cron = None,
    name: Annotated[str | None, typer.Option(help="The schedule's name. [default: the task's]")] = None,
    set_: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="Folder for results here. [default: output/TASK]")] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Retrain at these times, in place of a schedule of the same name; or see the commands below."""
    if context.invoked_subcommand is not None:
        return
    if config is None or cron is None:
        raise InputError("schedule: needs --config and --cron, or one of list, update, pause, resume, delete")
    from medweave.config import load_settings
    from medweave.scheduling import Job, install, parse_cron, save_job
    from pipelines import schedules

    parse_cron(cron)
    settings = load_settings(config, set_ or ())
    name = name or settings.task
    if schedules.on_cluster():
        replaced = schedules.create(name, cron, settings)
        progress.say(f"{name}: {'replaced' if replaced else 'made'}; the cluster retrains at {cron}")
        return
    folder = (output or Path("output") / settings.task).absolute()
    job = Job(name, cron, str(config.absolute()), tuple(set_ or ()), str(folder))
    starter = install(job)
    save_job(job)
    progress.say(f"{name}: retrains at {cron}, by {starter}")


@schedule_app.command("list")
def list_(debug: Debug = False, quiet: Quiet = False) -> None:
    """Show what is scheduled."""
    from medweave.scheduling import jobs, last_run
    from pipelines import schedules

    if schedules.on_cluster():
        for name, cron, active in schedules.listed():
            typer.echo(f"{name:24} {cron:16} {'active' if active else 'paused'}")
        return
    for job in jobs():
        last = last_run(job.name)
        typer.echo(f"{job.name:24} {job.cron:16} {'active' if job.active else 'paused'}  {last.result if last else ''}")


@schedule_app.command("update")
def update(name: Name, cron: Annotated[str, typer.Option(help="When.")], debug: Debug = False) -> None:
    """Change when a schedule is due."""
    from medweave.scheduling import parse_cron

    parse_cron(cron)
    _change(name, cron=cron)
    progress.say(f"{name}: retrains at {cron}")


@schedule_app.command("pause")
def pause(name: Name, debug: Debug = False) -> None:
    """Start nothing until it is resumed."""
    _change(name, active=False)
    progress.say(f"{name}: is paused")


@schedule_app.command("resume")
def resume(name: Name, debug: Debug = False) -> None:
    """Go on with a paused schedule."""
    _change(name, active=True)
    progress.say(f"{name}: is active")


@schedule_app.command("delete")
def delete(name: Name, debug: Debug = False) -> None:
    """Remove a schedule; its runs and models stay."""
    from medweave.scheduling import find_job, remove_job, uninstall
    from pipelines import schedules

    if schedules.on_cluster():
        schedules.delete(name)
    else:
        uninstall(find_job(name).name)
        remove_job(name)
    progress.say(f"{name}: is deleted")


@schedule_app.command("run")
def run(name: Name, debug: Debug = False, quiet: Quiet = False) -> None:
    """Run a schedule of this machine now, as its timer does: only when something relevant changed."""
    from medweave.config import load_settings
    from medweave.scheduling import find_job
    from pipelines.launch import run_training
    from pipelines.retraining import retrain

    job = find_job(name)
    settings = load_settings(job.config, job.overrides)
    progress.say(retrain(name, settings, Path(job.output), lambda of, to: run_training(of, to, debugging())))


def _change(name: str, cron: str | None = None, active: bool | None = None) -> None:
    from dataclasses import replace

    from medweave.scheduling import find_job, install, save_job
    from pipelines import schedules

    if schedules.on_cluster():
        schedules.update(name, cron, active)
        return
    job = find_job(name)
    changed = replace(job, cron=cron or job.cron, active=job.active if active is None else active)
    install(changed)
    save_job(changed)
