"""How much is under way at once through one connection and for one firm.

Workers have few threads. Without a limit one firm's many invoices, one long first reading or one service that does not
answer would hold all of them, and everybody else would wait. What finds no turn free comes again a little later.

Counted in the cache, which all workers share where there is Redis: a count that is lost costs fairness and nothing
else, since rows and constraints decide what is done (design D4, D5). The turn of a worker that died ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache


class Lane(StrEnum):
    """What waits for one another: posts never for readings, nor these for posts."""

    READ = "read"
    POST = "post"
    SEND = "send"
    DERIVE = "derive"
    ANNEX = "annex"


OF_FIRM = 2
"""Turns of one lane that a firm has at the same time, over all its connections."""

_DAY = 24 * 3600


def of_connection(lane: Lane) -> int:
    """Turns of a lane that one connection has at the same time. A service allows a connection so many requests a
    second that a second thread would wait for the first, unless it was agreed otherwise (``POSTS_AT_ONCE``)."""
    return settings.POSTS_AT_ONCE if lane == Lane.POST else 1


def of_firm(lane: Lane) -> int:
    """Turns of a lane that a firm has at the same time."""
    return max(OF_FIRM, of_connection(lane))


@contextmanager
def turn(lane: Lane, *, connection: int, firm: int, always: bool = False) -> Iterator[bool]:
    """Take a turn (row ids) as long as the block lasts; gives whether there was one.

    ``always``: a person waits for it; it counts where there is room, and goes on where there is none.
    """
    token = uuid4().hex
    held: list[str] = []
    for keys in _scopes(lane, connection, firm):
        key = next((key for key in keys if cache.add(key, token, settings.POSTING_LEASE_SECONDS)), None)
        if key is not None:
            held.append(key)
        elif not always:
            _end(held, token)
            yield False
            return
    try:
        yield True
    finally:
        _end(held, token)


def free(lane: Lane, *, connection: int, firm: int, besides: int = 0) -> int:
    """How many more turns there are now, where the firm is given so many ``besides`` through other connections."""
    own, whole = (sum(cache.get(key) is None for key in keys) for keys in _scopes(lane, connection, firm))
    return max(min(own, whole - besides), 0)


def after_latest(lane: Lane, *, connection: int, of: Iterable[int]) -> list[int]:
    """Companies (row ids) of a connection in the order in which their turn comes: those behind the latest first."""
    latest = cache.get(f"latest:{lane}:{connection}", 0)
    return sorted(of, key=lambda company: (company <= latest, company))


def note_latest(lane: Lane, *, connection: int, company: int) -> None:
    """It was this company's turn (row id)."""
    cache.set(f"latest:{lane}:{connection}", company, _DAY)


def is_next(what: str, *, seconds: float) -> bool:
    """Whether nobody said the same in the latest seconds: of messages that come again, one of each is enough."""
    return bool(cache.add(f"again:{what}", 1, seconds))


def is_queued(what: str) -> bool:
    """Whether a message that says this waits already, as far as is known; from now on one does. Until it is taken up
    (``taken_up``), or for the length of a lease: it may have been lost."""
    return not cache.add(f"queued:{what}", 1, settings.POSTING_LEASE_SECONDS)


def taken_up(what: str) -> None:
    """What it says is being done: the next one may be sent."""
    cache.delete(f"queued:{what}")


def _scopes(lane: Lane, connection: int, firm: int) -> Sequence[Sequence[str]]:
    return (
        [f"turn:{lane}:connection:{connection}:{n}" for n in range(of_connection(lane))],
        [f"turn:{lane}:firm:{firm}:{n}" for n in range(of_firm(lane))],
    )


def _end(held: Sequence[str], token: str) -> None:
    for key in held:
        # After the lease it may be another's.
        if cache.get(key) == token:
            cache.delete(key)
