"""What recording costs a run: seconds and processor seconds of each part, for a run of real size.

    python benchmarks/recording.py [--minutes 10] [--labels 250]

Records a run of so many minutes and labels with the default networks (untrained), 50 MB each kind or more, in an MLflow
store of its own. `monitoring` is what sampling the machine takes while the run lasts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medweave.config import Segmentation, Tracking
from medweave.data import ImageRow, MaskRef, write_table
from medweave.promotion.card import write_card
from medweave.segmentation import Segmenter
from medweave.segmentation.networks import architecture_of, build_network
from medweave.segmentation.segmenter import Card
from medweave.tracking import Registration, RunRecord, connect, keep, log_files, log_samples, send
from medweave.tracking.lineage import FOLDER, write_lineage
from medweave.tracking.system_metrics import INTERVAL_S, Sample, SystemMetrics

NAME = "medweave-benchmark"
MADE_BY = {"labeler": "compact", "labeler_digest": "ab" * 32, "coarse": "cd" * 32, "prompts": [{"box": [1, 2, 3, 4]}]}
CURVES = 12
REPORT = "x" * 5_000_000


@contextmanager
def measured(part: str, times: float = 1.0) -> Iterator[None]:
    """Print what the block took, `times` over."""
    wall, processor = time.monotonic(), time.process_time()
    yield
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    print(f"{part:12} {wall * times:7.2f} s {processor * times:7.2f} s of processor", flush=True)


def labels(count: int) -> Iterator[ImageRow]:
    for number in range(count):
        image = ImageRow(f"i{number}", f"g{number}", f"/data/i{number}.png", f"{number:064d}", 512, 512)
        yield image.with_label("weak", MaskRef(png=b"mask"), MADE_BY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--labels", type=int, default=250)
    arguments = parser.parse_args()
    settings = Segmentation()
    architecture = architecture_of(settings, classes=1)
    samples = round(arguments.minutes * 60 / INTERVAL_S)
    with tempfile.TemporaryDirectory() as made:
        os.environ["MEDWEAVE_HOME"] = str(Path(made) / "home")
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        saved = Path(made) / "models"
        for role, members in (("coarse", settings.folds), ("gold_only", settings.members), ("final", settings.members)):
            card = Card(architecture, ("lesion",), settings.image_size, "random", ())
            Segmenter(card, [build_network(architecture) for _ in range(members)]).save(saved / role)
        with measured("first use"), SystemMetrics():
            client = connect(Tracking())
        with measured("monitoring", samples / 2), SystemMetrics() as monitored:  # it samples at the start and the end
            pass
        table = write_table(Path(made) / "table", labels(arguments.labels))
        settings_of_all = {"data": {"classes": ["lesion"]}, "segmentation": settings.model_dump(mode="json")}
        facts = {
            "task": "benchmark", "zenml_run_id": "r", "code": {"medweave": "0", "digest": "e" * 64}, "datasets": {},
            "config": settings_of_all, "config_digest": "f" * 64, "models": {"final": "m"}, "calibration": {},
        }  # fmt: skip
        with measured("lineage"):
            write_lineage(Path(made) / FOLDER, [table], facts)
        curves = {f"curve {k}": [(step, 0.5) for step in range(1000)] for k in range(CURVES)}
        record = RunRecord("benchmark", curves=curves, artifacts=[Path(made) / FOLDER], tags={"zenml_run_id": "r"})
        with measured("keep"):
            kept = keep("r", record, Registration(NAME, "m", "e"), {path.name: path for path in saved.iterdir()})
        with measured("send"):
            sent = send(client, kept)
        with measured("report"):
            (Path(made) / "page").mkdir()
            (Path(made) / "page" / "report.html").write_text(REPORT)
            log_files(client, sent.run_id, Path(made) / "page")
        names = {sample.name for sample in monitored.samples}
        with measured("samples"):
            log_samples(client, sent.run_id, [Sample(name, 0.5, k, k) for k in range(samples) for name in names])
        with measured("card"):
            write_card(client, sent.version)


if __name__ == "__main__":
    main()
