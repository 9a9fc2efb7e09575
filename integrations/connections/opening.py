"""Opening a client of Toggl or Billit with the credential of a connection; it is closed when the block ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from django.conf import settings

from integrations.clients import billit, toggl
from integrations.connections import stopping, tokens
from integrations.connections.pacing import quota
from integrations.models import Company, Connection, Workspace
from toggbill.database import clock


def _before_each(connection: Connection, requests_per_second: float) -> Callable[[], None]:
    """What comes before each request: none leaves a process that ends, and all keep their distance."""
    turn = quota.pace(connection, requests_per_second)

    def wait() -> None:
        stopping.check()
        if turn is not None:
            turn()

    return wait


@contextmanager
def open_toggl(
    connection: Connection, *, organization_id: int = 0, background: bool = False, now: datetime
) -> Iterator[toggl.Api]:
    """A client for a Toggl connection that spaces its calls and keeps what is said of the quota.

    Calls about the token's owner are not made while his own budget is used up; ``background`` leaves its reserve to
    people. Raises ``tokens.Resting`` for a paused connection and ``BadCredentials`` for a removed one, and for one
    whose secret cannot be read.
    """
    tokens.check(connection)

    def observe(said: toggl.Quota) -> None:
        bucket = quota.USER_BUDGET if said.bucket == "user" else organization_id
        quota.note(
            connection=connection, organization_id=bucket, remaining=said.remaining, resets_in=said.resets_in, now=now
        )

    def owners_wait() -> float | None:
        until = quota.deferred_until(
            connection=connection, organization_id=quota.USER_BUDGET, background=background, now=now
        )
        return None if until is None else (until - now).total_seconds()

    api = toggl.Api(
        url=settings.TOGGL_URL,
        token=tokens.secret_of(connection),
        pace=_before_each(connection, settings.TOGGL_REQUESTS_PER_SECOND),
        observe=observe,
        owners_wait=owners_wait,
    )
    api.transport.sleep = stopping.sleep
    try:
        yield api
    finally:
        api.close()


@contextmanager
def open_workspace(workspace: Workspace) -> Iterator[toggl.Api]:
    """A client for one Toggl workspace. Raises what ``open_toggl`` raises."""
    with open_toggl(workspace.connection, organization_id=workspace.organization_id, now=clock.now()) as api:
        yield api


@contextmanager
def open_billit(company: Company) -> Iterator[billit.Api]:
    """A client for one Billit company, with the credential of its connection, renewed when that is due.

    Raises what ``tokens.credential`` raises. Not within a transaction.
    """
    connection = company.connection
    api = billit.Api(
        url=settings.BILLIT_API_URL,
        credential=tokens.credential(connection, now=clock.now()),
        party_id=company.party_id,
        pace=_before_each(connection, settings.BILLIT_REQUESTS_PER_SECOND),
        expired=partial(tokens.expired, connection) if connection.method == Connection.Method.SIGN_IN else None,
    )
    api.transport.sleep = stopping.sleep
    try:
        yield api
    finally:
        api.close()
