"""Is anything wrong with a dossier? Broken invariants of its books, ailing connections, mappings that lead nowhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models import Connection, Product
from invoicing.ledger import attention
from invoicing.ledger.invariants import invariants
from invoicing.models import Dossier, Invoice, LedgerRow
from invoicing.models.problems import words_of
from invoicing.rules.text import text_key
from toggbill.firms import audit

STALE = timedelta(days=2)
SHOWN = 5
"""Of each rule that is broken: so many sentences, and then how many more."""


def findings(dossier: Dossier, *, now: datetime) -> list[str]:
    """What is wrong, a sentence each; empty when nothing is."""
    return [
        *_books(dossier),
        *_connections(dossier, now),
        *_mappings(dossier),
        *_attentions(dossier),
        *_invoices(dossier),
    ]


def _books(dossier: Dossier) -> list[str]:
    found: list[str] = []
    for rule, group in groupby(invariants.broken(dossiers=[dossier]), key=lambda each: each.rule):
        rows = list(group)
        found += [f"{rule}, {row.month:%m/%Y}: {row.sentence} {row.action}" for row in rows[:SHOWN]]
        if len(rows) > SHOWN:
            found.append(_("%(rule)s: %(n)d more.") % {"rule": rule, "n": len(rows) - SHOWN})
    verified = audit.verify(firm=dossier.firm)
    if not verified.ok:
        found.append(_("The audit log is broken at event %(n)s.") % {"n": verified.first_bad})
    return found


def _connections(dossier: Dossier, now: datetime) -> list[str]:
    found = []
    for row in (dossier.workspace.connection, dossier.company.connection):
        name = f"{row.get_service_display()} “{row.key}”"
        if row.removed_at is not None:
            found.append(_("The connection %(name)s was removed.") % {"name": name})
        elif row.paused_at is not None:
            found.append(_("The connection %(name)s is paused.") % {"name": name})
        elif row.failure != Connection.Failure.NONE:
            words = {"name": name, "why": words_of(row.failure_code, row.failure_facts)}
            found.append(_("The connection %(name)s does not work: %(why)s") % words)
    if not dossier.workspace.is_admin and not dossier.workspace.connection.accept_partial:
        found.append(_("The Toggl token is not an admin's, so hours of others are missing."))
    if not dossier.company.api_allowed:
        found.append(_("Billit does not let its API in for this company."))
    if not dossier.company.sending_open:
        found.append(_("Billit does not let this company send yet: sign in there and finish what it asks for."))
    synced = dossier.workspace.synced_at
    if synced is None:
        found.append(_("The workspace was never read."))
    elif now - synced > STALE:
        found.append(_("The workspace was read %(n)d days ago.") % {"n": (now - synced).days})
    return found


def _mappings(dossier: Dossier) -> list[str]:
    products = Product.objects.present().filter(company=dossier.company)
    known = {text_key(reference) for reference in products.values_list("reference", flat=True)}
    found = [
        _("Tag “%(tag)s” leads to product %(product)s, which Billit does not have.")
        % {"tag": str(row), "product": row.product_reference}
        for row in dossier.tag_mappings.filter(bill=True).order_by("tag")
        if text_key(row.product_reference) not in known
    ]
    found += [
        _("Tag “%(tag)s” was mapped in several spellings that contradict each other: open the mapping and save it.")
        % {"tag": row.tag}
        for row in dossier.tag_mappings.exclude(contradicted_by=[]).order_by("tag")
    ]
    if dossier.default_product and text_key(dossier.default_product) not in known:
        found.append(
            _("The default product %(product)s is not one that Billit has.") % {"product": dossier.default_product}
        )
    return found


def _attentions(dossier: Dossier) -> list[str]:
    rows = LedgerRow.objects.attention().filter(dossier=dossier)
    return [
        ngettext("%(n)d entry waits: %(reason)s.", "%(n)d entries wait: %(reason)s.", count)
        % {"n": count, "reason": attention.words(reason).title}
        for reason, count in rows.values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    ]


def _invoices(dossier: Dossier) -> list[str]:
    stuck = Invoice.objects.filter(dossier=dossier, status__in=[Invoice.Status.REFUSED, Invoice.Status.IN_DOUBT])
    return [
        f"{invoice}: {invoice.get_status_display()}. {words_of(invoice.problem, invoice.problem_facts)}"
        for invoice in stuck.order_by("pk")[:20]
    ]
