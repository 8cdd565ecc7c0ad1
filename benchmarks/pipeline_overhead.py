"""What ZenML, MLflow and imports add to a run: the share of its wall time that no stage of medweave used.

    python benchmarks/pipeline_overhead.py [--config configs/demo.yaml]

Runs the task twice in a fresh home (the second run reuses every expensive step) and prints both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPORT = """
import json, sys
from pipelines.references import find_run
from zenml.enums import ExecutionStatus
run = find_run("run:" + sys.argv[1])
seconds = {n: (s.end_time - s.start_time).total_seconds() for n, s in run.steps.items() if s.start_time and s.end_time}
print(json.dumps(seconds))
"""
MEDWEAVE = (sys.executable, "-m", "medweave.cli")
OURS = (
    "ingest", "validate", "train_coarse", "label_gold", "label_unlabeled", "label_synthetic", "check_labels",
    "train_baseline", "train_final", "evaluate",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/demo.yaml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MEDWEAVE_HOME": str(Path(folder) / "home")}
        for name in ("first run", "identical second run"):
            started = time.monotonic()
            subprocess.run(
                [*MEDWEAVE, "run", "--config", arguments.config, "--output", folder, "--quiet"],
                env=environment,
                check=True,
            )
            wall = time.monotonic() - started
            summary = json.loads((Path(folder) / "summary.json").read_text())
            printed = subprocess.run(
                [sys.executable, "-c", REPORT, summary["run_id"]],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            steps = json.loads(printed.stdout)
            stages = sum(seconds for step, seconds in steps.items() if step in OURS)
            share = 1 - stages / wall
            print(f"{name}: {wall:.1f} s, stages {stages:.1f} s, everything else {wall - stages:.1f} s ({share:.0%})")


if __name__ == "__main__":
    main()
