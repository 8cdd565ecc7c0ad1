"""Lineage as a tree: for the terminal, and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medweave.tracking.lineage_trace import Trace
from medweave.tracking.runs import flatten

if TYPE_CHECKING:
    from jinja2 import Template
    from rich.tree import Tree

SHOWN = 20
SOURCES = {"gold": "gold labels", "weak": "weak labels", "synthetic": "labels of synthetic images"}
MAKING = (
    ("weights", "weights"), ("fitted", "fitted to gold"), ("coarse", "prompted by coarse model"),
    ("generator", "images by"), ("person", "by"), ("date", "on"),
)  # fmt: skip
DIGESTS = ("weights", "fitted", "coarse", "generator")
TOLD = (
    "labeler", "labeler_digest", "fitted_digest", "coarse", "generator", "by", "when", "correction", "replaces",
)  # fmt: skip
"""What of a label's making the tree says in words."""


@dataclass(frozen=True)
class Node:
    """A line and what is `below` it."""

    text: str
    below: list[Node] = field(default_factory=list)


def model_tree(described: Mapping[str, Any]) -> Node:
    """The tree of what `describe` found."""
    uri = f"models:/{described['model']}/{described['version']}"
    names = [uri] if described["model"] and uri != described["reference"] else []
    names += described["aliases"]
    root = Node(described["reference"] + (f" ({', '.join(names)})" if names else ""))
    facts = described["facts"]
    if facts:
        code = facts["code"]
        root.below.append(Node(f"run {facts['zenml_run_id']} (MLflow {described['mlflow_run_id']})"))
        root.below.append(Node(f"code {code['medweave']}, digest {short(code['digest'])}"))
        root.below.append(Node(f"config digest {short(facts['config_digest'])}"))
        root.below.extend([_source_node(source, facts, described["makings"]) for source in facts["labels"]])
        root.below.append(_calibration_node(facts["calibration"]))
        datasets = [f"{k}: {v['rows']} images, digest {short(v['digest'])}" for k, v in facts["datasets"].items()]
        root.below.append(Node("data", [Node(text) for text in datasets]))
        models = [Node(f"{name}: {short(digest)}") for name, digest in facts["models"].items()]
        root.below.append(Node("models", models))
    root.below.append(Node("measured", _metrics(described["metrics"])))
    gate = {key: value for key, value in described["tags"].items() if key in ("promotion.decision", "promotion.reason")}
    root.below.extend([Node(f"{key.partition('.')[2]}: {value}") for key, value in gate.items()])
    root.below.extend([Node(f"missing: {text}") for text in described["missing"]])
    if described["labels_uri"]:
        root.below.append(Node(f"all labels: {described['labels_uri']}"))
    return root


def trace_tree(trace: Trace) -> Node:
    """The tree of a trace: the labels and their making, then the models."""
    root = Node(trace.what)
    root.below.extend(_cut([_label_node(label) for label in trace.labels], "labels"))
    for use in trace.uses:
        aliases = f" ({', '.join(use.aliases)})" if use.aliases else ""
        learned = (
            f"learned from {use.learned} of {_count(use.found, 'label')}" if use.learned else "did not learn from it"
        )
        root.below.append(Node(f"models:/{use.model}/{use.version}{aliases}: {learned}"))
    root.below.append(Node("a champion learned from it" if trace.in_champion else "no champion learned from it"))
    root.below.extend([Node(f"missing: {text}") for text in trace.missing])
    return root


def diff_tree(title: str, difference: Mapping[str, Any]) -> Node:
    """The tree of what `diff` found."""
    images, labels = difference["images"], difference["labels"]
    root = Node(title)
    root.below.append(Node("data", _pairs({k: _dataset_pair(v) for k, v in difference["data"].items()})))
    counted = f"{images['before']} → {images['after']} labelled images: {images['came']} came, {images['went']} went"
    changed = (
        f"{labels['kept']} labels the same, {labels['changed']} changed, {labels['reweighted']} with another weight"
    )
    root.below.append(Node("labels", [Node(counted), Node(changed)]))
    root.below.extend([Node(part, _pairs(difference[part])) for part in ("code", "config")])
    moved = [
        Node(f"{name}: {one['before']:.4f} → {one['after']:.4f} ({one['difference']:+.4f})")
        for name, one in difference["metrics"].items()
    ]
    root.below.append(Node("metrics", moved))
    return root


def draw(node: Node) -> Tree:
    """For the terminal; text is taken as it is, without markup."""
    from rich.text import Text
    from rich.tree import Tree

    def add(tree: Tree, below: Iterable[Node]) -> None:
        for child in below:
            add(tree.add(Text(child.text)), child.below)

    tree = Tree(Text(node.text, style="bold"))
    add(tree, node.below)
    return tree


def page(node: Node) -> str:
    """A self-contained HTML page."""
    return _template().render(node=node)


def short(digest: str | None) -> str:
    """The beginning of a digest, enough to find it by."""
    return (digest or "unknown")[:12]


@cache
def _template() -> Template:
    from jinja2 import Environment

    source = Path(__file__).with_name("lineage.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def _source_node(source: str, facts: Mapping[str, Any], makings: Sequence[Mapping[str, Any]]) -> Node:
    count = facts["labels"][source]
    text = f"{count['learned']} of {count['made']} {SOURCES[source]}, weight {count['weight']:.4g}"
    ways: dict[str, dict[str, int]] = {}
    for making in (making for making in makings if making["source"] == source):
        decisions = ways.setdefault(_way(making), {})
        decisions[making["decision"] or "gold"] = decisions.get(making["decision"] or "gold", 0) + making["labels"]
    nodes = [Node(f"{way}: {_decisions(decisions)}") for way, decisions in ways.items()]
    return Node(text, _cut(nodes, "ways of making"))


def _decisions(decisions: Mapping[str, int]) -> str:
    words = {"gold": "", "accept": " accepted", "review": " to review", "reject": " rejected"}
    return ", ".join(f"{count}{words[name]}" for name, count in sorted(decisions.items()))


def _way(making: Mapping[str, Any]) -> str:
    parts = [
        f"{words} {short(making[name]) if name in DIGESTS else making[name]}" for name, words in MAKING if making[name]
    ]
    maker = making["labeler"] or ("the mask that its image was made for" if making["generator"] else "unknown maker")
    return ", ".join([maker, *parts])


def _calibration_node(calibration: Mapping[str, Any]) -> Node:
    if not calibration.get("source"):
        return Node("predicted Dice: not calibrated")
    of = f"{_count(calibration['labels'], 'label')} of {_count(calibration['groups'], 'group')} of gold"
    return Node(f"predicted Dice: learnt from {of} by {', '.join(calibration['features'])}")


def _label_node(label: Mapping[str, Any]) -> Node:
    decision = f", {label['decision']}" if label["decision"] else ""
    head = f"label {label['label_id']} of image {label['image_id']} ({label['task']}): {label['source']}{decision}"
    node = Node(f"{head}, weight {label['weight']:.3g}", [Node(_way(label))])
    if label["replaces"]:
        node.below.append(Node(f"correction {label['correction']} of label {label['replaces']}"))
    if label["predicted_dice"] is not None:
        node.below.append(Node(f"predicted Dice {_number(label['predicted_dice'], label['low'], label['high'], 2)}"))
    made_by = {key: value for key, value in json.loads(label["made_by"]).items() if key not in TOLD}
    node.below.extend([Node(f"{key}: {value}") for key, value in flatten(made_by).items()])
    return node


def _metrics(metrics: Mapping[str, float]) -> list[Node]:
    """A line a metric, with the ends of its interval."""
    ends = {name + end for name in metrics for end in ("_low", "_high")}
    return [
        Node(f"{name}: {_number(value, metrics.get(f'{name}_low'), metrics.get(f'{name}_high'), 4)}")
        for name, value in sorted(metrics.items())
        if name not in ends
    ]


def _number(value: float, low: float | None, high: float | None, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text if low is None or high is None else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def _pairs(changed: Mapping[str, Sequence[Any]]) -> list[Node]:
    return [Node(f"{key}: {before} → {after}") for key, (before, after) in changed.items()] or [Node("the same")]


def _dataset_pair(pair: Sequence[Any]) -> list[str]:
    return [f"{one[1]} images ({short(one[0])})" if one else "none" for one in pair]


def _cut(nodes: list[Node], what: str) -> list[Node]:
    return nodes if len(nodes) <= SHOWN else [*nodes[:SHOWN], Node(f"… and {len(nodes) - SHOWN} more {what}")]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
