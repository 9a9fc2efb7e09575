"""How a transaction is called: by whom, at what moment, with what rows of the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.factories import NOW
from tests.proof.locks.world import World
from toggbill.firms.audit import Actor, Authority

BY = Actor("owner@example.com", "web 127.0.0.1", Authority.COMMAND)
Make = Callable[[World], dict[str, Any]]


def by(make: Make) -> Make:
    """With the actor and the moment that a verb is told."""
    return lambda w: make(w) | {"by": BY, "now": NOW}
