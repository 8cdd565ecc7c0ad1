"""What is written for the machine's scheduler."""

import shlex
import subprocess
from configparser import ConfigParser
from dataclasses import replace

import pytest

from medweave.errors import InputError
from medweave.scheduling import install, uninstall


def unit(tmp_path, kind):
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(tmp_path / f"config/systemd/user/medweave-weekly.{kind}")
    return parser


def test_a_timer_of_systemd(systemctl, tmp_path, job):
    assert install(job) == "the systemd timer medweave-weekly.timer"
    timer, service = unit(tmp_path, "timer"), unit(tmp_path, "service")
    assert timer["Timer"]["OnCalendar"] == "Sun *-*-* 03:00:00"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert shlex.split(service["Service"]["ExecStart"])[1:] == ["-m", "medweave.cli", "schedule", "run", "weekly"]
    assert service["Service"]["Environment"] == f'"MEDWEAVE_HOME={tmp_path}/home"'
    assert systemctl.read_text().splitlines()[-2:] == [
        "--user daemon-reload",
        "--user enable --now medweave-weekly.timer",
    ]
    uninstall("weekly")
    assert list((tmp_path / "config/systemd/user").iterdir()) == []


def test_a_paused_job_is_written_but_not_started(systemctl, tmp_path, job):
    install(replace(job, active=False))
    assert unit(tmp_path, "timer")["Timer"]["OnCalendar"] == "Sun *-*-* 03:00:00"
    assert "enable" not in systemctl.read_text()


def test_a_line_of_the_crontab_that_runs_the_schedule(crontab, tmp_path, job):
    assert install(job) == "a line of your crontab"
    other, line = crontab.read_text().splitlines()
    assert other == "5 5 * * * backup"
    assert line.startswith("0 3 * * 0 MEDWEAVE_HOME=")
    asked = subprocess.run(
        ["/bin/sh", "-c", f"{line.split(maxsplit=5)[5]}"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2
    assert "weekly: no such schedule on this machine" in asked.stderr


def test_a_crontab_keeps_one_line_a_job(crontab, job):
    install(job)
    install(replace(job, cron="15 4 * * 1"))
    install(replace(job, name="weekly2"))
    assert [line[:9] for line in crontab.read_text().splitlines()] == ["5 5 * * *", "15 4 * * ", "0 3 * * 0"]
    uninstall("weekly")
    assert [line[:9] for line in crontab.read_text().splitlines()] == ["5 5 * * *", "0 3 * * 0"]
    install(replace(job, name="weekly2", active=False))
    assert crontab.read_text() == "5 5 * * * backup\n"


def test_what_is_written_is_the_same_from_any_folder(systemctl, tmp_path, job, monkeypatch):
    service = tmp_path / "config/systemd/user/medweave-weekly.service"
    written = set()
    for folder in (tmp_path, tmp_path / "home"):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        install(job)
        written.add(service.read_text())
    assert len(written) == 1


def test_a_percent_sign_in_homes_name_is_kept(systemctl, tmp_path, job, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "100%home"))
    install(job)
    assert unit(tmp_path, "service")["Service"]["Environment"] == f'"MEDWEAVE_HOME={tmp_path}/100%%home"'


def test_a_percent_sign_does_not_end_a_crontabs_command(crontab, tmp_path, job, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "100%home"))
    install(job)
    assert f"MEDWEAVE_HOME={tmp_path}/100\\%home " in crontab.read_text()


def test_a_machine_with_neither_is_told_so(programs, job):
    with pytest.raises(InputError, match="neither systemd for users nor cron is on this machine"):
        install(job)


REFUSING = """#!/bin/sh
if [ "$1" = -l ]; then cat "{file}"; exit; fi
lines=$(cat)
case $lines in *"15 4"*) echo "bad minute" >&2; exit 1;; esac
echo "$lines" > "{file}"
"""


def test_a_line_that_the_crontab_refuses_leaves_the_one_that_is_there(crontab, programs, job):
    install(job)
    before = crontab.read_text()
    programs("crontab", REFUSING.format(file=crontab))
    with pytest.raises(InputError, match=r"crontab -: bad minute; mend it, then schedule again"):
        install(replace(job, cron="15 4 * * 1"))
    assert crontab.read_text() == before
