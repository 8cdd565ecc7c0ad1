"""Cron expressions: checked, and in systemd's words."""

from __future__ import annotations

from medweave.errors import InputError

DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def parse_cron(expression: str) -> list[list[int] | None]:
    """The values of minute, hour, day of the month, month and day of the week (Sunday is 0); None for all of them.

    Raises InputError for what is not a cron expression of five fields, and for one that is never due.
    """
    from croniter import CroniterError, croniter

    hint = "write five fields, such as '0 3 * * 0' for Sundays at 3:00"
    if len(expression.split()) != 5:
        raise InputError(f"--cron '{expression}': is not a cron expression; {hint}")
    try:
        fields, _ = croniter.expand(expression)
        croniter(expression).get_next()
    except (CroniterError, ValueError, KeyError) as error:
        raise InputError(f"--cron '{expression}': {error}; {hint}") from None
    found = []
    for field in fields:
        if any(not isinstance(value, int) for value in field if value != "*"):
            raise InputError(f"--cron '{expression}': has a field that systemd and Kubernetes do not know; {hint}")
        found.append(None if "*" in field else sorted({int(value) for value in field}))
    return found


def calendar(expression: str) -> list[str]:
    """systemd's OnCalendar for a cron expression; two of them, either of which is due, when both days are given."""
    minutes, hours, days, months, weekdays = parse_cron(expression)
    time = f"{_list(hours)}:{_list(minutes)}:00"
    week = "" if weekdays is None else ",".join(DAYS[day % 7] for day in weekdays) + " "
    if days is None or weekdays is None:
        return [f"{week}*-{_list(months)}-{_list(days)} {time}"]
    return [f"*-{_list(months)}-{_list(days)} {time}", f"{week}*-{_list(months)}-* {time}"]


def _list(values: list[int] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02}" for value in values)
