"""The customers of a workspace (design R3): proposed from the names of Toggl clients, pinned, followed at Billit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from integrations.models import Company, Customer, Entry, Workspace
from invoicing.ledger.facts.books import Facts, changed_customer, in_scope, known_customers
from invoicing.ledger.locks import lock_rules
from invoicing.ledger.rule_events import mapping_changed, mapping_of
from invoicing.models import ClientMapping, CustomerPin, Dossier, Invoice, LedgerRow
from invoicing.models.problems import Code, columns
from invoicing.rules.judging import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.models import Firm

_OF_CUSTOMERS = (Code.CUSTOMER_GONE, Code.CUSTOMER_RENUMBERED)
_SETTLED = [LedgerRow.State.INVOICED, LedgerRow.State.CREDITED, LedgerRow.State.WRITTEN_OFF]

Pins = dict[tuple[int, str], int]
"""By company (row id) and number: the Billit party that the number led to."""


@transaction.atomic
def mark_company_changes(*, workspace: Workspace, now: datetime) -> None:
    """Products or customers changed: the unbilled entries of every workspace that the company bills are marked.

    What waits to be posted to a customer that is gone, or is another one by now, says so (R3).
    """
    marked = Company.objects.marked().filter(dossiers__workspace=workspace)
    if not marked.exists():
        return
    # Entries of several workspaces: who marks those of one after the other holds the firm, too.
    lock_firm(workspace.firm)
    changed = lock_rows(marked)
    _tell_invoices(changed)
    # Nobody judges at this moment: what is marked is judged by what changed, and needs no other mark.
    lock_rules(Workspace.objects.filter(dossiers__company__in=changed).values_list("pk", flat=True))
    of_changed = Entry.objects.filter(workspace__dossiers__company__in=changed, marked_at__isnull=True)
    of_changed.exclude(ledger_row__state__in=_SETTLED).mark(now=now)
    Company.objects.filter(pk__in=changed).update(marked_at=None)


def _tell_invoices(companies: Iterable[int]) -> None:
    """The invoices that Billit does not have yet, of these companies (row ids): whether their customer changed."""
    unposted = [Invoice.Status.DRAFT, Invoice.Status.APPROVED, Invoice.Status.REFUSED]
    waiting = Invoice.objects.filter(company__in=companies, status__in=unposted, customer_party_id__isnull=False)
    lock_rows(waiting)
    for company in Company.objects.filter(pk__in=companies):
        rows = list(waiting.filter(company=company).order_by("pk"))
        known = known_customers(company, (row.customer_party_id for row in rows))
        for row in rows:
            found = changed_customer(row, known)
            if found is not None or row.attention in _OF_CUSTOMERS:
                Invoice.objects.filter(pk=row.pk).update(**columns("attention", found))


@transaction.atomic
def propose_customers(*, workspace: Workspace, now: datetime) -> None:
    """R3: the number in a client's name becomes its mapping, once, and is pinned from then on."""
    books = Facts.load(workspace)
    if not any(_to_propose(dossier, books) for dossier in books.dossiers):
        return
    # Asked again under the firm's lock, which who states a customer holds: what is left is what nobody stated, and of
    # the dossiers and names as they are by now.
    lock_firm(workspace.firm)
    books = Facts.load(workspace)
    for dossier in books.dossiers:
        if not (found := _to_propose(dossier, books)):
            continue
        stand = ClientMapping.objects.filter(dossier=dossier)
        rows = {row.client_remote_id: row for row in stand if row.client_remote_id in found}
        old = {client_id: mapping_of(row) for client_id, row in rows.items()}
        new = [
            ClientMapping(firm_id=dossier.firm_id, dossier=dossier, client_remote_id=client_id)
            for client_id in sorted(found.keys() - rows.keys())
        ]
        for row in [*rows.values(), *new]:
            row.number, row.is_proposed = found[row.client_remote_id], True
        ClientMapping.objects.bulk_update(rows.values(), ["number", "is_proposed"])
        ClientMapping.objects.bulk_create(new)
        by_client = sorted([*rows.values(), *new], key=lambda row: row.client_remote_id)
        news = [mapping_changed(dossier, old=old.get(row.client_remote_id), new=mapping_of(row)) for row in by_client]
        audit.record(firm=dossier.firm, news=news, by=Actor("sync", "worker"), now=now)


def _to_propose(dossier: Dossier, books: Facts) -> dict[int, str]:
    """The numbers in the names of the Toggl clients that have no customer yet, by client."""
    rows = ClientMapping.objects.filter(dossier=dossier)
    stated = {row.client_remote_id for row in rows if row.number or row.customer_party_id is not None}
    names = [(client, name) for client, name in in_scope(dossier, books) if client not in stated]
    return {client: number for client, name in names if (number := mapping.read_number(name).number)}


@transaction.atomic
def pin(pins: Pins, firm: Firm, now: datetime) -> None:
    """Keep the parties that numbers led to (R3), after the entries and not under their locks: pins are the firm's.

    A worker that ends in between pins them with the next verdict, which is the same until then.
    """
    companies = {company_id for company_id, _ in pins}
    known = set(CustomerPin.objects.filter(company__in=companies).values_list("company_id", "number"))
    new = sorted(pins.keys() - known)
    if not new:
        return
    lock_firm(firm)
    CustomerPin.objects.bulk_create(
        [
            CustomerPin(firm=firm, company_id=of, number=number, party_id=pins[of, number], pinned_at=now)
            for of, number in new
        ],
        ignore_conflicts=True,
    )


def forget_changed_pin(*, company: Company, number: str, now: datetime) -> None:
    """A person stated this number anew: where its pinned party is gone or another one, it is looked up once more (R3).

    Under the firm's lock.
    """
    for kept in CustomerPin.objects.filter(company=company, number=number):
        row = Customer.objects.filter(company=company, party_id=kept.party_id).first()
        theirs = "" if row is None else mapping.customer_number(row.vat_number)
        if row is not None and (row.deleted_at is not None or mapping.is_another(number, theirs)):
            kept.delete()
            Company.objects.filter(pk=company.pk).update(marked_at=now)
