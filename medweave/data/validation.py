"""Judge an inventory with Great Expectations: errors stop a run, warnings are told; every finding names its file."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medweave import config
from medweave.data.facts import rule_frame
from medweave.data.inventory import Inventory
from medweave.data.rules import Level, Rule, rules_for
from medweave.errors import InputError, RunError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
SHOWN_ON_PAGE = 500
"""How many findings the error message and each table of the page list before they count the rest."""


@dataclass(frozen=True)
class Finding:
    """One file that breaks one rule."""

    level: Level
    rule: str
    file: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}; {self.advice}"


@dataclass(frozen=True)
class Outcome:
    """How a rule fared: of `checked` rows, `failed` broke it."""

    level: Level
    rule: str
    checked: int
    failed: int


@dataclass(frozen=True)
class ValidationReport:
    """What all rules found; `counts` are the inventory's (see `Inventory.counts`)."""

    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    counts: dict[str, dict[str, int]]

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not self.errors

    @property
    def errors(self) -> list[Finding]:
        """The findings that stop a run."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that a run goes on with."""
        return [finding for finding in self.findings if finding.level == "warning"]

    @property
    def html(self) -> str:
        """A page that stands alone: each rule with its counts, then the findings."""
        from importlib.resources import files

        from jinja2 import Environment

        template = files("medweave.data").joinpath("validation.html").read_text(encoding="utf-8")
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        return environment.from_string(template).render(report=self, shown=SHOWN_ON_PAGE)

    def to_json(self) -> str:
        """All of the report as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> ValidationReport:
        """The report that `to_json` wrote."""
        raw = json.loads(text)
        findings = tuple(Finding(**finding) for finding in raw["findings"])
        return cls(findings, tuple(Outcome(**outcome) for outcome in raw["outcomes"]), raw["counts"])

    def raise_for_errors(self) -> None:
        """Raise InputError with one line an error, and a count of those beyond the first 20."""
        lines = [str(error) for error in self.errors]
        more = [f"… and {len(lines) - SHOWN} more errors"] if len(lines) > SHOWN else []
        if lines:
            raise InputError("\n".join([*lines[:SHOWN], *more]))


def validate(inventory: Inventory, data: config.Data, validation: config.Validation) -> ValidationReport:
    """Check every rule on the inventory; its notes are warnings. No file is read, and nothing is sent anywhere."""
    frame = rule_frame(inventory)
    rules = rules_for(frame, data, validation)
    results = _expect(frame, rules)
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    for rule in rules:
        result = results[rule.name]
        broken = _broken(frame, result)
        for row in broken:
            file, message, advice = (_one_line(text, row) for text in (rule.file, rule.message, rule.advice))
            findings.append(Finding(rule.level, rule.name, file, message, advice))
        checked = result.result.get("element_count", result.result.get("observed_value"))
        outcomes.append(Outcome(rule.level, rule.name, int(checked), len(broken)))
    for note in inventory.notes:
        findings.append(Finding("warning", note.rule, note.file, note.message, note.advice))
    for name, count in Counter(note.rule for note in inventory.notes).items():
        outcomes.append(Outcome("warning", name, count, count))
    findings.sort(key=lambda finding: finding.level)
    return ValidationReport(tuple(findings), tuple(outcomes), inventory.counts())


def _expect(frame: pd.DataFrame, rules: Sequence[Rule]) -> dict[str, Any]:
    """Great Expectations' result for each rule, by the rule's name."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("inventory").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="data", expectations=[rule.expectation for rule in rules])
    complete = {"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]}
    found_all: list[Any] = list(batch.validate(suite, result_format=complete).results)
    results = {found.expectation_config.meta["rule"]: found for found in found_all}
    for name, found in results.items():
        if not found.result:
            raise RunError(f"validation: the rule '{name}' could not be checked ({found.exception_info})")
    return results


def _broken(frame: pd.DataFrame, found: Any) -> list[dict[str, Any]]:
    """What the rule's texts may name, once a row that breaks it, or once for the whole table."""
    if found.success:
        return []
    if "unexpected_index_list" not in found.result:
        return [{"observed_value": found.result["observed_value"]}]
    places = sorted(int(entry["row"]) for entry in found.result["unexpected_index_list"])
    return [{str(name): value for name, value in row.items()} for row in frame.iloc[places].to_dict(orient="records")]


def _one_line(template: str, row: dict[str, Any]) -> str:
    return " ".join(template.format(**row).splitlines())
