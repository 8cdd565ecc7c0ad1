"""What a Kubernetes stack is made from: a YAML of values, and credentials from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from medweave.config import Section
from medweave.errors import InputError

CREDENTIALS = {
    "artifacts": {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"},
    "mlflow": {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"},
}
"""Secrets of a stack: their keys, and the variables that their values come from."""


class StackValues(Section):
    """Where a cluster's parts are.

    `context` is kubectl's name for the cluster on the machine that submits; pods use their own. `image` runs every
    pod, pulled with `pull_secrets`. `artifacts` is the artifact store's URI, at `endpoint` if it is not Amazon's.
    What a step has done so far is kept there, too, for when its pod is lost. `ca` is a ConfigMap whose `ca.crt` pods
    trust. `environment` is a Secret whose keys become variables of pods: the credentials of the store are among them.
    """

    context: str
    namespace: str = "medweave"
    image: Annotated[str, Field(pattern=r"^[^\s/]+(/[^\s:/]+)+(:[\w.-]+|@sha256:[0-9a-f]{64})$")]
    artifacts: Annotated[str, Field(pattern=r"^s3://.+")]
    endpoint: str | None = None
    mlflow: Annotated[str, Field(pattern=r"^https://.+")]
    ca: str | None = None
    environment: str = "pipeline"
    pull_secrets: tuple[str, ...] = ()
    service_account: str = "orchestrator"
    step_service_account: str = "step"

    @property
    def registry(self) -> str:
        """The registry that the image comes from."""
        return self.image.partition("/")[0]


def load_values(path: Path) -> StackValues:
    """Read a stack's values. Raises InputError that names the file, the key and what is wrong with it."""
    try:
        return StackValues.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); see infra/stacks for an example") from None
    except yaml.YAMLError:
        raise InputError(f"{path}: is not valid YAML; mend the syntax") from None
    except ValidationError as error:
        said = "; ".join(
            f"'{'.'.join(map(str, e['loc']))}': {e['msg'][:1].lower()}{e['msg'][1:]}" for e in error.errors()
        )
        raise InputError(f"{path}: {said}; see infra/stacks for an example") from None


def credentials() -> dict[str, dict[str, str]]:
    """Values of the stack's secrets. Raises InputError that names the variables that are not set."""
    names = [name for variables in CREDENTIALS.values() for name in variables.values()]
    if missing := [name for name in names if not os.environ.get(name)]:
        raise InputError(f"{', '.join(missing)}: not set; a stack's credentials come from the environment")
    return {secret: {key: os.environ[name] for key, name in of.items()} for secret, of in CREDENTIALS.items()}
