"""Settings from a task's YAML, with the profile's defaults underneath it; an error names the nearest valid key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from medweave.config.settings import Settings
from medweave.errors import InputError
from medweave.uris import without_credentials

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {
        "segmentation": {"image_size": 96, "folds": 3, "coarse_steps": 150, "final_steps": 200, "members": 1},
        "synthesis": {"count": 32, "steps": 800, "batch_size": 8, "ema": 0.99},
        "evaluation": {"resamples": 500},
    },
}
"""Defaults that a profile changes; what a YAML or `--set` states wins over them."""


def load_settings(path: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a task's YAML and apply `section.key=value` overrides (values are YAML).

    Raises InputError for a file that is missing or no YAML mapping, and for a wrong key or value.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such configuration; give the path of a YAML such as configs/demo.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a readable YAML file") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise InputError(f"{path}:{line} is not valid YAML; mend the syntax there") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: holds no settings; start with 'task: NAME'")
    for override in overrides:
        _set(raw, override)
    return parse_settings(raw, where=str(path))


def demo_config() -> Path:
    """The demo's YAML: in the installed package, or in the repository beside it."""
    package = Path(__file__).parent.parent
    installed = package / "configs" / "demo.yaml"
    return installed if installed.exists() else package.parent / "configs" / "demo.yaml"


def parse_settings(raw: Mapping[str, Any], where: str = "settings") -> Settings:
    """Validate a nested mapping into Settings, with the profile's defaults underneath it."""
    profile = raw.get("profile", "default")
    merged = _merge(PROFILES.get(profile, {}) if isinstance(profile, str) else {}, raw)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise InputError("; ".join(_explain(where, problem) for problem in error.errors())) from None


def _set(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise InputError(f"--set {override}: not of the form section.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {override}: the value is not valid YAML; quote it") from None
    node = raw
    for name in names[:-1]:
        child = node.get(name)
        if child is None:
            child = node[name] = {}
        if not isinstance(child, dict):
            raise InputError(f"--set {override}: '{name}' is a value, not a section")
        node = child
    node[names[-1]] = value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _explain(where: str, problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        valid = _keys_at(location[:-1])
        near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.0)
        hint = f"did you mean '{'.'.join([*location[:-1], near[0]])}'?" if near else "remove it"
        return f"{where}: unknown key '{key}'; {hint}"
    if problem["type"] == "missing":
        return f"{where}: '{key}' is required; add it"
    if problem["type"] == "tuple_type":
        given = problem["input"]
        such = "" if isinstance(given, (dict, type(None))) else f" such as [{without_credentials(str(given))}]"
        return f"{where}: '{key}' = {without_credentials(repr(given))}: give a list{such}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: '{key}' = {without_credentials(repr(problem['input']))}: {message[:1].lower()}{message[1:]}"


def _keys_at(location: Sequence[str]) -> list[str]:
    """The keys that are valid in the section at `location`; the keys of a mapping of sections are free."""
    model: type[BaseModel] = Settings
    names = iter(location)
    for name in names:
        annotation = model.model_fields[name].annotation
        if get_origin(annotation) is Mapping:
            next(names)
        options = [annotation, *get_args(annotation)]
        model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(model.model_fields)
