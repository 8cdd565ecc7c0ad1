"""Moving the champion: aliases, the record on both versions, the way back, and two processes at once."""

import json
import os
import subprocess
import sys
from datetime import datetime

import pytest

from medweave.errors import InputError, RunError
from medweave.tracking import PromotionDecision, carry_out, champion, get_version, register_model, rollback
from medweave.tracking.lock import promotion_lock

YES, NO = PromotionDecision(True, "yes", {"margin": 0.02}), PromotionDecision(False, "no")


@pytest.fixture
def name(client, run_id, segmenter):
    """A registered model of three versions."""
    for digest in ("m1", "m2", "m3"):
        register_model(client, run_id, "medweave-demo", segmenter, model_digest=digest, evaluation_digest="e")
    return "medweave-demo"


def aliases(client, name):
    return {alias: int(version) for alias, version in client.get_registered_model(name).aliases.items()}


def test_promotion_moves_the_aliases(client, name):
    carry_out(client, name, 1, NO, None)
    assert aliases(client, name) == {"challenger": 1}
    carry_out(client, name, 1, YES, None)
    assert aliases(client, name) == {"champion": 1}
    carry_out(client, name, 2, NO, 1)
    assert aliases(client, name) == {"champion": 1, "challenger": 2}
    carry_out(client, name, 3, YES, 1)
    assert aliases(client, name) == {"champion": 3, "previous": 1, "challenger": 2}
    assert champion(client, name).version == 3


@pytest.mark.parametrize(("decision", "said"), [(YES, "promoted"), (NO, "not promoted")])
def test_decision_is_recorded_on_both_versions_whichever_way_it_went(client, name, decision, said):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, decision, 1)
    tags = get_version(client, name, 2).tags
    assert (tags["promotion.decision"], tags["promotion.champion_before"]) == (said, "1")
    assert tags["promotion.reason"] == decision.reason
    assert datetime.fromisoformat(tags["promotion.time"]).tzinfo is not None
    challenged = json.loads(get_version(client, name, 1).tags["challenged_by.2"])
    assert (challenged["decision"], challenged["reason"]) == (said, decision.reason)
    numbers = {key: f"{value:g}" for key, value in decision.numbers.items()}
    assert {key: challenged[key] for key in numbers} == numbers
    assert {key: tags[f"promotion.{key}"] for key in numbers} == numbers
    assert get_version(client, name, 1).tags["promotion.champion_before"] == "none"


@pytest.mark.parametrize("decision", [YES, NO])
def test_champion_stays_champion_and_keeps_its_record(client, name, decision):
    carry_out(client, name, 1, YES, None)
    before = get_version(client, name, 1)
    outcome = carry_out(client, name, 1, decision, 1)
    assert (outcome.promoted, outcome.reason) == (True, "Version 1 is the champion already and stays it.")
    assert aliases(client, name) == {"champion": 1}
    assert get_version(client, name, 1) == before


def test_numbers_of_odd_names_are_recorded(client, name):
    carry_out(client, name, 1, PromotionDecision(True, "yes", {"subgroup.site Zürich: A&B (1).mean": 0.5}), None)
    assert get_version(client, name, 1).tags["promotion.subgroup.site Zürich_ A_B _1_.mean"] == "0.5"


def test_rollback_goes_back_one_champion_at_a_time(client, name):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, YES, 1)
    carry_out(client, name, 3, YES, 2)
    done = rollback(client, name, "harm seen")
    assert (done.before, done.after) == (3, 2)
    assert aliases(client, name) == {"champion": 2, "previous": 1}
    for version in (2, 3):
        tags = get_version(client, name, version).tags
        assert (tags["rollback.from"], tags["rollback.to"], tags["rollback.reason"]) == ("3", "2", "harm seen")
    rollback(client, name, "")
    assert aliases(client, name) == {"champion": 1}
    with pytest.raises(InputError, match="before version 1 there was none"):
        rollback(client, name, "")


def test_a_former_champion_that_is_judged_again_does_not_bring_back_the_one_rolled_back_from(client, name):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, YES, 1)
    carry_out(client, name, 1, NO, 2)
    rollback(client, name, "harm seen")
    assert aliases(client, name) == {"champion": 1, "challenger": 1}
    with pytest.raises(InputError, match="before version 1 there was none"):
        rollback(client, name, "")


def test_a_version_that_is_promoted_again_is_gone_back_to_once(client, name):
    for version, before in ((1, None), (2, 1), (3, 2), (1, 3)):
        carry_out(client, name, version, YES, before)
    assert [rollback(client, name, "harm seen").after for _ in range(2)] == [3, 2]
    assert aliases(client, name) == {"champion": 2}
    with pytest.raises(InputError, match="before version 2 there was none"):
        rollback(client, name, "")


def test_a_version_rolled_back_from_is_gone_back_to_when_it_was_promoted_again(client, name):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, YES, 1)
    rollback(client, name, "")
    carry_out(client, name, 3, YES, 1)
    assert rollback(client, name, "").after == 1
    carry_out(client, name, 2, YES, 1)
    carry_out(client, name, 3, YES, 2)
    assert [rollback(client, name, "").after for _ in range(2)] == [2, 1]


def test_champions_of_a_registry_that_has_no_list_of_them_are_gone_back_to(client, name):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, YES, 1)
    client.delete_registered_model_tag(name, "champions")
    carry_out(client, name, 3, YES, 2)
    client.delete_registered_model_tag(name, "champions")
    assert [rollback(client, name, "").after for _ in range(2)] == [2, 1]
    assert aliases(client, name) == {"champion": 1}


def test_rollback_without_a_champion_says_what_there_is(client, name):
    with pytest.raises(InputError, match="no version is called @champion; there are: 1, 2, 3"):
        rollback(client, name, "")


@pytest.mark.parametrize("odd", ["nobody", "no'body", 'no"body', "no/body", "no:body", "no%body", "", "nö [b]"])
def test_rollback_of_an_odd_name_is_an_input_error_and_leaves_no_lock(client, name, odd):
    with pytest.raises(
        InputError, match=r"no such registered model; there are: medweave-demo; if tracking|not a model"
    ):
        rollback(client, odd, "x")
    assert [model.name for model in client.search_registered_models()] == [name]


def test_a_lock_is_not_told_as_a_model(client, name):
    with promotion_lock(client, name), pytest.raises(InputError, match=r"there are: medweave-demo; if tracking"):
        get_version(client, "nobody", 1)


def test_a_decision_against_a_champion_that_is_no_longer_one_is_void(client, name):
    carry_out(client, name, 1, YES, None)
    carry_out(client, name, 2, YES, 1)
    late = carry_out(client, name, 3, YES, 1)
    assert not late.promoted
    assert late.reason == (
        "Not promoted: version 2 became the champion while this was judged against version 1; judge again with "
        "'medweave promote models:/medweave-demo/3'."
    )
    assert aliases(client, name) == {"champion": 2, "previous": 1, "challenger": 3}


def test_the_lock_says_who_holds_it_and_is_given_back(client, name):
    busy = pytest.raises(RunError, match=rf"is being promoted by process {os.getpid()} on")
    with promotion_lock(client, name), busy, promotion_lock(client, name, wait_s=0):
        raise AssertionError
    carry_out(client, name, 1, YES, None)
    assert [model.name for model in client.search_registered_models()] == [name]


def test_a_lock_of_a_process_that_died_is_taken_over(client, name):
    client.create_registered_model(f"{name}.promotion-lock", tags={"token": "x", "by": "the dead", "since": "0"})
    assert carry_out(client, name, 1, YES, None).promoted
    assert [model.name for model in client.search_registered_models()] == [name]


PROMOTE = """
import sys
from medweave.config import Tracking
from medweave.tracking import PromotionDecision, carry_out, connect

client = connect(Tracking())
print("ready", flush=True)
sys.stdin.readline()
made = carry_out(client, "medweave-demo", int(sys.argv[1]), PromotionDecision(True, "yes"), 1)
print(made.promoted, made.reason)
"""


def test_of_two_processes_that_promote_at_once_one_wins_and_the_other_says_so(client, name):
    carry_out(client, name, 1, YES, None)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTE, version], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for version in ("2", "3")
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    won = [text.startswith("True") for text in said]
    assert sorted(won) == [False, True]
    winner, loser = (2, 3) if won[0] else (3, 2)
    assert f"version {winner} became the champion while this was judged against version 1" in said[won.index(False)]
    assert aliases(client, name) == {"champion": winner, "previous": 1, "challenger": loser}
