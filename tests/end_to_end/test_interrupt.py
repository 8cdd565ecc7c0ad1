"""Ctrl-C: one line and status 130, wherever it comes."""

import os
import signal
import subprocess
import sys

import pytest

STOPPED = "medweave: stopped; the same command goes on where it was"


def hear_interrupts():
    """Also where the tests run in the background, whose processes ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def begin(tmp_path):
    """Start the command line in a process of its own, with a home of its own."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    begun = []

    def start(*arguments):
        command = [sys.executable, "-m", "medweave.cli", *map(str, arguments)]
        environment = {**outside, "MEDWEAVE_HOME": str(tmp_path / "home")}
        begun.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=hear_interrupts)
        )
        return begun[-1]

    yield start
    for one in begun:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_within_a_step(trained, begin, tmp_path, sent):
    running = begin("run", "--config", trained.config, "--output", tmp_path / "output")
    for line in running.stderr:
        if "coarse fold 1/2: 4 in" in line:
            running.send_signal(sent)
            break
    told = running.stderr.read().splitlines()
    assert (running.wait(), told[-1]) == (130, STOPPED)
    assert not any("Interrupt" in line for line in told)


def test_before_the_first_step(begin, tmp_path):
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    running = begin("run", "--config", config)
    with config.open("w"):  # waits for the command to read it
        running.send_signal(signal.SIGINT)
        assert (running.stderr.read(), running.wait()) == (f"{STOPPED}\n", 130)
