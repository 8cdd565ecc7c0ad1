"""The training of a generator on all GPUs of a machine: a process each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from medweave import progress
from medweave.compute import device
from medweave.config import Settings
from medweave.data import ImageTable
from medweave.synthesis.generator import Generator
from medweave.synthesis.training import train_generator


def train_on_all_gpus(images: Sequence[ImageTable], settings: Settings, work: Path) -> Generator:
    """What `train_generator` gives, by as many processes as there are GPUs."""
    import torch

    gpus = torch.cuda.device_count() if device(settings.compute).type == "cuda" else 1
    return train_in_processes(gpus, images, settings, work)


def train_in_processes(count: int, images: Sequence[ImageTable], settings: Settings, work: Path) -> Generator:
    """What `train_generator` gives, by so many processes, each of which takes its part of every batch.

    Where these fail (one GPU is lost, a batch does not divide), this process goes on alone from their checkpoint, and
    meets what ended them if it ends it, too.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if count > 1:
        here = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            max_restarts=0,
            start_method="spawn",
            logs_specs=DefaultLogsSpecs(log_dir=str(work / "processes")),
        )
        try:
            elastic_launch(here, _train)(images, settings, work)
        except ChildFailedError as error:
            progress.say(f"warning: {count} processes could not train the generator ({error.name}); one goes on")
    return train_generator(images, settings, work)


def _train(images: Sequence[ImageTable], settings: Settings, work: Path) -> None:
    """Train, and leave the result in `work`; the first process alone shows how far it is."""
    progress.configure(quiet=os.environ["RANK"] != "0")
    train_generator(images, settings, work)
