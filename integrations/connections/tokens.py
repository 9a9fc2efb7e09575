"""The sign-in at Billit as it is kept: the pair of tokens of a connection, renewed so that no worker loses it.

Billit's refresh token works once (Billit docs: how-do-i-get-started-with-oauth). So one worker at a time renews: it
claims the renewal in the connection's row, asks Billit without any lock, and commits the answer before the new token is
used; another one waits and finds it, or uses the old access token while that lasts. A renewal begins well before the
access token ends: when its answer is lost, by the network or a killed worker, the old access token serves on, and the
same refresh token is tried once more. Once Billit refuses it, it is asked for no more: the access token is used to its
end, and the firm is told to sign in again (``sign_in_lost_at``; by mail: ``invoicing.due.mails.lost_connections``).
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from integrations.clients import billit, billit_sign_in
from integrations.clients.billit_sign_in import LONGEST_LIFE, Client, Pair
from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import BadCredentials, NoAnswer, RetryLater, ServiceError
from integrations.connections import stopping
from integrations.connections.stopping import Stopping
from integrations.models import Connection
from toggbill.database import clock
from toggbill.database.encryption import Unreadable
from toggbill.firms.requests.addresses import in_firm

RENEW_BEFORE = timedelta(minutes=10)
"""How long before its end an access token is renewed."""

RENEWAL_LEASE = timedelta(minutes=1)
"""How long a renewal is one worker's; Billit answers, or does not, in half of it (``transport.TIMEOUT``)."""

_PATIENCE = 5.0
"""Seconds that a call waits for another worker's renewal although the old access token is good for some minutes."""

_LOOK_AGAIN = 0.1
"""Seconds after which who waits for another worker's renewal looks again."""


class Resting(RetryLater):
    """The connection is paused by a person: nothing is asked through it."""


def is_set_up() -> bool:
    """Whether this installation is known to Billit, so that firms may sign in."""
    return bool(settings.BILLIT_CLIENT_ID and settings.BILLIT_CLIENT_SECRET)


def client() -> Client:
    """This installation at Billit; its one redirect address lies on PUBLIC_URL."""
    redirect_uri = settings.PUBLIC_URL + reverse("billit_signed_in")
    return Client(settings.BILLIT_CLIENT_ID, settings.BILLIT_CLIENT_SECRET, redirect_uri)


def sign_in_address(*, state: str) -> str:
    """Billit's page to sign in, for a person's browser."""
    return billit_sign_in.address(login_url=settings.BILLIT_LOGIN_URL, client=client(), state=state)


def first_pair(*, code: str) -> Pair:
    """The tokens for the code that came back. Raises ``transport.ServiceError``."""
    return billit_sign_in.by_code(url=settings.BILLIT_API_URL, client=client(), code=code)


def ends_at(pair: Pair, *, now: datetime) -> datetime:
    """When the access token of a pair ends."""
    return now + timedelta(seconds=pair.expires_in)


def check(connection: Connection) -> None:
    """Raises ``Resting`` for a paused connection and ``BadCredentials`` for a removed one."""
    row = Connection.objects.only("paused_at", "removed_at", "service", "key").get(pk=connection.pk)
    if (error := closed(row)) is not None:
        raise error


def closed(row: Connection) -> ServiceError | None:
    """What ``check`` raises, as the row has it."""
    if row.removed_at is not None:
        return BadCredentials(Message(Code.CONNECTION_REMOVED, {"connection": str(row)}))
    if row.paused_at is not None:
        return Resting(Message(Code.CONNECTION_PAUSED, {"connection": str(row)}))
    return None


def secret_of(connection: Connection) -> str:
    """The token or key. Raises ``BadCredentials`` when it cannot be read: this connection waits for a person, the
    others go on."""
    try:
        return connection.secret
    except Unreadable as error:
        raise BadCredentials(Message(Code.SECRET_UNREADABLE, {"connection": str(connection)})) from error


def _refresh_secret_of(connection: Connection) -> str:
    # One that cannot be read is kept: the key that it was written with may come back.
    try:
        return connection.refresh_secret
    except Unreadable as error:
        raise BadCredentials(Message(Code.SECRET_UNREADABLE, {"connection": str(connection)})) from error


def readable(connection: Connection) -> str:
    """The token or key; "" when it cannot be read, for those who only want to be rid of it."""
    try:
        return connection.secret
    except Unreadable:
        return ""


def credential(connection: Connection, *, now: datetime) -> billit.ApiKey | billit.Bearer:
    """What opens Billit for this connection now, renewed when that is due.

    Raises ``Resting`` and ``BadCredentials`` as ``check`` does, the latter also when the firm must sign in again, and
    ``RetryLater`` when the access token has ended and Billit does not answer. Not within a transaction: a new pair is
    committed before it is used.
    """
    check(connection)
    row = Connection.objects.get(pk=connection.pk)
    if row.method == Connection.Method.KEY:
        return billit.ApiKey(secret_of(row))
    if _has(row, RENEW_BEFORE, now):
        return billit.Bearer(secret_of(row))
    try:
        return billit.Bearer(_renewed(row, now))
    except (NoAnswer, RetryLater, BadCredentials) as error:
        if isinstance(error, Stopping):
            raise
        # The old one is good for some minutes more; after a silence the next call asks again.
        row.refresh_from_db(fields=["secret", "expires_at"])
        if _has(row, timedelta(0), now):
            return billit.Bearer(secret_of(row))
        if isinstance(error, BadCredentials):
            _note_refused(row, error.message)
            raise
        facts = {"connection": str(row), "why": error.message}
        raise RetryLater(Message(Code.RENEWAL_FAILED, facts)) from error


def still_open(row: Connection, *, now: datetime) -> bool:
    """Whether a sign-in that is lost serves on, since its access token lasts."""
    return row.sign_in_lost_at is not None and _has(row, timedelta(0), now)


def expired(connection: Connection) -> None:
    """Billit says that the access token has ended, whatever our clock says: the next call renews it."""
    rows = Connection.objects.filter(pk=connection.pk, method=Connection.Method.SIGN_IN)
    rows.update(expires_at=clock.now())


def revoke(*, access: str) -> Message | None:
    """End a pair at Billit; None when it is ended, else why not."""
    try:
        billit_sign_in.revoke(url=settings.BILLIT_API_URL, access=access)
    except BadCredentials:
        return None
    except ServiceError as error:
        return error.message
    return None


def _has(row: Connection, left: timedelta, now: datetime) -> bool:
    """Whether the access token lasts so long. One that lasts longer than any does was dated by a wrong clock."""
    return row.expires_at is not None and left < row.expires_at - now <= timedelta(seconds=LONGEST_LIFE)


def _renewed(connection: Connection, now: datetime) -> str:
    """The access token of a new pair, or of the one that another worker has just fetched.

    Raises ``BadCredentials`` when the sign-in is lost, ``NoAnswer``, and ``RetryLater``.
    """
    waited = time.monotonic()
    while True:
        row, is_ours = _claimed(connection, now)
        if row.sign_in_lost_at is not None:
            raise BadCredentials(sign_in_again(row))
        if _has(row, RENEW_BEFORE, now):
            return secret_of(row)
        if is_ours:
            return _renew(row, now)
        if _has(row, timedelta(0), now) and time.monotonic() - waited > _PATIENCE:
            return secret_of(row)
        if time.monotonic() - waited > RENEWAL_LEASE.total_seconds():
            raise RetryLater(Message(Code.BUSY, {"what": str(row)}))
        stopping.sleep(_LOOK_AGAIN)


@transaction.atomic(durable=True)
def _claimed(connection: Connection, now: datetime) -> tuple[Connection, bool]:
    """The row, and whether the renewal is this worker's now; the row then has `renewing_since` as it was before.

    That is on record before Billit is asked: a worker that is killed then leaves behind that an answer may be lost.
    """
    row = _locked(connection)
    if row.sign_in_lost_at is not None or _has(row, RENEW_BEFORE, now):
        return row, False
    at = clock.now()
    if row.renewal_until is not None and at < row.renewal_until <= at + RENEWAL_LEASE:
        return row, False
    if not _refresh_secret_of(row):
        _lose(row, now)
        return row, False
    row.renewal_until = at + RENEWAL_LEASE
    fields = {"renewal_until": row.renewal_until, "renewing_since": row.renewing_since or now}
    Connection.objects.filter(pk=row.pk).update(**fields)
    return row, True


def _renew(claimed: Connection, now: datetime) -> str:
    """Ask, without any lock, and write what came of it, if the sign-in is still the one that was asked for."""
    try:
        pair = billit_sign_in.renew(url=settings.BILLIT_API_URL, client=client(), refresh=claimed.refresh_secret)
    except RetryLater:
        # Nothing reached Billit, or it was not done, so nothing is lost by it.
        _release(claimed, renewing_since=claimed.renewing_since)
        raise
    except NoAnswer:
        _release(claimed)
        raise
    except BadCredentials:
        with transaction.atomic(durable=True):
            row = _locked(claimed)
            if row.refresh_secret == claimed.refresh_secret:
                row.renewing_since = claimed.renewing_since
                _lose(row, now)
        if row.sign_in_lost_at is None:
            # A person removed the connection, or signed in anew, meanwhile.
            check(row)
            return _renewed(row, now)
        raise BadCredentials(sign_in_again(row)) from None
    with transaction.atomic(durable=True):
        row = _locked(claimed)
        is_wanted = row.removed_at is None and row.refresh_secret == claimed.refresh_secret
        if is_wanted:
            row.secret, row.refresh_secret = pair.access, pair.refresh
            row.expires_at, row.renewing_since, row.renewal_until = ends_at(pair, now=now), None, None
            row.save(update_fields=["secret", "refresh_secret", "expires_at", "renewing_since", "renewal_until"])
    if not is_wanted:
        # A person removed the connection, or signed in anew, while Billit was asked: this pair is nobody's.
        revoke(access=pair.access)
        check(row)
    return row.secret


def _lose(row: Connection, now: datetime) -> None:
    """Billit takes the refresh token no more: it is forgotten, and never asked for again. The row is locked."""
    row.sign_in_lost_at, row.refresh_secret, row.renewal_until = now, "", None
    row.save(update_fields=["sign_in_lost_at", "refresh_secret", "renewal_until", "renewing_since"])


def _release(claimed: Connection, **fields: datetime | None) -> None:
    ours = Connection.objects.filter(pk=claimed.pk, renewal_until=claimed.renewal_until)
    ours.update(renewal_until=None, **fields)


def _note_refused(row: Connection, message: Message) -> None:
    noted = {"failure": Connection.Failure.CREDENTIALS, "failure_code": message.code, "failure_facts": message.facts}
    Connection.objects.filter(pk=row.pk).update(**noted)


def _locked(connection: Connection) -> Connection:
    return Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)


def page_of(row: Connection) -> str:
    """The address of a connection's page, for a sentence or a mail."""
    with in_firm(row.firm.slug):
        return f"{settings.PUBLIC_URL}{reverse('firm:connection', args=[row.service, row.key])}"


def sign_in_again(row: Connection) -> Message:
    """What is said of a sign-in that is lost: why, and where to sign in again."""
    facts = {"connection": str(row), "page": page_of(row)}
    if row.renewing_since is None:
        return Message(Code.SIGN_IN_OVER, facts)
    return Message(Code.SIGN_IN_LOST, facts | {"at": row.renewing_since.isoformat()})
