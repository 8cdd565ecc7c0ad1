"""Retraining at its time on one machine: cron expressions, timers, and what a scheduled run last saw."""

from medweave.scheduling.cron import calendar, parse_cron
from medweave.scheduling.jobs import Job, LastRun, check_name, find_job, held, jobs, last_run, remove_job, save_job
from medweave.scheduling.surroundings import surroundings
from medweave.scheduling.timers import install, uninstall

__all__ = [
    "Job", "LastRun", "calendar", "check_name", "find_job", "held", "install", "jobs", "last_run", "parse_cron",
    "remove_job", "save_job", "surroundings", "uninstall",
]  # fmt: skip
