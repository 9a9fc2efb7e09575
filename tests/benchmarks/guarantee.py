"""What the guarantee costs: invoices per second through the worker against a bare loop that only POSTs; `make bench`.

tests/services.py gives it an empty PostgreSQL and a Redis. Prints its figures and judges nothing; targets stand beside.
"""

from __future__ import annotations

import argparse
import os

import django


def main() -> None:
    """Read the arguments, set Django up, measure."""
    parser = argparse.ArgumentParser(prog="guarantee", description=__doc__)
    parser.add_argument("--invoices", type=int, default=1920, help="posted by each of the two")
    parser.add_argument("--rounds", type=int, default=3, help="in which the two take turns")
    parser.add_argument("--annexes", action="store_true", help="with the annexes of hours, made before")
    options = parser.parse_args()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "toggbill.settings",
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
    }
    django.setup()
    from tests.proof.cost import measure  # noqa: PLC0415 - the models need the settings

    print("\n".join(measure(invoices=options.invoices, rounds=options.rounds, annexes=options.annexes)))


if __name__ == "__main__":
    main()
