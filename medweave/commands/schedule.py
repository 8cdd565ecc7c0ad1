"""`medweave schedule`: retraining and monitoring at their times, on the cluster or on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medweave import progress
from medweave.commands.options import Debug, Overrides, Quiet, debugging
from medweave.errors import InputError

if TYPE_CHECKING:
    from medweave.scheduling import Job

schedule_app = typer.Typer(
    name="schedule", help="Retraining and monitoring at their times.", invoke_without_command=True
)
Name = Annotated[str, typer.Argument(help="A name that 'medweave schedule list' shows.")]
Cron = Annotated[str | None, typer.Option(help="When: minute, hour, day, month, day of the week; '0 3 * * 0'.")]


@schedule_app.callback()
def create(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The task's YAML.")] = None,
    cron: Cron = None,
    images: Annotated[
        str | None, typer.Option(help="Monitor what is new in this folder or URI, in place of retraining.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="With --images: masks to look at in place of the champion's predictions.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The schedule's name.", show_default="the task's, or TASK-monitoring")
    ] = None,
    set_: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="Folder for results here.", show_default="output/TASK")] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Retrain or monitor at these times, in place of a schedule of the same name; or see the commands below."""
    if context.invoked_subcommand is not None:
        return
    if config is None or cron is None:
        raise InputError("schedule: needs --config and --cron, or one of list, update, pause, resume, delete")
    from medweave.config import NAME, load_settings
    from medweave.scheduling import Job, check_name, install, parse_cron, save_job
    from pipelines import schedules

    parse_cron(cron)
    if labels is not None and images is None:
        raise InputError("--labels: are those of the images to monitor; give --images, too")
    if name is not None and not re.fullmatch(NAME, name):
        raise InputError(
            f"--name {name!r}: is no name; write up to 63 of a-z, 0-9, _ and -, the first a letter or digit"
        )
    settings = load_settings(config, set_ or ())
    name = name or (settings.task if images is None else f"{settings.task}-monitoring")
    if schedules.on_cluster():
        if images is None:
            replaced = schedules.create(name, cron, settings)
        else:
            replaced = schedules.create_monitoring(name, cron, settings, images, labels)
        does = "retrains" if images is None else "monitors"
        progress.say(f"{name}: {'replaced' if replaced else 'made'}; the cluster {does} at {cron}")
        return
    to = str((output or Path("output") / settings.task).absolute())
    images, labels = (of and _from_anywhere(of) for of in (images, labels))
    of_config = str(config.absolute()), tuple(set_ or ())
    job = Job(name, cron, *of_config, to, str(Path.cwd()), images=images, labels=labels)
    check_name(job)
    starter = install(job)
    save_job(job)
    progress.say(f"{name}: {job.does} at {cron}, by {starter}")


def _from_anywhere(folder: str) -> str:
    """A URI, or a path that is right in any working directory. Raises InputError for a folder that is not there."""
    from medweave.data.images import list_images

    list_images(folder)
    return folder if "://" in folder else str(Path(folder).absolute())


@schedule_app.command("list")
def list_(debug: Debug = False, quiet: Quiet = False) -> None:
    """Show what is scheduled."""
    from medweave.scheduling import jobs, last_run
    from pipelines import schedules

    if schedules.on_cluster():
        there = [(name, cron, active, "") for name, cron, active in schedules.listed()]
    else:
        there = [
            (job.name, job.cron, job.active, f"{job.does}  {last.result if (last := last_run(job.name)) else ''}")
            for job in jobs()
        ]
    for name, cron, active, more in there:
        typer.echo(f"{name:24} {cron:16} {'active' if active else 'paused'}  {more}".rstrip())
    if not there:
        progress.say("nothing is scheduled")


@schedule_app.command("update")
def update(name: Name, cron: Annotated[str, typer.Option(help="When.")], debug: Debug = False) -> None:
    """Change when a schedule is due."""
    from medweave.scheduling import parse_cron

    parse_cron(cron)
    _change(name, cron=cron)
    progress.say(f"{name}: is due at {cron}")


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
    """Run a schedule of this machine now, as its timer does: only when something relevant changed, or is new."""
    from medweave.scheduling import find_job, surroundings

    job = find_job(name)
    with surroundings(job):
        progress.say(_ended(job))


def _ended(job: Job) -> str:
    """Run a job; how it ended."""
    from medweave.config import load_settings
    from medweave.monitoring import LAST
    from pipelines.launch import run_training
    from pipelines.launch_monitoring import run_monitoring
    from pipelines.scheduled import retrain, watch

    settings, output = load_settings(job.config, job.overrides), Path(job.output)
    if (images := job.images) is None:
        return retrain(job.name, settings, output, lambda of, to: run_training(of, to, debugging()))
    return watch(job.name, settings, lambda: run_monitoring(settings, images, LAST, job.labels, output, debugging()))


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
