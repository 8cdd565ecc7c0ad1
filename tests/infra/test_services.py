"""The servers' packages: what the group `services` installs, and nothing else, does what the servers are asked for."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from yaml import safe_load

from medweave.stack import StackValues
from pipelines.stacks import orchestrator

ROOT = Path(__file__).resolve().parents[2]

SERVER = """
import json, re, sys
from importlib import metadata
there = set(json.loads(sys.argv[1]))
owned = metadata.packages_distributions().items()
missing = {name for name, owners in owned if not there & {re.sub("[-_.]+", "-", owner.lower()) for owner in owners}}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from zenml.integrations.kubernetes.flavors import KubernetesOrchestratorConfig
print(KubernetesOrchestratorConfig(**json.loads(sys.argv[2])).pod_settings.volumes)
"""


def closure(requirements: Iterable[str]) -> set[str]:
    """The names of all distributions that are installed for these."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in found:
                continue
            found.add((name, extra))
            parts = [Requirement(line) for line in metadata.requires(name) or []]
            waiting += [part for part in parts if part.marker is None or part.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def test_zenml_server_can_judge_the_orchestrator_of_the_stack():
    services = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["services"]
    there = closure(services)
    values = StackValues(**safe_load((ROOT / "infra/stacks/local.yaml").read_text()))
    ended = subprocess.run(
        [sys.executable, "-c", SERVER, json.dumps(sorted(there)), json.dumps(orchestrator(values))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "'configMap': {'name': 'medweave-ca'}" in ended.stdout
    assert "torch" not in there
