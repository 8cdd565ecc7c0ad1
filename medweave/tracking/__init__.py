"""MLflow: where it keeps things, a run's record, the model registry, and promotion."""

from medweave.tracking.promotion import Interval, PromotionDecision, decide_promotion, promote
from medweave.tracking.registry import (
    RegisteredVersion,
    champion,
    get_version,
    register_model,
    resolve_model,
    set_alias,
)
from medweave.tracking.runs import Context, DatasetRecord, RunRecord, log_run
from medweave.tracking.store import artifact_root, connect, experiment, tracking_uri

__all__ = [
    "Context",
    "DatasetRecord",
    "Interval",
    "PromotionDecision",
    "RegisteredVersion",
    "RunRecord",
    "artifact_root",
    "champion",
    "connect",
    "decide_promotion",
    "experiment",
    "get_version",
    "log_run",
    "promote",
    "register_model",
    "resolve_model",
    "set_alias",
    "tracking_uri",
]
