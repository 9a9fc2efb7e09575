"""What Billit answers badly in the soak: one answer in five."""

from __future__ import annotations

import random
from collections.abc import Iterator

from integrations.sandbox.remote import Remote
from tests.worlds import Record

# Parts of all answers, by kind. A few hang until the client gives up.
_BAD = {
    "cut_before": 0.05,
    "cut_after": 0.05,
    "html500": 0.04,
    "html500_after": 0.02,
    "unavailable": 0.01,
    "too_many": 0.02,
    "truncate": 0.01,
    "timeout_before": 0.01,
    "timeout_after": 0.01,
}
_REPEATED = {"errors": [{"Code": "IdempotentTokenAlreadyExists", "Description": "The token was used before."}]}


def faults(die: random.Random) -> Iterator[Record]:
    """For `Remote.faults`."""
    seeds = iter(range(die.randrange(10**6), 10**7))
    for kind, part in _BAD.items():
        fault: Record = {"service": "billit", "kind": kind, "probability": part, "seed": next(seeds)}
        if kind.startswith("timeout"):
            # One in ten of them hangs longer than the client waits.
            for seconds, of_them in ((0.5, 0.9), (35.0, 0.1)):
                yield fault | {"probability": part * of_them, "seconds": seconds, "seed": next(seeds)}
        elif kind == "too_many":
            yield fault | {"retry_after": 1}
        else:
            yield fault
    yield {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "status", "status": 409} | {
        "body": _REPEATED,
        "probability": 0.02,
        "seed": next(seeds),
    }


def met(control: Remote) -> tuple[int, int]:
    """Answers of Billit so far, and how many of them were bad."""
    rows = control.log("billit")
    return len(rows), sum(row["fault"] is not None for row in rows)
