"""The `medweave` command. Heavy packages are imported inside the commands, so that help comes at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medweave import __version__, progress
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

_debug = False


def _set_debug(value: bool) -> None:
    global _debug
    _debug = _debug or value


Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and ZenML's log.", callback=_set_debug)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.", callback=progress.configure)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a setting; may be repeated.")
]
ConfigFile = Annotated[Path, typer.Option("--config", help="The task's YAML, such as configs/busi.yaml.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Folder for summary.json and the pages. [default: output/TASK]")
]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        typer.echo(f"medweave {__version__}")
        raise typer.Exit


@app.command()
def demo(set_: Overrides = None, output: Output = None, debug: Debug = False, quiet: Quiet = False) -> None:
    """Run the whole pipeline on embedded data, on a CPU, in minutes."""
    from medweave.config import demo_config, load_settings

    _run(load_settings(demo_config(), set_ or ()), output)


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
    output: Annotated[Path, typer.Option(help="Folder for the masks, named like the images, as PNG.")],
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Segment a folder of images."""
    from medweave.segmentation.folder import predict_folder
    from pipelines.references import segmenter_of

    predicted = predict_folder(segmenter_of(model), images, output)
    progress.say(f"{predicted.written} masks in {output}")
    if predicted.problems:
        raise InputError("; ".join(predicted.problems))


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Folder of predicted masks.")],
    masks: Annotated[Path, typer.Option(help="Folder of true masks of the same names.")],
    classes: Annotated[int, typer.Option(min=1, max=254, help="Number of foreground classes.")] = 1,
    groups: Annotated[Path | None, typer.Option(help="CSV with image_id and group_id.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
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
    format_: Annotated[Literal["png", "coco"], typer.Option("--format", help="How masks are written.")] = "png",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write the masks that a run made, with labels.csv."""
    from medweave.data.export import export_coco, export_png
    from pipelines.references import labels_of

    write = export_png if format_ == "png" else export_coco
    with labels_of(run) as (labels, settings):
        written = write(labels, to, settings.data.classes, settings.data.max_pixels)
    progress.say(f"{written} labels in {to}")


@app.command()
def doctor(debug: Debug = False, quiet: Quiet = False) -> None:
    """Tell what is installed, reachable or missing, and what to do about it."""
    from medweave.doctor import examine

    missing = False
    for check in examine():
        typer.echo(f"{check.state:8} {check.name:28} {check.what}")
        missing = missing or check.state == "missing"
    if missing:
        raise RunError("something is missing: see the lines above")


def _run(settings: Settings, output: Path | None) -> None:
    from pipelines.launch import run_training, show

    folder = output or Path("output") / settings.task
    show(run_training(settings, folder, _debug), folder)


def _metric_lines(summary: dict[str, Any]) -> list[str]:
    names = {"dice": "Dice", "iou": "IoU", "nsd": "surface Dice", "hd95": "HD95 (pixels)"}
    lines = [f"{'images':14} {summary['images']}"]
    for key, name in names.items():
        low, high = summary[key]["ci95"]
        lines.append(f"{name:14} {summary[key]['mean']:.4f}  95 % interval {low:.4f} to {high:.4f}")
    return [*lines, f"{'empty':14} {summary['empty_rate']:.1%} of the predictions"]


def main() -> None:
    """Run the command; errors end it with one line and the exit status of their kind."""
    progress.configure()
    try:
        app()
    except (InputError, RunError) as error:
        if _debug:
            raise
        print(f"medweave: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        print("medweave: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if _debug:
            raise
        print(f"medweave: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
