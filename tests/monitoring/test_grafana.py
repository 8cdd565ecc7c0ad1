import json
import re
from datetime import UTC, datetime
from pathlib import Path

from medweave.monitoring import Reviewed, RunState
from medweave.monitoring.metrics import exposition
from medweave.monitoring.versions import Version
from tests.monitoring.conftest import batch

DASHBOARD = Path(__file__).parents[2] / "infra" / "grafana" / "medweave.json"


def test_every_panel_asks_for_metrics_and_labels_that_there_are():
    made = datetime(2026, 1, 1, tzinfo=UTC)
    version = Version(
        1, made, True, True, made, 0.5, 0.4, {"weak": {"accept": 60.0, "review": 30.0, "reject": 10.0}}, {}
    )
    samples = re.findall(
        r"^(medweave_\w+)\{(.*)\} ",
        exposition("tiny", [batch(0)], [version], {"b000": Reviewed(3, 0.7)}, [RunState("training", "failed", 1.0)]),
        re.MULTILINE,
    )
    labels = {name: set(re.findall(r'(\w+)="', text)) for name, text in samples}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 9
    for panel in panels:
        for target in panel["targets"]:
            (metric,) = set(re.findall(r"medweave_\w+", target["expr"]))
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) | set(
                re.findall(r"(\w+)=", target["expr"])
            )
            assert used <= labels[metric], panel["title"]
