"""Start the training pipeline, wait for it, and leave its results in a folder."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from medweave.config import Settings
from medweave.data.sources import root_of
from medweave.errors import InputError, RunError
from medweave.progress import say
from medweave.tracking import SystemMetrics, add_samples, connect, keep_rest, kept, log_samples
from medweave.work import drop_finished
from medweave.writing import whole_file
from pipelines import cluster, store
from pipelines.waiting import last_words, wait_for

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

USER_ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT)
STEP_PAGES = (
    ("validation.html", "validate", "validation_page"),
    ("labels.html", "check_labels", "labels_page"),
    ("labels.html", "check_synthetic", "labels_page"),
)
"""Pages that a run leaves even when it fails after the step that made them; of two of one name the later one."""
RESULTS = ("summary.json", "report.html", *(file for file, *_ in STEP_PAGES))


def run_training(settings: Settings, output: Path, debug: bool = False) -> dict[str, Any]:
    """Run the pipeline on the active stack and write summary.json and the pages into `output`.

    Raises InputError or RunError with the failed step's own message, and RunError when MLflow was out of reach at the
    end: the results are in `output` then, too.
    """
    started = time.monotonic()
    check_writable(output)
    store.configure(debug)
    from zenml import Model
    from zenml.exceptions import RunInterruptedException

    from pipelines.training import training
    from steps.cost import label_seconds, peak_memory_mb
    from steps.refresh import refresh

    # Where the images are must not depend on where a later command is given.
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"root": root_of(settings.data)})})
    name = new_name(settings.task)
    options = cluster.of_pipeline(settings, training, settings)
    _clear(output)
    with SystemMetrics() as measured:
        try:
            training.with_options(run_name=name, model=Model(name=settings.model_name), **options)(settings)
        except RunInterruptedException:
            raise KeyboardInterrupt from None
        except Exception:
            if debug or not runs_named(name) or cluster.is_kubernetes():
                raise
        if cluster.is_kubernetes():
            wait_for(runs_named(name)[0].id, settings.cluster.wait)
    drop_finished()
    refresh(settings)
    run = runs_named(name)[0]
    for file, step, page in STEP_PAGES:
        if step in run.steps and run.steps[step].outputs:
            write_result(output / file, store.artifact(run, step, page))
    raise_if_failed(run)
    if _is_local():
        _keep_samples(settings, str(run.id), store.artifact(run, "register", "version"), measured)
    summary: dict[str, Any] = store.artifact(run, "report", "summary")
    summary["seconds"] = {"total": time.monotonic() - started, "label": label_seconds(run)}
    summary["peak_rss_mb"] = peak_memory_mb()
    found = store.artifact(run, "validate", "validation")["findings"]
    summary["warnings"] = sum(finding["level"] == "warning" for finding in found)
    write_result(output / summary["report"], store.artifact(run, "report", "report_page"))
    write_result(output / "summary.json", json.dumps(summary, indent=1))
    if not store.artifact(run, "promote", "promotion")["judged"]:
        raise RunError(f"{summary['model']['reason']} All else is in {output}")
    if str(run.id) in {folder.name for folder in kept()}:
        raise RunError(f"MLflow did not get all of the run: send it with 'medweave runs sync'. All else is in {output}")
    return summary


def explain(source: str | None, message: str) -> InputError | RunError:
    """The error to show for an exception's class path and message."""
    kind = _exception_class(source)
    if issubclass(kind, InputError):
        return InputError(message)
    if issubclass(kind, RunError):
        return RunError(message)
    number = re.search(r"\[Errno (\d+)\]", message)
    if number and int(number[1]) in USER_ERRNOS:
        return InputError(f"{message.split('] ', 1)[-1]}: free space or choose another folder, then run again")
    if "database or disk is full" in message or "readonly database" in message:
        return InputError("the store in medweave's home cannot be written: free space there or set MEDWEAVE_HOME")
    return RunError(f"{(source or 'Exception').rpartition('.')[2]}: {message}")


def _exception_class(source: str | None) -> type[BaseException]:
    """The class of medweave that this path names, or Exception for any other."""
    module, _, name = (source or "").rpartition(".")
    return getattr(import_module(module), name) if module.startswith("medweave.") else Exception


def check_writable(output: Path) -> None:
    """Make the folder for results. Raises InputError where it cannot be made or written to."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another --output") from None


def _clear(output: Path) -> None:
    """Remove an earlier run's results, so that none are there but of the run that begins."""
    for path in (output / file for file in RESULTS):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot be removed ({error.strerror}); choose another --output") from None


def _is_local() -> bool:
    """Whether the steps run on this machine, whose load then is the run's."""
    from zenml.client import Client

    return bool(Client().active_stack.orchestrator.flavor == "local")


def _keep_samples(settings: Settings, run_id: str, version: Mapping[str, Any], measured: SystemMetrics) -> None:
    if version["kept"]:
        add_samples(Path(version["kept"]), measured.samples)
        return
    try:
        log_samples(connect(settings.tracking), version["mlflow_run_id"], measured.samples)
    except (InputError, RunError) as error:
        add_samples(keep_rest(run_id, version["mlflow_run_id"], settings.tracking), measured.samples)
        say(f"warning: what the machine did did not get to MLflow: {error}; send it with 'medweave runs sync'")


def new_name(task: str) -> str:
    """A name for a run that begins now, which no other has: ZenML finds a run by its name alone."""
    return f"{task}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:8]}"


def runs_named(name: str) -> list[PipelineRunResponse]:
    """The run of this name, if it got as far as ZenML."""
    from zenml.client import Client

    found: list[PipelineRunResponse] = Client().list_pipeline_runs(name=name, size=1).items
    return found


def raise_if_failed(run: PipelineRunResponse) -> None:
    """Raise the failed step's own error, or RunError that says how the run ended, unless it completed."""
    from zenml.enums import ExecutionStatus

    if run.status == ExecutionStatus.COMPLETED:
        return
    for name, step in run.steps.items():
        if step.status == ExecutionStatus.FAILED and step.exception_info is not None:
            error = explain(step.exception_info.source, step.exception_info.message or "failed without a message")
            if isinstance(error, RunError):
                raise RunError(f"step {name}: {error} (run:{run.id})")
            raise error
    if cluster.is_kubernetes() and (words := last_words(run.id)):
        raise RunError(words)
    raise RunError(f"run {run.name} ended as {run.status}; look at it in ZenML's dashboard")


def write_result(path: Path, text: str) -> None:
    """Write a file aside and rename it. Raises InputError where that cannot be done."""
    try:
        with whole_file(path) as aside:
            aside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another --output"
        ) from None


def describe(summary: Mapping[str, Any], output: Path) -> list[str]:
    """The lines that end a run on the command line."""
    gold_only, final, delta = (
        summary["test"]["gold_only"]["dice"],
        summary["test"]["final"]["dice"],
        summary["delta"]["dice"],
    )
    weak = summary["labels"]["weak"]
    data = summary["data"]
    synthetic = summary["labels"]["synthetic"]
    warnings, page = summary["warnings"], output / "validation.html"
    made = [f"synthetic images: {synthetic['made']} passed their checks, {synthetic['accepted']} accepted"]
    return [
        f"{data['gold']} gold, {data['unlabeled']} unlabeled, {data['test']} test images",
        *([f"set aside: {data['rejected']} files, see {page}"] if data["rejected"] else []),
        *([f"{warnings} warning{'s' if warnings > 1 else ''} about the data, see {page}"] if warnings else []),
        f"weak labels: {weak['made']} made, {weak['accepted']} accepted, {weak['review']} to review, "
        f"{weak['rejected']} rejected",
        *(made if data["synthetic"] else []),
        f"test Dice: gold only {_interval(gold_only)}, final {_interval(final)}, difference {_interval(delta)}",
        f"model {summary['model']['name']} version {summary['model']['version']}: {summary['model']['reason']}",
        f"report: {output / 'report.html'}",
    ]


def _interval(value: Mapping[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{value['mean']:.3f} [{low:.3f}, {high:.3f}]"


def show(summary: Mapping[str, Any], output: Path) -> None:
    """Say how the run ended."""
    for line in describe(summary, output):
        say(line)
