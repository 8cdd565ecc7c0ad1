"""Cron expressions: which are refused, and that systemd's calendar means the same."""

import shutil
import subprocess
from datetime import datetime

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.errors import InputError
from medweave.scheduling import calendar, parse_cron


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 3 * * 0", ["Sun *-*-* 03:00:00"]),
        ("*/20 9-11 * * mon-wed", ["Mon,Tue,Wed *-*-* 09,10,11:00,20,40:00"]),
        ("30 2 1 */6 *", ["*-01,07-01 02:30:00"]),
        ("0 0 15 * 5", ["*-*-15 00:00:00", "Fri *-*-* 00:00:00"]),
        ("0 4 * * 7", ["Sun *-*-* 04:00:00"]),
    ],
)
def test_the_calendar_of_an_expression(cron, due):
    assert calendar(cron) == due


@pytest.mark.parametrize(
    "cron", ["", "0 3 * *", "60 3 * * 0", "0 3 * * sonntag", "0 0 30 2 *", "@weekly", "0 3 l * *", "* * * * * *"]
)
def test_what_is_no_expression_is_refused_with_an_example(cron):
    with pytest.raises(InputError, match=r"--cron .*write five fields, such as '0 3 \* \* 0'"):
        parse_cron(cron)


numbers = {"minute": (0, 59), "hour": (0, 23), "month": (1, 12), "weekday": (0, 6)}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@settings(max_examples=10)
@given(st.fixed_dictionaries({name: st.none() | st.integers(*bounds) for name, bounds in numbers.items()}))
def test_systemd_is_due_when_cron_is(at):
    field = {name: "*" if value is None else str(value) for name, value in at.items()}
    cron = f"{field['minute']} {field['hour']} * {field['month']} {field['weekday']}"
    base = datetime(2027, 3, 10, 11, 7)
    (moment,) = calendar(cron)
    command = ["systemd-analyze", "calendar", f"--base-time={base}", moment]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    ).stdout
    (line,) = [line for line in told.splitlines() if "Next elapse:" in line]
    assert croniter(cron, base).get_next(datetime).strftime("%a %Y-%m-%d %H:%M:%S UTC") in line
