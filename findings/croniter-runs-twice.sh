#!/bin/sh
# One would guess: a daily job at 02:30 runs once on each day, also on the day on which the clocks go back.
# What happens: croniter, given a start in Europe/Brussels, runs it twice on 31 October 2027, at 02:30 summer time and
# an hour later at 02:30 winter time; cronsim, for the same line, once. On the day of spring both run it once, at
# 03:00.
# Why it matters: "daily" is what people read in a schedule of billing runs; a job that may not run twice has to be
# guarded by something else than its schedule, and the two libraries are not exchangeable.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check croniter==7.0.0 cronsim==2.8
"$folder/bin/python" - <<'END'
import sys
from datetime import datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

import croniter
import cronsim


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


def runs(times, day):
    return [at.isoformat() for at in (next(times) for _ in range(4)) if at.date() == day.date()]


print(f"croniter {version('croniter')}, cronsim {version('cronsim')}")
brussels = ZoneInfo("Europe/Brussels")
autumn, spring = datetime(2027, 10, 31, tzinfo=brussels), datetime(2027, 3, 28, tzinfo=brussels)
line = "30 2 * * *"
at_three = ["2027-03-28T03:00:00+02:00"]
summer_and_winter = ["2027-10-31T02:30:00+02:00", "2027-10-31T02:30:00+01:00"]
see("31 October, croniter", runs(croniter.croniter(line, autumn).all_next(datetime), autumn), summer_and_winter)
see("31 October, cronsim", runs(cronsim.CronSim(line, autumn), autumn), summer_and_winter[:1])
see("28 March, croniter", runs(croniter.croniter(line, spring).all_next(datetime), spring), at_three)
see("28 March, cronsim", runs(cronsim.CronSim(line, spring), spring), at_three)
END
