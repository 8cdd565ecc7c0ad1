"""`medweave synth check`: are these images fit to be trained on, and of nobody?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medweave.commands.options import Debug, Json, Quiet
from medweave.errors import RunError


def check(
    images: Annotated[Path, typer.Option(help="Folder of generated images.")],
    training: Annotated[Path, typer.Option(help="Folder of the images that their generator learned from.")],
    json_: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Hold generated images against the real ones; ends with 1 when one of them shows a training image again."""
    from medweave.labeling.compact.features import image_features
    from medweave.report.synthesis import told_checks
    from medweave.synthesis.checks import check_folder

    checked = check_folder(images, training, image_features)
    found = checked.to_json()
    if json_:
        samples = {sample.image_id: list(sample.reasons) for sample in checked.samples}
        typer.echo(json.dumps({**found, "samples": samples}, indent=1))
    else:
        for name, figure, against in told_checks(found):
            typer.echo(f"{name:45} {figure:24} {against}".rstrip())
        for sample in checked.samples:
            if sample.reasons:
                typer.echo(f"{sample.image_id}: {'; '.join(sample.reasons)} ({sample.copy.nearest} is closest)")
    if copies := found["near_copies"]:
        raise RunError(f"{images}: {len(copies)} of {found['made']} images are near-copies of training images; "
                       "remove them before anyone sees these")  # fmt: skip
