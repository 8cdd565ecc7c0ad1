"""Batches of new images: taken, measured, judged, kept, and shown beside the batches before them."""

from medweave.monitoring.judging import judge, nothing_new
from medweave.monitoring.measuring import Observers, measure
from medweave.monitoring.metrics import RunState, write_metrics
from medweave.monitoring.recording import alert_text, batch_record
from medweave.monitoring.reference import measured_training
from medweave.monitoring.retraining import Retraining, decide_retraining
from medweave.monitoring.reviewed import Reviewed, expert_masks, review_batches, reviewed_batches
from medweave.monitoring.store import Batch, BatchStore, is_monitored, monitoring_folder, shared_store, store_of
from medweave.monitoring.taking import LAST, take_batch
from medweave.monitoring.versions import Version, versions_of
from medweave.monitoring.workspace import update_workspace

__all__ = [
    "LAST",
    "Batch",
    "BatchStore",
    "Observers",
    "Retraining",
    "Reviewed",
    "RunState",
    "Version",
    "alert_text",
    "batch_record",
    "decide_retraining",
    "expert_masks",
    "is_monitored",
    "judge",
    "measure",
    "measured_training",
    "monitoring_folder",
    "nothing_new",
    "review_batches",
    "reviewed_batches",
    "shared_store",
    "store_of",
    "take_batch",
    "update_workspace",
    "versions_of",
    "write_metrics",
]
