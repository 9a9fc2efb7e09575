"""Fifty firms at work while everything breaks, for a given time: `make soak ARGS="--minutes 10"`.

Hours come, change and go, webhooks come twice and late, Billit answers badly, workers are killed, Redis is restarted.
tests/services.py gives it an empty PostgreSQL. Prints its figures; exit 1 when one that must be 0 is not, or when, in
ten minutes or more, the memory of a process that lives through it is not flat.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
from types import FrameType

import django
from cryptography.fernet import Fernet


def main() -> int:
    """Read the arguments, set Django up, soak."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long, before all is left to settle")
    parser.add_argument("--firms", type=int, default=50, help="with a dossier each; 1 has fifty in ten workspaces")
    parser.add_argument("--seed", type=int, default=1, help="of every random choice but those of the scheduler")
    options = parser.parse_args()
    # As in production: with DEBUG a process keeps its queries, and its memory says nothing.
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "toggbill.settings",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
    }
    # So that its processes end with it, whoever ends it.
    signal.signal(signal.SIGTERM, _end_in_order)
    django.setup()
    from tests.proof.soaking.soak import soak  # noqa: PLC0415 - the models need the settings

    lines, good = soak(minutes=options.minutes, seed=options.seed, firms=options.firms)
    print("\n".join(lines))
    return 0 if good else 1


def _end_in_order(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
