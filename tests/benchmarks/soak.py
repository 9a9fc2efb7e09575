"""Fifty dossiers at work while everything breaks, for a given time: `make soak ARGS="--minutes 10"`.

tests/services.py gives it an empty PostgreSQL and a Redis. Prints its figures; exit 1 when one that must be 0 is not.
"""

from __future__ import annotations

import argparse
import os

import django


def main() -> int:
    """Read the arguments, set Django up, soak."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long, before all is left to settle")
    parser.add_argument("--seed", type=int, default=1, help="of every random choice but those of the scheduler")
    options = parser.parse_args()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "toggbill.settings",
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
    }
    django.setup()
    from tests.proof.soaking import soak  # noqa: PLC0415 - the models need the settings

    lines, good = soak(minutes=options.minutes, seed=options.seed)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
