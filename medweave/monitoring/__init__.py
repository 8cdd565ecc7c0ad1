"""Batches of new images: taken, measured, judged, kept, and shown beside the batches before them."""

from medweave.monitoring.judging import judge
from medweave.monitoring.measuring import Observers, measure
from medweave.monitoring.metrics import write_metrics
from medweave.monitoring.recording import alert_text, batch_record
from medweave.monitoring.reference import measured_training
from medweave.monitoring.retraining import Retraining, decide_retraining
from medweave.monitoring.store import Batch, BatchStore, monitoring_folder, store_of
from medweave.monitoring.taking import take_batch
from medweave.monitoring.versions import Version, versions_of
from medweave.monitoring.workspace import update_workspace

__all__ = [
    "Batch",
    "BatchStore",
    "Observers",
    "Retraining",
    "Version",
    "alert_text",
    "batch_record",
    "decide_retraining",
    "judge",
    "measure",
    "measured_training",
    "monitoring_folder",
    "store_of",
    "take_batch",
    "update_workspace",
    "versions_of",
    "write_metrics",
]
