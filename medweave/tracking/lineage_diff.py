"""What changed between two models: data, labels, code, settings; and how the metrics moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medweave.tracking.lineage_files import Lineage
from medweave.tracking.runs import flatten

if TYPE_CHECKING:
    import pyarrow as pa


def diff(
    before: Lineage, after: Lineage, metrics_before: Mapping[str, float], metrics_after: Mapping[str, float]
) -> dict[str, Any]:
    """JSON-serialisable differences; a pair is [before, after].

    `data` maps a context to a pair of [digest, rows]; `images` and `labels` count what came, went and, for labels,
    `changed`: another label of the same image, `reweighted`: the same label with another weight. `code` and `config`
    map a key to a pair; `metrics` maps a name to before, after and their difference.
    """
    facts = before.facts, after.facts
    return {
        "data": _changed(*({name: [one["digest"], one["rows"]] for name, one in f["datasets"].items()} for f in facts)),
        **_labels(before, after),
        "code": _changed(facts[0]["code"], facts[1]["code"]),
        "config": _changed(flatten(facts[0]["config"]), flatten(facts[1]["config"])),
        "metrics": {
            name: {"before": metrics_before[name], "after": value, "difference": value - metrics_before[name]}
            for name, value in sorted(metrics_after.items())
            if name in metrics_before
        },
    }


def _labels(before: Lineage, after: Lineage) -> dict[str, dict[str, int]]:
    import pyarrow.compute as pc

    old, new = (_by_image(lineage.column("image_sha256", "label_id", "weight")) for lineage in (before, after))
    both = old.join(new, "image_sha256", join_type="inner", right_suffix="_new", use_threads=False)
    same = pc.equal(both["label_id"], both["label_id_new"])
    reweighted = pc.and_(same, pc.not_equal(both["weight"], both["weight_new"]))
    kept = len(both)
    return {
        "images": {"before": len(old), "after": len(new), "came": len(new) - kept, "went": len(old) - kept},
        "labels": {
            "kept": _count(same) - _count(reweighted),
            "reweighted": _count(reweighted),
            "changed": kept - _count(same),
        },
    }


def _by_image(table: pa.Table) -> pa.Table:
    """One row an image, the first label of several of the same pixels."""
    columns = [("label_id", "min"), ("weight", "sum")]
    grouped = table.group_by("image_sha256", use_threads=False).aggregate(columns)
    return grouped.rename_columns(["image_sha256", "label_id", "weight"])


def _count(mask: Any) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(mask).as_py() or 0)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    keys = sorted({*before, *after})
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}
