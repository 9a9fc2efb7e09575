"""Closing a firm: its secrets are destroyed at once, and its books are only read from then on (for ten years).

The one check that no verb changes the books of a closed firm is in ``audit.record``, where every verb ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext, ngettext

from integrations.connections import credentials, key_rotation, tokens
from integrations.models import Company, Connection, Workspace
from invoicing.models import Dossier, Invoice
from invoicing.models.invoices.invoice import NO_POST_ASKED, NO_SEND_ASKED
from invoicing.models.problems import columns
from toggbill.firms import audit
from toggbill.firms.access import demand_of_firm
from toggbill.firms.audit import Actor, News
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.models import Firm, FirmOwned
from toggbill.firms.read import Figures, Read, check


class CannotClose(Exception):
    """The firm cannot be closed now; ``str()`` says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What was closed: the moment, how many connections, and the access tokens that are still to be ended at Billit."""

    firm: Firm
    connections: int
    to_revoke: list[str] = field(repr=False)


def unfinished(firm: Firm) -> dict[str, int]:
    """What a closed firm can no longer finish: invoices that wait, are in doubt, or are posted and not sent."""
    rows = Invoice.objects.for_firm(firm)
    status, delivery = Invoice.Status, Invoice.Delivery
    return {
        "drafts": rows.filter(status=status.DRAFT).count(),
        "approved": rows.filter(status__in=[status.APPROVED, status.REFUSED]).count(),
        "in_doubt": rows.filter(Q(status=status.IN_DOUBT) | Q(delivery=delivery.IN_DOUBT)).count(),
        "not_sent": rows.posted().filter(delivery__in=[delivery.NOT_SENT, delivery.FAILED]).count(),
    }


def as_read(firm: Firm) -> Figures:
    """What the page shows before the firm is closed (design D12)."""
    connections = Connection.objects.for_firm(firm).standing().order_by("service", "key")
    shown = {"description": firm.name, **unfinished(firm), "connections": [str(row) for row in connections]}
    return Figures.of(f"closing {firm.slug}", shown)


@transaction.atomic
def close(*, firm: Firm, by: Actor, now: datetime, read: Read | None = None) -> Closing:
    """Destroy every secret of the firm, pause its connections, end its schedules, and put the books under lock.

    Raises ``CannotClose`` when it is closed already, or while one of its invoices is being posted, sent or replaced;
    ``NotAllowed``, ``Changed`` where other work would stay unfinished than was read, and ``Unread``.
    The caller ends the sign-ins at Billit after the commit (``tokens.revoke``).
    """
    lock_firm(firm)
    demand_of_firm(by, "firm", firm)
    firm = Firm.objects.get(pk=firm.pk)
    if firm.closed_at is not None:
        closed = {"firm": firm.slug, "day": f"{firm.closed_at.astimezone(firm.zone):%d/%m/%Y}"}
        raise CannotClose(gettext("Firm %(firm)s was closed on %(day)s already.") % closed)
    if busy := _on_their_way(firm):
        raise CannotClose(
            ngettext(
                "%(n)s invoice of the firm is on its way to Billit, or being replaced there, at this moment. "
                "Try again in some minutes.",
                "%(n)s invoices of the firm are on their way to Billit, or being replaced there, at this moment. "
                "Try again in some minutes.",
                busy,
            )
            % {"n": busy}
        )
    _lock_what_works(firm)
    check(read, lambda: [as_read(firm)], by=by)
    standing = list(Connection.objects.for_firm(firm).standing().order_by("pk"))
    signed_in = (tokens.readable(row) for row in standing if row.method == Connection.Method.SIGN_IN)
    to_revoke = [access for access in signed_in if access]
    for row in standing:
        credentials.remove(connection=row, by=by, now=now, read=Read.of([credentials.as_read(row)]))
    _destroy_secrets(firm)
    Dossier.objects.for_firm(firm).update(due_at=None, **columns("waiting", None))
    Workspace.objects.for_firm(firm).update(next_sync_at=None)
    Company.objects.for_firm(firm).update(next_sync_at=None, orders_due_at=None)
    _asked_for(firm).update(**NO_POST_ASKED, **NO_SEND_ASKED)
    data = {"connections": len(standing), "unfinished": unfinished(firm)}
    audit.record(firm=firm, news=[News("firm_closed", f"firm {firm.slug}", data)], by=by, now=now)
    Firm.objects.filter(pk=firm.pk).update(closed_at=now)
    firm.closed_at = now
    return Closing(firm, len(standing), to_revoke)


_MOVING = Q(status=Invoice.Status.POSTING) | Q(delivery=Invoice.Delivery.SENDING)


def _on_their_way(firm: Firm) -> int:
    rows = Invoice.objects.for_firm(firm)
    # The order of one that is replaced may be deleted at Billit by now, and its hours are to be billed anew.
    return (rows.filter(_MOVING) | rows.being_replaced()).count()


def _lock_what_works(firm: Firm) -> None:
    """What is paused, ended or no longer due below, in the order of ``firms.locks``."""
    for model in (Connection, Workspace, Company, Dossier):
        lock_rows(model._default_manager.filter(firm=firm))
    lock_rows(_asked_for(firm))


def _asked_for(firm: Firm) -> QuerySet[Invoice]:
    asked = Q(post_requested_at__isnull=False) | Q(send_requested_at__isnull=False)
    return Invoice.objects.not_being_replaced().filter(asked, ~_MOVING, firm=firm)


def _destroy_secrets(firm: Firm) -> None:
    """Whatever else is stored encrypted for the firm, in whatever table."""
    for model, names in key_rotation.encrypted_fields():
        if issubclass(model, FirmOwned):
            model._default_manager.filter(firm=firm).update(**dict.fromkeys(names, ""))
