"""What goes into the artifact store comes out again, with its content's hash."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.enums import StackComponentType

from materializers import (
    EvaluationMaterializer,
    FittedLabelerMaterializer,
    GeneratorMaterializer,
    ImageTableMaterializer,
    InventoryMaterializer,
    SegmenterMaterializer,
)
from medweave.config import Compute, Prompts, Synthesis
from medweave.data import ImageRow, ImageTable, MaskRef, write_table
from medweave.data.inventory import Inventory, InventoryRow
from medweave.data.masks import encode_mask
from medweave.labeling.fitted import FittedCard, FittedLabeler
from medweave.segmentation import Evaluation, ImageScore, Segmenter
from medweave.segmentation.networks import Architecture, build_network
from medweave.segmentation.segmenter import Card
from medweave.synthesis import Generator
from medweave.synthesis import generator as generators
from medweave.synthesis.diffusion import schedule_of
from medweave.synthesis.networks import architecture_of, build


@pytest.fixture
def store(tmp_path):
    from datetime import UTC, datetime
    from uuid import uuid4

    now = datetime.now(UTC)
    root = tmp_path / "store"
    root.mkdir()
    return LocalArtifactStore(
        name="test", id=uuid4(), config=LocalArtifactStoreConfig(path=str(root)), flavor="local",
        type=StackComponentType.ARTIFACT_STORE, user=uuid4(), created=now, updated=now,
    )  # fmt: skip


@pytest.fixture
def keep(store):
    """Save with one materializer and load with another of its kind."""

    def kept(kind, data):
        uri = f"{store.path}/{kind.__name__}"
        store.makedirs(uri)
        kind(uri, store).save(data)
        return kind(uri, store).load(type(data))

    return kept


@pytest.fixture
def table(tmp_path) -> ImageTable:
    import cv2

    cv2.imwrite(str(tmp_path / "image.png"), np.full((20, 30), 90, np.uint8))
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 5:20] = 1
    row = ImageRow("a", "a", str(tmp_path / "image.png"), "", 20, 30)
    label = replace(row.with_label("weak", MaskRef(png=encode_mask(mask)), {}), decision="accept")
    rows = [label, replace(row, decision="reject"), row]
    return write_table(tmp_path / "table", rows, shard_rows=2)


def test_an_image_table(keep, table, store):
    kept = keep(ImageTableMaterializer, table)
    assert list(kept) == list(table)
    assert kept.root.startswith(store.path)
    materializer = ImageTableMaterializer(kept.root, store)
    assert materializer.compute_content_hash(kept) == table.digest
    metadata = materializer.extract_metadata(kept)
    assert (metadata["label_sources"], metadata["decisions"]) == ({"weak": 1, "none": 2}, {"accept": 1})
    (preview,) = materializer.save_visualizations(kept)
    with store.open(preview, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_segmenter(keep):
    torch.manual_seed(0)
    architecture = Architecture("Unet", "resnet18", (8, 8, 8, 8, 8), 1)
    card = Card(architecture, ("x",), 32, "random", (1,), training={"losses": {}, "steps": 5})
    segmenter = Segmenter(card, [build_network(architecture)], Compute(device="cpu"))
    kept = keep(SegmenterMaterializer, segmenter)
    assert kept.digest == segmenter.digest
    assert kept.card == segmenter.card


def test_an_evaluation(keep):
    evaluation = Evaluation((ImageScore("a", "g", 0.5, 0.25, 1.0, 3.0, 0.0), ImageScore("b", "g", 0.1, 0.2, 0.3, 4, 1)))
    assert keep(EvaluationMaterializer, evaluation) == evaluation


def test_an_inventory(keep):
    inventory = Inventory([InventoryRow("gold", "a", "a", image_uri="x.png", foreign_values=("7",), height=3)])
    kept = keep(InventoryMaterializer, inventory)
    assert list(kept) == list(inventory)
    assert kept.digest == inventory.digest


def test_a_fitted_labeler(keep, store):
    card = FittedCard("crop", "", Prompts(margin=0.1), {"a": "fold-0"}, {"ellipse": 0.7, "after": 0.8})
    fitted = FittedLabeler(card, {"all": {"x": torch.ones(2)}, "fold-0": {"x": torch.zeros(2)}})
    kept = keep(FittedLabelerMaterializer, fitted)
    assert kept.card == card
    assert kept.digest == fitted.digest
    assert torch.equal(kept.weights["fold-0"]["x"], torch.zeros(2))
    materializer = FittedLabelerMaterializer(f"{store.path}/FittedLabelerMaterializer", store)
    assert materializer.compute_content_hash(kept) == fitted.digest
    metadata = materializer.extract_metadata(kept)
    assert (metadata["labeler"], metadata["weights"], metadata["dice_after"]) == ("crop", 2, 0.8)
    (preview,) = materializer.save_visualizations(kept)
    with store.open(preview, "rb") as file:
        assert b'"margin": 0.1' in file.read()


def test_a_labeler_that_gold_taught_nothing(keep):
    fitted = FittedLabeler(FittedCard("ellipse", "", Prompts()))
    kept = keep(FittedLabelerMaterializer, fitted)
    assert (kept.card, kept.weights) == (fitted.card, {})


def test_a_generator(keep, store):
    small = Synthesis(image_size=16, width=8)
    architecture = architecture_of(small, channels=1, classes=1)
    torch.manual_seed(0)
    card = generators.Card(architecture, ("x",), schedule_of(small), training={"steps": 7})
    generator = Generator(card, build(architecture), Compute(device="cpu"))
    kept = keep(GeneratorMaterializer, generator)
    assert kept.digest == generator.digest
    assert kept.card.training["steps"] == 7
    materializer = GeneratorMaterializer(f"{store.path}/GeneratorMaterializer", store)
    assert materializer.compute_content_hash(kept) == generator.digest
    assert materializer.extract_metadata(kept)["steps"] == 7
