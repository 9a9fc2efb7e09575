"""Which rows prove a month, and how a row is told outside the database: by the names that people and services know.

A table is told column by column, so that a new column is in the pack without a word here. Row ids mean nothing outside:
what a row refers to is told by Toggl's id, an invoice's reference, an agreement's short name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import Q, QuerySet

from integrations.models import Client, Product, ProductPrice, Project
from integrations.models.encryption import EncryptedTextField
from invoicing.models import (
    Agreement,
    Annex,
    Attempt,
    BroughtOrder,
    Claim,
    ClientMapping,
    Correction,
    CustomerPin,
    Deduction,
    Dossier,
    Drift,
    Invoice,
    InvoiceLine,
    LedgerRow,
    Run,
    TagMapping,
)

NAMES: dict[str, tuple[str, ...]] = {
    "firms.firm": ("slug",),
    "integrations.company": ("party_id",),
    "integrations.entry": ("remote_id",),
    "integrations.product": ("reference",),
    "integrations.workspace": ("remote_id",),
    "invoicing.agreement": ("key",),
    "invoicing.broughtorder": ("order_id",),
    "invoicing.claim": ("line__invoice__reference", "line__position", "entry_remote_id", "kind"),
    "invoicing.correction": ("entry__remote_id", "opened_at"),
    "invoicing.dossier": ("key",),
    "invoicing.invoice": ("reference",),
    "invoicing.invoiceline": ("invoice__reference", "position"),
}
"""What a row of a table is called outside the database; of several values, a list."""

ELSEWHERE = {
    # In month.json, counted from the rows and as Toggl reports it.
    "invoicing.monthsum",
    "invoicing.monthproof",
    "invoicing.changedmonth",
    "invoicing.reportedmonth",
    # In rules.json.
    "invoicing.dossier",
    "invoicing.dossierclient",
    # Within entries.jsonl.
    "integrations.entry",
    # Of the firm's access to the services, and no part of a month.
    "integrations.connection",
    "integrations.quota",
    "integrations.webhook",
    "integrations.workspace",
    "integrations.company",
    # Who the customer was stands on each invoice.
    "integrations.customer",
    # A courtesy to who looks into Toggl.
    "invoicing.writeback",
    # A notice to who leads the firm; what is billed does not hang on it.
    "invoicing.budgetnotice",
    # A member's own.
    "invoicing.savedview",
}
"""Tables that have no file of their own in the pack (by label), each with the reason above it."""

_CHUNK = 500
Json = dict[str, Any]


def columns(model: type[models.Model], path: str = "") -> dict[str, tuple[str, ...]]:
    """The columns of a table that are told, each with the paths of its values; no secrets and no files.

    Raises KeyError for a reference to a table that has no name in ``NAMES``.
    """
    found: dict[str, tuple[str, ...]] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key or field.name == "firm" or isinstance(field, EncryptedTextField | models.BinaryField):
            continue
        if isinstance(field, models.ForeignKey):
            of = field.remote_field.model._meta.label_lower
            found[field.name] = tuple(f"{path}{field.name}__{name}" for name in NAMES[of])
        else:
            found[field.name] = (f"{path}{field.name}",)
    return found


def told(rows: QuerySet[Any]) -> Iterator[Json]:
    """Rows with all their columns, read as they are asked for; of a ledger row its entry, too (``toggl``)."""
    own = columns(rows.model)
    parts = [("", own)]
    if rows.model is LedgerRow:
        parts.append(("toggl", columns(rows.model._meta.get_field("entry").remote_field.model, "entry__")))
    paths = [path for _, part in parts for several in part.values() for path in several]
    for values in rows.values_list(*paths).iterator(chunk_size=_CHUNK):
        each = iter(values)
        made: dict[str, Json] = {}
        for name, part in parts:
            made[name] = {column: _one([next(each) for _ in several]) for column, several in part.items()}
        yield made.pop("") | made


def _one(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    return None if all(value is None for value in values) else values


def plain(value: object) -> object:
    """What JSON has no type for: moments in UTC, days as ISO 8601, amounts as text. Raises TypeError for the rest."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no place in the pack")


@dataclass(frozen=True)
class Month:
    """A dossier's month (its first day), and the rows that it is made of."""

    dossier: Dossier
    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return (self.first + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    def within(self, day: str) -> Q:
        """That a day lies in the month."""
        return Q(**{f"{day}__gte": self.first, f"{day}__lte": self.last})

    def entries(self) -> QuerySet[LedgerRow]:
        """The entries that stand in the books of the month."""
        rows = LedgerRow.objects.filter(self.within("day"), dossier=self.dossier, entry__firm=self.dossier.firm_id)
        return rows.order_by("day", "entry__started_at", "entry__remote_id", "pk")

    def entries_moved(self) -> QuerySet[LedgerRow]:
        """Those that stand elsewhere by now, and were billed as hours of the month."""
        claims = Claim.objects.live().filter(self.within("day"), line__invoice__dossier=self.dossier)
        rows = LedgerRow.objects.filter(firm=self.dossier.firm_id, entry__in=claims.values("entry"))
        return rows.exclude(self.within("day"), dossier=self.dossier).order_by("day", "entry__remote_id", "pk")

    @cached_property
    def invoices(self) -> list[int]:
        """The invoices (row ids) that bill, billed or cover the month, with their credit notes and what those are
        about, and those of the advances that they deduct."""
        dossier, firm = self.dossier, self.dossier.firm_id
        reaching = {"period_from__lte": self.last, "period_till__gte": self.first}
        claims = Claim.objects.filter(firm=firm)
        claimed = claims.filter(self.within("day"), line__invoice__dossier=dossier) | claims.filter(
            self.within("entry__ledger_row__day"), entry__ledger_row__dossier=dossier
        )
        fees = InvoiceLine.objects.filter(self.within("period"), firm=firm, invoice__dossier=dossier)
        found = {
            *Invoice.objects.filter(dossier=dossier, **reaching).values_list("pk", flat=True),
            *claimed.order_by().values_list("line__invoice", flat=True).distinct(),
            *fees.order_by().values_list("invoice", flat=True).distinct(),
        }
        more = found
        while more:
            deducted = Q(lines__deductions__line__invoice__in=more)
            beside = Invoice.objects.filter(Q(about__in=more) | Q(credit_notes__in=more) | deducted, firm=firm)
            more = set(beside.values_list("pk", flat=True)) - found
            found |= more
        return sorted(found)

    def of_invoices(self, path: str) -> Q:
        """That a row hangs on one of these invoices."""
        return Q(**{f"{path}__in": self.invoices})

    @cached_property
    def agreements(self) -> QuerySet[Agreement]:
        """Those in force in the month, and those that the rows name."""
        rows = Agreement.objects.filter(dossier=self.dossier)
        named = InvoiceLine.objects.filter(self.of_invoices("invoice"), agreement__isnull=False)
        in_force = Q(start_date__lte=self.last) & (Q(end_date__isnull=True) | Q(end_date__gte=self.first))
        covering = LedgerRow.objects.filter(self.within("day"), dossier=self.dossier, agreement__isnull=False)
        either = in_force | Q(pk__in=named.values("agreement")) | Q(pk__in=covering.values("agreement"))
        return rows.filter(either).order_by("key")

    def tables(self) -> dict[str, list[QuerySet[Any]]]:
        """The rows of each file, by its name without the ending, in their order."""
        dossier, company = self.dossier, self.dossier.company
        entries = self.entries().order_by()
        projects = Project.objects.filter(
            workspace=dossier.workspace, remote_id__in=entries.values("entry__project_remote_id")
        )
        clients = Client.objects.filter(workspace=dossier.workspace, remote_id__in=projects.values("client_remote_id"))
        corrections = Correction.objects.filter(self.of_invoices("invoice"))
        deductions = Deduction.objects.filter(self.of_invoices("line__invoice") | self.of_invoices("advance__invoice"))
        brought = BroughtOrder.objects.filter(agreement__in=self.agreements.order_by())
        standing = Drift.objects.standing().filter(dossier=dossier)
        return {
            "entries": [self.entries(), self.entries_moved()],
            "invoices": [Invoice.objects.filter(pk__in=self.invoices).order_by("pk")],
            "lines": [InvoiceLine.objects.filter(self.of_invoices("invoice")).order_by("invoice", "position")],
            "claims": [Claim.objects.filter(self.of_invoices("line__invoice")).order_by("line", "started_at", "pk")],
            "deductions": [deductions.order_by("pk")],
            "brought": [brought.order_by("order_date", "order_id", "pk")],
            "attempts": [Attempt.objects.filter(self.of_invoices("invoice")).order_by("pk")],
            "annexes": [Annex.objects.filter(self.of_invoices("invoice")).order_by("pk")],
            "corrections": [corrections.order_by("pk")],
            "agreements": [self.agreements],
            "runs": [Run.objects.filter(invoices__in=self.invoices).distinct().order_by("pk")],
            "findings": [standing.order_by("pk")],
            "tag_mappings": [TagMapping.objects.filter(dossier=dossier).order_by("pk")],
            "client_mappings": [ClientMapping.objects.filter(dossier=dossier).order_by("pk")],
            "pins": [CustomerPin.objects.filter(company=company).order_by("pk")],
            "products": [Product.objects.filter(company=company).order_by("pk")],
            "prices": [ProductPrice.objects.filter(product__company=company).order_by("product", "since", "pk")],
            "projects": [projects.order_by("remote_id", "pk")],
            "clients": [clients.order_by("remote_id", "pk")],
        }
