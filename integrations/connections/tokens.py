"""The sign-in at Billit as it is kept: the pair of tokens of a connection, renewed so that no worker loses it.

Billit's refresh token works once (Billit docs: how-do-i-get-started-with-oauth). So a renewal is asked under the lock
of the connection's row, and its answer is committed before the new token is used; a second worker waits and finds it.
A renewal begins well before the access token ends: when its answer is lost, by the network or a killed worker, the old
access token serves on, the same refresh token is tried once more, and only when Billit refuses it is the firm told to
sign in again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from integrations.clients import billit, billit_sign_in
from integrations.clients.billit_sign_in import Client, Pair
from integrations.clients.failures import Code, Message
from integrations.clients.transport import BadCredentials, NoAnswer, RetryLater, ServiceError
from integrations.models import Connection
from toggbill.firms.requests.addresses import in_firm

RENEW_BEFORE = timedelta(minutes=10)
"""How long before its end an access token is renewed."""


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
    if row.removed_at is not None:
        raise BadCredentials(Message(Code.CONNECTION_REMOVED, {"connection": str(row)}))
    if row.paused_at is not None:
        raise Resting(Message(Code.CONNECTION_PAUSED, {"connection": str(row)}))


def credential(connection: Connection, *, now: datetime) -> billit.ApiKey | billit.Bearer:
    """What opens Billit for this connection now, renewed when that is due.

    Raises ``Resting`` and ``BadCredentials`` as ``check`` does, the latter also when the firm must sign in again, and
    ``RetryLater`` when the access token has ended and Billit does not answer. Not within a transaction: a new pair is
    committed before it is used.
    """
    check(connection)
    row = Connection.objects.get(pk=connection.pk)
    if row.method == Connection.Method.KEY:
        return billit.ApiKey(row.secret)
    if _is_fresh(row, now):
        return billit.Bearer(row.secret)
    try:
        return billit.Bearer(_renewed(row, now))
    except (NoAnswer, RetryLater) as error:
        if row.expires_at is not None and row.expires_at > now:
            # The old one is good for some minutes more; the next call asks again.
            return billit.Bearer(row.secret)
        facts = {"connection": str(row), "why": error.message}
        raise RetryLater(Message(Code.RENEWAL_FAILED, facts)) from error


def expired(connection: Connection) -> None:
    """Billit says that the access token has ended, whatever our clock says: the next call renews it."""
    Connection.objects.filter(pk=connection.pk, method=Connection.Method.SIGN_IN).update(expires_at=timezone.now())


def revoke(*, access: str) -> Message | None:
    """End a pair at Billit; None when it is ended, else why not."""
    try:
        billit_sign_in.revoke(url=settings.BILLIT_API_URL, access=access)
    except BadCredentials:
        return None
    except ServiceError as error:
        return error.message
    return None


def _is_fresh(row: Connection, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at - now > RENEW_BEFORE


def _renewed(connection: Connection, now: datetime) -> str:
    """The access token of a new pair, or of the one that another worker has just fetched."""
    # First, on record: a worker that is killed below leaves behind that an answer may be lost.
    with transaction.atomic(durable=True):
        row = _locked(connection)
        if _is_fresh(row, now):
            return row.secret
        lost_since = row.renewing_since
        if lost_since is None:
            Connection.objects.filter(pk=row.pk).update(renewing_since=now)
    try:
        with transaction.atomic(durable=True):
            row = _locked(connection)
            if _is_fresh(row, now):
                return row.secret
            refused = _renew(row, lost_since, now)
    except RetryLater:
        # Nothing reached Billit, so nothing is lost.
        Connection.objects.filter(pk=connection.pk, renewing_since=now).update(renewing_since=lost_since)
        raise
    if refused is not None:
        raise refused
    return row.secret


def _renew(row: Connection, lost_since: datetime | None, now: datetime) -> BadCredentials | None:
    """Ask, and write what came: the new pair, or why there is none. Raises ``NoAnswer`` and ``RetryLater``."""
    if (pair := _renewed_pair(row)) is None:
        refused = BadCredentials(_sign_in_again(row, lost_since))
        row.failure = Connection.Failure.CREDENTIALS
        row.failure_code, row.failure_facts = refused.message.code, refused.message.facts
        row.save(update_fields=["failure", "failure_code", "failure_facts"])
        return refused
    row.secret, row.refresh_secret = pair.access, pair.refresh
    row.expires_at, row.renewing_since = ends_at(pair, now=now), None
    row.save(update_fields=["secret", "refresh_secret", "expires_at", "renewing_since"])
    return None


def _renewed_pair(row: Connection) -> Pair | None:
    """A new pair of Billit; None when the refresh token is gone, or is accepted no more."""
    if not row.refresh_secret:
        return None
    try:
        return billit_sign_in.renew(url=settings.BILLIT_API_URL, client=client(), refresh=row.refresh_secret)
    except BadCredentials:
        return None


def _locked(connection: Connection) -> Connection:
    return Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)


def _sign_in_again(row: Connection, lost_since: datetime | None) -> Message:
    with in_firm(row.firm.slug):
        page = settings.PUBLIC_URL + reverse("firm:connection", args=[row.service, row.key])
    facts = {"connection": str(row), "page": page}
    if lost_since is None:
        return Message(Code.SIGN_IN_OVER, facts)
    return Message(Code.SIGN_IN_LOST, facts | {"at": lost_since.isoformat()})
