"""Labelling that is spread over steps gives what one step gives."""

import json

from pipelines.references import find_run
from pipelines.store import artifact


def test_parts_label_everything_between_them_and_one_step_gathers_it(medweave, config, tmp_path):
    """A margin that no other test has, so that no label is there yet; the other way round with another margin."""
    digests = []
    for parts in (1, 2):
        settings = ["--set", "labeling.prompts.margin=0.07", "--set", f"cluster.parts={parts}"]
        output = tmp_path / str(parts)
        ended = medweave("run", "--config", config, *settings, "--output", output)
        assert ended.status == 0, ended.err
        run = find_run(f"run:{json.loads((output / 'summary.json').read_text())['run_id']}")
        digests.append(artifact(run, "label_unlabeled", "labels").digest)
    assert digests[0] == digests[1]

    settings[1] = "labeling.prompts.margin=0.08"
    ended = medweave("run", "--config", config, *settings, "--output", tmp_path / "parts")
    assert ended.status == 0, ended.err
    run = find_run(f"run:{json.loads((tmp_path / 'parts' / 'summary.json').read_text())['run_id']}")
    labelled = [artifact(run, f"label_unlabeled_part_{part}", "labelled") for part in (1, 2)]
    labels = artifact(run, "label_unlabeled", "labels")
    assert labelled == [3, 3] and len(labels) == 6
    assert {row.label_source for row in labels} <= {"weak", "none"}
