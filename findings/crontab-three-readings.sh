#!/bin/sh
# One would guess: the five fields of a crontab line mean the same to the schedulers of Python that take them.
# What happens: "0 9 1-7 * mon" is the first Monday of the month to Celery and APScheduler, and to cron and croniter
# each of the first seven days and every Monday besides. "0 9 * * 1-5" is Monday to Friday to Celery and croniter; to
# APScheduler's from_crontab it is Tuesday to Saturday, as it counts days from Monday = 0.
# Why it matters: moving a billing run from one scheduler to another by copying its line makes it run eleven times a
# month, or on Saturdays instead of Mondays. Names of days (mon-fri) are safe, numbers are not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 APScheduler==3.11.3 croniter==7.0.0
"$folder/bin/python" - <<'END'
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import croniter
from apscheduler.triggers.cron import CronTrigger
from celery import Celery
from celery.schedules import crontab


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


start = datetime(2027, 2, 1, tzinfo=timezone.utc)
days = [start + timedelta(days=number) for number in range(28)]  # February 2027: a Monday to a Sunday, four weeks


def by_celery(line):
    minute, hour, day, month, weekday = line.split()
    schedule = crontab(minute, hour, weekday, day, month, app=Celery(set_as_current=False))
    return [
        day.day
        for day in days
        if day.day in schedule.day_of_month and (day.isoweekday() % 7) in schedule.day_of_week and is_due(schedule, day)
    ]


def is_due(schedule, day):
    schedule.nowfun = lambda: day
    return schedule.remaining_estimate(day) == timedelta(hours=9)


def by_apscheduler(line):
    trigger = CronTrigger.from_crontab(line, timezone="UTC")
    return [day.day for day in days if trigger.get_next_fire_time(None, day).date() == day.date()]


def by_croniter(line):
    return [day.day for day in days if croniter.croniter(line, day).get_next(datetime).date() == day.date()]


print(", ".join(f"{name} {version(name)}" for name in ["celery", "APScheduler", "croniter"]))
first = "0 9 1-7 * mon"
see(f"days of February 2027 of {first}, Celery", by_celery(first), [1])
see(f"days of February 2027 of {first}, APScheduler", by_apscheduler(first), [1])
see(f"days of February 2027 of {first}, croniter", by_croniter(first), [1, 2, 3, 4, 5, 6, 7, 8, 15, 22])
week = "0 9 * * 1-5"
monday_to_friday = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26]
see(f"days of February 2027 of {week}, Celery", by_celery(week), monday_to_friday)
see(f"days of February 2027 of {week}, croniter", by_croniter(week), monday_to_friday)
see(f"days of February 2027 of {week}, APScheduler", by_apscheduler(week), [day + 1 for day in monday_to_friday])
END
