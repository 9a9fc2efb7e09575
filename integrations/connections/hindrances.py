"""Why nothing is asked of a service through a connection, and what of it a person has to mend."""

from __future__ import annotations

from datetime import datetime

from integrations.clients.http.failures import Message
from integrations.clients.http.transport import BadCredentials
from integrations.connections import tokens
from integrations.connections.pacing import circuit
from integrations.models import Connection


def trouble(row: Connection) -> Message | None:
    """What is wrong with its credential: refused, or a sign-in that cannot be renewed any more."""
    if row.sign_in_lost_at is not None:
        return tokens.sign_in_again(row)
    if row.failure == Connection.Failure.CREDENTIALS:
        return Message(row.failure_code, row.failure_facts)
    return None


def check(connection: Connection, *, now: datetime) -> None:
    """For workers; a person's own command always tries. Nothing was sent.

    Raises ``BadCredentials`` when the credential is known to be refused, ``RetryLater`` while the connection is left
    alone.
    """
    circuit.check(connection, now=now)
    row = Connection.objects.defer("secret", "refresh_secret").get(pk=connection.pk)
    if not tokens.still_open(row, now=now) and (found := trouble(row)) is not None:
        raise BadCredentials(found)


def refused(connection: Connection, message: Message) -> None:
    """A service does not accept the credential: workers ask nothing through it until a person gave it another one."""
    noted = {"failure": Connection.Failure.CREDENTIALS, "failure_code": message.code, "failure_facts": message.facts}
    Connection.objects.filter(pk=connection.pk).update(**noted)


def waits(row: Connection, *, now: datetime) -> Message | None:
    """Why workers ask nothing through it now. A lost sign-in hinders nothing while its access token lasts."""
    error = tokens.closed(row)
    if error is not None:
        return error.message
    if not tokens.still_open(row, now=now) and (found := trouble(row)) is not None:
        return found
    resting = circuit.rest(row, now=now)
    return None if resting is None else resting.message
