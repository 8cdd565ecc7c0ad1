"""Boxes of a coarse model that is trained on a few gold images, for other images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from medweave.bench.data import MAX_PIXELS, GoldFolder
from medweave.config import Compute, Data, Prompts, Quality, Segmentation, Settings
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.home import home
from medweave.labeling import Prompt, bounds_from_masks, prompts_from_probabilities
from medweave.version import code_digest
from medweave.work import work_folder
from medweave.writing import whole_file


def coarse_boxes(
    gold: GoldFolder, images: GoldFolder, recipe: Segmentation, settings: Prompts, seed: int
) -> Mapping[str, Sequence[Prompt]]:
    """The prompts for each image (by id) from a coarse model trained by `recipe`, kept in medweave's home.

    Takes the minutes of a training where gold, images, recipe, settings, seed or code are new.
    """
    code = code_digest("data", "segmentation", "labeling")
    key = hashlib.sha256(
        f"{code} {recipe.model_dump_json()} {settings.model_dump_json()} {seed} {gold.classes}".encode()
    )
    for folder in (gold, images):
        for image in folder:
            key.update(f"{image.target.image_id} {image.target.image_sha256}".encode())
            key.update(image.mask.tobytes())
    kept = home() / "bench" / f"coarse-{key.hexdigest()[:24]}.json"
    if not kept.exists():
        prompts = _trained_prompts(gold, images, recipe, settings, seed, key.hexdigest())
        kept.parent.mkdir(exist_ok=True)
        with whole_file(kept) as aside:
            aside.write_text(json.dumps({name: [one.to_json() for one in found] for name, found in prompts.items()}))
    content = json.loads(kept.read_text())
    return {image_id: [Prompt.from_json(prompt) for prompt in prompts] for image_id, prompts in content.items()}


def _trained_prompts(
    gold: GoldFolder, images: GoldFolder, recipe: Segmentation, settings: Prompts, seed: int, key: str
) -> dict[str, list[Prompt]]:
    from medweave.segmentation import build_training_set, train_coarse

    names = tuple(f"class_{k}" for k in range(1, gold.classes + 1))
    rows = [
        ImageRow(file.image_id, file.image_id, file.image_uri, "", 0, 0).with_label(
            "gold", MaskRef(uri=file.mask_uri), {}, file.mask_uri
        )
        for file in gold.files
    ]
    with work_folder("bench", key) as work:
        table = write_table(work / "gold", rows)
        data = build_training_set(
            [table],
            [],
            Settings(task="bench", data=Data(classes=names, max_pixels=MAX_PIXELS), segmentation=recipe),
            work / "data",
        )
        coarse = train_coarse(data, names, recipe, Compute(), seed, work)
    bounds = bounds_from_masks((image.mask for image in gold), gold.classes, Quality().slack)
    prompts = {}
    for image in images:
        (probabilities,) = coarse.probabilities([image.target.image])
        image_id = image.target.image_id
        prompts[image_id] = prompts_from_probabilities(probabilities, image.size, settings, bounds, image_id)
    return prompts
