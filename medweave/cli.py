"""The `medweave` command. Heavy packages are imported inside the commands, so that help comes at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medweave import __version__, progress
from medweave.commands.lineage import lineage
from medweave.commands.models import export, promote, rollback, runs_app, serve
from medweave.commands.monitor import dashboard, monitor
from medweave.commands.options import ConfigFile, Debug, Json, Overrides, Quiet, debugging
from medweave.commands.schedule import schedule_app
from medweave.commands.stack import stack_app
from medweave.commands.synth import synth_app
from medweave.commands.synth_check import check as synth_check
from medweave.errors import InputError, RunError

if TYPE_CHECKING:
    from medweave.config import Settings

app = typer.Typer(
    name="medweave",
    help="From a handful of expert masks and many unlabeled images to a segmentation model fit to be promoted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
labels_app = typer.Typer(name="labels", help="The labels of a run.", no_args_is_help=True)
app.add_typer(labels_app)
weights_app = typer.Typer(name="weights", help="Published weights of promptable models.", no_args_is_help=True)
app.add_typer(weights_app)
bench_app = typer.Typer(name="bench", help="Measure parts of medweave on your data.", no_args_is_help=True)
app.add_typer(bench_app)
synth_app.command("check")(synth_check)
app.add_typer(synth_app)
app.add_typer(runs_app)
app.add_typer(stack_app)
app.add_typer(schedule_app)
for command in (lineage, promote, rollback, export, serve, monitor, dashboard):
    app.command()(command)

INTERRUPTED = 130
"""The exit status that typer makes of Ctrl-C."""

Output = Annotated[
    Path | None, typer.Option("--output", help="Folder for summary.json and the pages.", show_default="output/TASK")
]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        typer.echo(f"medweave {__version__}")
        raise typer.Exit


@app.command()
def demo(
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Also make images by diffusion.")] = False,
    set_: Overrides = None,
    output: Output = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Run the whole pipeline on embedded data, on a CPU, in minutes."""
    from medweave.config import demo_config, load_settings

    _run(load_settings(demo_config(), ["synthesis.enabled=true", *(set_ or ())] if synthetic else set_ or ()), output)


@app.command()
def run(
    config: ConfigFile, set_: Overrides = None, output: Output = None, debug: Debug = False, quiet: Quiet = False
) -> None:
    """Run the training pipeline of a task."""
    from medweave.config import load_settings

    _run(load_settings(config, set_ or ()), output)


@app.command()
def predict(
    model: Annotated[str, typer.Option(help="run:latest, run:ID, models:/NAME@champion or models:/NAME/VERSION.")],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    output: Annotated[Path, typer.Option(help="Folder for the masks, named like the images.")],
    format_: Annotated[
        Literal["png", "dicomseg"], typer.Option("--format", help="PNG, or DICOM Segmentations of DICOM images.")
    ] = "png",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Segment a folder of images; ends with 2 when some cannot be read, and writes the masks of the others."""
    from medweave.segmentation.folder import predict_folder
    from pipelines.references import segmenter_of

    predicted = predict_folder(segmenter_of(model), images, output, format_)
    progress.say(f"{predicted.written} masks in {output}")
    if predicted.problems:
        raise InputError("; ".join(predicted.problems))


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Folder of predicted masks.")],
    masks: Annotated[Path, typer.Option(help="Folder of true masks of the same names.")],
    classes: Annotated[int, typer.Option(min=1, max=254, help="Number of foreground classes.")] = 1,
    groups: Annotated[Path | None, typer.Option(help="CSV with image_id and group_id.")] = None,
    json_: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Measure predicted masks against true ones: Dice, IoU, surface Dice, HD95, with 95 % intervals."""
    from medweave.config import Evaluation
    from medweave.segmentation.evaluation import evaluate_folders

    settings = Evaluation()
    evaluation = evaluate_folders(predictions, masks, classes, settings.surface_tolerance, groups)
    summary = {"images": len(evaluation.rows), **evaluation.summary(settings.resamples, seed=0)}
    typer.echo(json.dumps(summary) if json_ else "\n".join(_metric_lines(summary)))


@labels_app.command("export")
def labels_export(
    run: Annotated[str, typer.Option(help="run:latest or run:ID.")],
    to: Annotated[Path, typer.Option(help="Folder to make.")],
    format_: Annotated[
        Literal["png", "coco", "dicomseg"], typer.Option("--format", help="How masks are written.")
    ] = "png",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write the masks that a run made, with labels.csv."""
    from medweave.data.dicomseg import export_dicomseg
    from medweave.data.export import export_coco, export_png
    from pipelines.references import labels_of

    write = {"png": export_png, "coco": export_coco, "dicomseg": export_dicomseg}[format_]
    with labels_of(run) as (labels, settings):
        written = write(labels, to, settings.data.classes, settings.data.max_pixels)
    progress.say(f"{written} labels in {to}")


@labels_app.command("review")
def labels_review(
    run: Annotated[str, typer.Option(help="run:latest or run:ID.")],
    to: Annotated[Path, typer.Option(help="Folder to make.")],
    count: Annotated[int, typer.Option(min=1, help="How many labels.")] = 20,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write the labels whose correction helps most: images, masks, COCO, and a page to look through."""
    from medweave.review import write_queue
    from pipelines.cluster import require_seen_corrections
    from pipelines.references import weak_labels_of

    labels, settings, run_id = weak_labels_of(run)
    require_seen_corrections(settings)
    written = write_queue(labels, settings.data, settings.task, run_id, to, count)
    progress.say(f"{written} labels to review in {to}; look at {to / 'review.html'}")


@labels_app.command("import")
def labels_import(
    folder: Annotated[Path, typer.Argument(help="A folder of 'labels review', with corrected masks in it.")],
    by: Annotated[str | None, typer.Option(help="Who corrected.", show_default="your user name")] = None,
    format_: Annotated[
        Literal["png", "coco"], typer.Option("--format", help="What was corrected: masks/ or annotations.json.")
    ] = "png",
    all_: Annotated[bool, typer.Option("--all", help="Masks that were left as they are were looked at, too.")] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Bring corrected masks back as gold; the next run uses them."""
    from datetime import UTC, datetime

    from medweave.review import import_corrections, user_name

    imported = import_corrections(folder, format_, user_name() if by is None else by, datetime.now(UTC), all_)
    for line in imported.told():
        progress.say(line)


@weights_app.command("list")
def weights_list(json_: Json = False, debug: Debug = False, quiet: Quiet = False) -> None:
    """Show which weights medweave knows, and where they are or how to get them."""
    from medweave.labeling.weights import available

    weights = available()
    if json_:
        typer.echo(json.dumps(weights, indent=1))
        return
    rows = []
    for entry in weights:
        size = "" if entry["size"] is None else f"{entry['size'] / 1e6:,.0f} MB"
        get = f"medweave weights fetch {entry['name']}" if entry["url"] else f"{entry['file']} from {entry['page']}"
        rows.append((entry["name"], entry["what"], size, entry["path"] or get))
    _show_table(("name", "what", "size", "where it is, or how to get it"), rows)


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A name that 'medweave weights list' shows.")],
    from_: Annotated[
        str | None,
        typer.Option("--from", help="A path, a URL or hf:OWNER/NAME/FILE.", show_default="the publisher's URL"),
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Bring weights to this machine, check them and keep them as safetensors; goes on with a broken download."""
    from medweave.labeling.weights import fetch

    typer.echo(fetch(name, from_))


@weights_app.command("verify")
def weights_verify(
    path: Annotated[Path, typer.Argument(help="A .pth, .pt or .safetensors file.")],
    json_: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Tell what a file of weights holds; ends with 2 when it is damaged, foreign or not what it claims to be."""
    from medweave.labeling.weights import examine

    held = examine(path)
    if json_:
        typer.echo(json.dumps(held.to_json(), indent=1))
        return
    published = f"known as {held.published}" if held.published else "unlike any file that medweave knows"
    typer.echo(f"{path}: {held.kind or 'SAM or MedSAM'} {held.model_type}, {held.parameters:,} parameters, {published}")
    typer.echo(f"sha256 {held.sha256}")


@bench_app.command("labelers")
def bench_labelers(
    data: Annotated[Path, typer.Option(help="Folder that holds images and masks.")],
    gold: Annotated[Path | None, typer.Option(help="Such a folder to learn from: adds models that do.")] = None,
    coarse: Annotated[bool, typer.Option("--coarse", help="Add boxes of a coarse model trained on --gold.")] = False,
    classes: Annotated[int, typer.Option(min=1, max=254, help="Number of foreground classes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jitters and training.")] = 0,
    only: Annotated[str | None, typer.Option(help="Measure one labeler, in this process.")] = None,
    json_: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Compare promptable models, prompted by gold boxes and by jittered ones: Dice, images a second, memory."""
    from medweave.bench import Bench

    bench = Bench(data, gold, classes, coarse, seed)
    measured, failed = bench.run(quiet) if only is None else (bench.run_one(only), [])
    if json_:
        typer.echo(json.dumps(measured))
    elif measured["labelers"]:
        _show_table(*_bench_table(measured["labelers"]))
    if failed:
        raise RunError(f"no result for {', '.join(failed)}: see above why")


@app.command()
def doctor(
    stack: Annotated[str | None, typer.Option(help="Look at this ZenML stack, from here and from a pod.")] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Tell what is installed, reachable or missing, and what to do about it."""
    from medweave.doctor import examine
    from pipelines.stack_checks import examine_stack

    missing = False
    for check in examine() if stack is None else examine_stack(stack):
        typer.echo(f"{check.state:8} {check.name:28} {check.what}")
        missing = missing or check.state == "missing"
    if missing:
        raise RunError("something is missing: see the lines above")


def _run(settings: Settings, output: Path | None) -> None:
    from pipelines.launch import run_training, show

    folder = output or Path("output") / settings.task
    show(run_training(settings, folder, debugging()), folder)


def _show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _bench_table(labelers: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: mean Dice with its interval and the median below, for each way of prompting."""
    ways = [key for key, value in next(iter(labelers.values())).items() if isinstance(value, dict)]
    rows = []
    for name, measured in labelers.items():
        dice = [measured[way]["dice"] for way in ways]
        cells = [f"{d['mean']:.3f} ({d['ci95'][0]:.3f}-{d['ci95'][1]:.3f})\nmedian {d['median']:.3f}" for d in dice]
        rows.append([name, *cells, f"{measured['images_per_second']:.1f}", str(measured["peak_rss_mb"])])
    return ["labeler", *(way.replace("_", " ") for way in ways), "images/s", "peak MB"], rows


def _metric_lines(summary: dict[str, Any]) -> list[str]:
    names = {"dice": "Dice", "iou": "IoU", "nsd": "surface Dice", "hd95": "HD95 (pixels)"}
    parts = summary.get("with_structure")
    normal = f", {parts['empty_masks']} with an empty mask: Dice 1 if nothing is predicted, else 0" if parts else ""
    lines = [f"{'images':14} {summary['images']}{normal}"]
    lines += [f"{name:14} {_with_interval(summary[key])}" for key, name in names.items()]
    for label, found in enumerate(summary.get("by_class", ()), start=1):
        told = f"{_with_interval(found['dice'])}, {found['images']} images" if found["dice"] else "in no image"
        lines.append(f"{f'Dice, class {label}':14} {told}")
    if parts and parts["dice"]:
        lines.append(f"Dice where there is something  {_with_interval(parts['dice'])}")
    there = parts or {"images": summary["images"], "missed_rate": summary["empty_rate"]}
    if there["images"]:
        lines.append(f"structure missed in {there['missed_rate']:.1%} of the {there['images']} images that have one")
    return lines


def _with_interval(estimate: dict[str, Any]) -> str:
    low, high = estimate["ci95"]
    return f"{estimate['mean']:.4f}  95 % interval {low:.4f} to {high:.4f}"


def main() -> None:
    """Run the command; errors end it with one line and the exit status of their kind."""
    progress.configure()
    try:
        app()
    except (InputError, RunError) as error:
        if debugging():
            raise
        print(f"medweave: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            print("medweave: stopped; the same command goes on where it was", file=sys.stderr)
        raise
    except Exception as error:
        if debugging():
            raise
        print(f"medweave: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
