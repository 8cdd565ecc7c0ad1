"""The machine's own scheduler: a systemd timer of the user, or a line in the user's crontab."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from medweave.errors import InputError
from medweave.home import home
from medweave.scheduling.cron import calendar
from medweave.scheduling.jobs import Job


def install(job: Job) -> str:
    """Have the job started at its times (not at all while it is paused); returns who does so.

    Raises InputError when this machine has neither systemd for users nor cron.
    """
    if _systemd():
        uninstall(job.name)
        _write_units(job)
        if job.active:
            _run("systemctl", "--user", "enable", "--now", f"{_unit(job.name)}.timer")
        return f"the systemd timer {_unit(job.name)}.timer"
    if shutil.which("crontab") is None:
        raise InputError("neither systemd for users nor cron is on this machine; install one, or schedule on a cluster")
    mine = [f"{job.cron} {_command(job)} {_mark(job.name)}"] if job.active else []
    _write_crontab([*_of_others(_crontab(), job.name), *mine])
    return "a line of your crontab"


def uninstall(name: str) -> None:
    """Have the job of this name started no more."""
    if _systemd():
        timer = _units() / f"{_unit(name)}.timer"
        if timer.exists():
            _run("systemctl", "--user", "disable", "--now", timer.name)
            timer.unlink()
            timer.with_suffix(".service").unlink(missing_ok=True)
            _run("systemctl", "--user", "daemon-reload")
    elif shutil.which("crontab") is not None:
        lines = _crontab()
        if (kept := _of_others(lines, name)) != lines:
            _write_crontab(kept)


def _write_units(job: Job) -> None:
    folder = _units()
    folder.mkdir(parents=True, exist_ok=True)
    due = "\n".join(f"OnCalendar={moment}" for moment in calendar(job.cron))
    about = f"medweave: {job.name} {job.does}"
    (folder / f"{_unit(job.name)}.service").write_text(
        f"[Unit]\nDescription={about}\n\n[Service]\nType=oneshot\n"
        f"Environment={_quoted(f'MEDWEAVE_HOME={home()}')}\n"
        f"ExecStart={' '.join(map(_quoted, _arguments(job))).replace('$', '$$')}\nNice=10\n",
        encoding="utf-8",
    )
    (folder / f"{_unit(job.name)}.timer").write_text(
        f"[Unit]\nDescription={about}\n\n[Timer]\n{due}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        encoding="utf-8",
    )
    _run("systemctl", "--user", "daemon-reload")


def _arguments(job: Job) -> list[str]:
    return [sys.executable, "-m", "medweave.cli", "schedule", "run", job.name]


def _command(job: Job) -> str:
    """The command of a crontab's line, where % would end it."""
    return f"MEDWEAVE_HOME={shlex.quote(str(home()))} {shlex.join(_arguments(job))}".replace("%", "\\%")


def _quoted(text: str) -> str:
    """A word in systemd's quoting."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _mark(name: str) -> str:
    return f"# medweave schedule {name}"


def _unit(name: str) -> str:
    return f"medweave-{name}"


def _units() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "systemd" / "user"


def _systemd() -> bool:
    """Whether systemd runs for this user."""
    if shutil.which("systemctl") is None:
        return False
    asked = subprocess.run(["systemctl", "--user", "show-environment"], capture_output=True, check=False)  # noqa: S607
    return asked.returncode == 0


def _crontab() -> list[str]:
    asked = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.splitlines() if asked.returncode == 0 else []


def _of_others(lines: list[str], name: str) -> list[str]:
    """The crontab's lines but for that of the job of this name."""
    return [line for line in lines if not line.endswith(_mark(name))]


def _write_crontab(lines: list[str]) -> None:
    _run("crontab", "-", given="".join(f"{line}\n" for line in lines))


def _run(*command: str, given: str | None = None) -> None:
    ended = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise InputError(f"{' '.join(command)}: {ended.stderr.strip() or 'failed'}; mend it, then schedule again")
