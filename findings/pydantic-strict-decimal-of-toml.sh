#!/bin/sh
# One would guess: a strict Decimal field refuses numbers that went through a float, and takes what a configuration
# file writes for money once tomllib reads floats as Decimal.
# What happens: the other way round. Strict validation of JSON takes 72.50 by way of a float (the cents of large
# amounts change: 12345678901234.565 becomes ...564), of TOML it takes 72.50 with parse_float=Decimal but refuses the
# whole number 72, which tomllib gives as an int, and refuses "72.50" in quotes, which strict JSON takes.
# Why it matters: a rate in a configuration file is valid while it has cents and an error from the day it is raised to
# a whole euro. Convert ints and texts before validation, or leave strict off for Decimal.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.4
"$folder/bin/python" - <<'END'
import sys
import tomllib
from decimal import Decimal

import pydantic


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


class Rate(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    price: Decimal


def toml(text):
    try:
        return str(Rate(**tomllib.loads(text, parse_float=Decimal)).price)
    except pydantic.ValidationError:
        return "refused"


def json(text):
    return str(Rate.model_validate_json(text).price)


print(f"pydantic {pydantic.VERSION}")
see("TOML price = 72.50", toml("price = 72.50"), "72.50")
see("TOML price = 72", toml("price = 72"), "refused")
see('TOML price = "72.50"', toml('price = "72.50"'), "refused")
see("JSON 72.50", json('{"price": 72.50}'), "72.5")
see("JSON 72", json('{"price": 72}'), "72")
see('JSON "72.50"', json('{"price": "72.50"}'), "72.50")
see("JSON 12345678901234.565", json('{"price": 12345678901234.565}'), "12345678901234.564")
END
