"""MLflow: where it keeps things, a run's record, lineage, the model registry, and promotion."""

from medweave.tracking.champion import RolledBack, rollback
from medweave.tracking.champion import promote as carry_out
from medweave.tracking.lineage_diff import diff
from medweave.tracking.lineage_files import open_lineage
from medweave.tracking.lineage_model import describe, metrics_of, run_of, version_of_run
from medweave.tracking.lineage_trace import Kind, Trace, trace
from medweave.tracking.logged_models import logged_segmenter
from medweave.tracking.outbox import Registration, Sent, add_file, add_samples, destination, keep, keep_rest, kept, send
from medweave.tracking.promotion import Evidence, Interval, Part, PromotionDecision, decide_promotion
from medweave.tracking.registry import (
    RegisteredVersion,
    champion,
    find_version,
    get_version,
    register_model,
    resolve_model,
    set_alias,
)
from medweave.tracking.runs import Context, DatasetRecord, RunRecord, log_files, log_run
from medweave.tracking.store import artifact_root, connect, experiment, tracking_uri
from medweave.tracking.system_metrics import SystemMetrics, log_samples

__all__ = [
    "Context",
    "DatasetRecord",
    "Evidence",
    "Interval",
    "Kind",
    "Part",
    "PromotionDecision",
    "RegisteredVersion",
    "Registration",
    "RolledBack",
    "RunRecord",
    "Sent",
    "SystemMetrics",
    "Trace",
    "add_file",
    "add_samples",
    "artifact_root",
    "carry_out",
    "champion",
    "connect",
    "decide_promotion",
    "describe",
    "destination",
    "diff",
    "experiment",
    "find_version",
    "get_version",
    "keep",
    "keep_rest",
    "kept",
    "log_files",
    "log_run",
    "log_samples",
    "logged_segmenter",
    "metrics_of",
    "open_lineage",
    "register_model",
    "resolve_model",
    "rollback",
    "run_of",
    "send",
    "set_alias",
    "trace",
    "tracking_uri",
    "version_of_run",
]
