#!/bin/sh
# One would guess: "01:30" is the same length of time to the libraries that parse durations, at least to Django's
# parse_duration and to pydantic, which agree on ISO 8601.
# What happens: Django and pytimeparse say one minute and a half, pydantic one hour and a half, pendulum answers with a
# moment of today. "1:30" is 90 seconds to Django and no duration at all to pydantic.
# Why it matters: the form field (Django) and the API model (pydantic) of one product differ by a factor of sixty about
# the same cell of a timesheet. Write durations as PT1H30M, where the two agree.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check Django==5.2.19 pydantic==2.14.4 pytimeparse==1.1.10 \
  pendulum==3.3.0
"$folder/bin/python" - <<'END'
import sys
from datetime import timedelta

import django
import pendulum
import pydantic
import pytimeparse
from django.utils.dateparse import parse_duration


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


def by_pydantic(text):
    try:
        return str(pydantic.TypeAdapter(timedelta).validate_python(text))
    except pydantic.ValidationError:
        return "refused"


print(f"Django {django.__version__}, pydantic {pydantic.VERSION}, pendulum {pendulum.__version__}")
see("Django, 01:30", str(parse_duration("01:30")), "0:01:30")
see("pydantic, 01:30", by_pydantic("01:30"), "1:30:00")
see("pytimeparse, 01:30, in seconds", pytimeparse.parse("01:30"), 90)
see("pendulum, 01:30", type(pendulum.parse("01:30")).__name__, "DateTime")
see("Django, 1:30", str(parse_duration("1:30")), "0:01:30")
see("pydantic, 1:30", by_pydantic("1:30"), "refused")
see("Django, PT1H30M", str(parse_duration("PT1H30M")), "1:30:00")
see("pydantic, PT1H30M", by_pydantic("PT1H30M"), "1:30:00")
END
