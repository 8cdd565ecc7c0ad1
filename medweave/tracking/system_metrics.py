"""Processor, memory, disk, network and GPU while a run lasts, by MLflow's own monitors, as MLflow shows them.

MLflow measures only for a run of its own that is open; ours is recorded when the pipeline has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from medweave.errors import RunError, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL_S = 10.0
BATCH = 1000


@dataclass(frozen=True)
class Sample:
    """A value at a time (ms since 1970); `step` counts the samples."""

    name: str
    value: float
    time_ms: int
    step: int


@dataclass
class SystemMetrics:
    """Samples this machine every `INTERVAL_S` seconds, at the start and at the end, while the context is open."""

    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> SystemMetrics:
        self._monitors = list(_monitors())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        step = 0
        while True:
            last = self._ended.is_set()
            now = time.time_ns() // 1_000_000
            for monitor in self._monitors:
                monitor.collect_metrics()
                found = monitor.aggregate_metrics()
                self.samples += [Sample(f"system/{name}", float(value), now, step) for name, value in found.items()]
                monitor.clear_metrics()
            if last:
                return
            step += 1
            self._ended.wait(INTERVAL_S)


def log_samples(client: MlflowClient, run_id: str, samples: Sequence[Sample]) -> None:
    """Record samples with an MLflow run. Raises RunError when MLflow does not take them."""
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    metrics = [Metric(one.name, one.value, one.time_ms, one.step) for one in samples]
    try:
        for start in range(0, len(metrics), BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    except MlflowException as error:
        raise RunError(f"MLflow did not take them ({first_line(error)}); see that it answers") from None


def _monitors() -> Iterator[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    for kind in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor):
        try:
            yield kind()
        except Exception:  # noqa: S112 - the machine has no such part, or no library for it
            continue
