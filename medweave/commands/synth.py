"""`medweave synth`: image generators outside of the pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medweave import progress
from medweave.commands.options import ConfigFile, Debug, Overrides, Quiet

if TYPE_CHECKING:
    from medweave.config import Settings
    from medweave.data import ImageTable

synth_app = typer.Typer(name="synth", help="Synthetic images, made by diffusion.", no_args_is_help=True)


@synth_app.command("train")
def train(
    config: ConfigFile,
    to: Annotated[Path, typer.Option(help="Folder for the generator; its training is kept in DIR/training.")],
    set_: Overrides = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train a generator on a task's gold and unlabeled images; the same command goes on with a broken training."""
    from accelerate import PartialState

    from medweave.config import load_settings
    from medweave.synthesis import train_generator

    settings = load_settings(config, set_ or ())
    with _real_images(settings) as tables:
        generator = train_generator(tables, settings, to / "training")
    if PartialState().is_main_process:
        generator.save(to)
        progress.say(f"generator {generator.digest[:12]} in {to}; look at {to / 'training'}/samples-*.png")


@synth_app.command("sample")
def sample(
    config: ConfigFile,
    generator: Annotated[Path, typer.Option(help="Folder of a trained generator.")],
    to: Annotated[Path, typer.Option(help="Folder for the image table and its images.")],
    count: Annotated[int | None, typer.Option(min=1, help="How many images.", show_default="synthesis.count")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of masks and images.", show_default="seed")] = None,
    set_: Overrides = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Make images, for new masks if the generator knows masks; the same command goes on where it was stopped."""
    from medweave.config import load_settings
    from medweave.synthesis import Generator, make_conditions, sample_images
    from medweave.synthesis.sheet import write_table_sheet

    settings = load_settings(config, set_ or ())
    made_by = Generator.load(generator, settings.compute)
    number = settings.synthesis.count if count is None else count
    start = settings.seed if seed is None else seed
    if not made_by.conditional:
        table = sample_images(made_by, number, settings, to, start)
    else:
        with _real_images(settings) as tables:
            conditions = make_conditions((row for table in tables for row in table), settings, number, start)
        table = sample_images(made_by, conditions, settings, to, start)
    write_table_sheet(table, to / "samples.png")
    progress.say(f"{len(table)} images in {to}; look at {to / 'samples.png'}")


@contextmanager
def _real_images(settings: Settings) -> Iterator[list[ImageTable]]:
    """The tables of gold and unlabeled images, as the pipeline reads them."""
    from medweave.data.corrections import store_of
    from medweave.data.ingest import ingest
    from medweave.home import home

    corrections = store_of(settings.data, settings.task)
    with tempfile.TemporaryDirectory() as folder:
        found = ingest(
            settings.data, settings.seed, Path(folder), settings.compute.shard_rows, home() / "phantoms", corrections
        )
        yield [found.tables["gold"], found.tables["unlabeled"]]
