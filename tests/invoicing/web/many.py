"""Firms with many dossiers and hours, written in bulk: for the bounds of pages."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from integrations.models import Client, Company, Entry, Product, Workspace
from invoicing.models import Agreement, Dossier, Invoice, LedgerRow
from tests.factories import NOW, AgreementFactory, ConnectionFactory, InvoiceFactory, enterprise_number
from toggbill.firms.models import Firm

REASONS = ("unknown_tag", "no_vat", "several_products", "no_tag", "no_price")


def dossiers(firm: Firm, count: int) -> list[Dossier]:
    """So many dossiers, each of a workspace and a company of its own, with a client and twenty products."""
    toggl, billit = ConnectionFactory(firm=firm), ConnectionFactory(firm=firm, service="billit")
    first = Dossier.objects.count()
    places = range(first, first + count)
    workspaces = Workspace.objects.bulk_create(
        Workspace(firm=firm, connection=toggl, remote_id=40_000 + n, name=f"Workspace {n}", is_admin=True)
        for n in places
    )
    companies = Company.objects.bulk_create(
        Company(
            firm=firm,
            connection=billit,
            party_id=70_000 + n,
            name=f"Company {n}",
            vat_number=enterprise_number(n % 4000),
        )
        for n in places
    )
    Client.objects.bulk_create(
        Client(firm=firm, workspace=row, remote_id=501, name="Client without a number") for row in workspaces
    )
    Product.objects.bulk_create(
        Product(
            firm=firm,
            company=company,
            remote_id=number,
            reference=f"PROD{number}",
            description=f"Product number {number}",
            price=Decimal(90 + number),
            vat_rate=Decimal(21),
        )
        for company in companies
        for number in range(20)
    )
    return Dossier.objects.bulk_create(
        Dossier(
            firm=firm,
            workspace=workspace,
            company=company,
            key=f"dossier-{n}",
            name=f"Dossier of a customer with number {n}",
            start_date=date(2026, 1, 1),
        )
        for n, workspace, company in zip(places, workspaces, companies, strict=True)
    )


def waiting(rows: list[Dossier], each: int) -> None:
    """So many entries in each dossier that need a decision, an hour each, of five reasons."""
    made = Entry.objects.bulk_create(
        Entry(
            firm_id=dossier.firm_id,
            workspace_id=dossier.workspace_id,
            remote_id=1_000_000 + place * 10_000 + number,
            started_at=NOW - timedelta(days=number % 40 + 1),
            stopped_at=NOW - timedelta(days=number % 40 + 1) + timedelta(hours=1),
            seconds=3600,
            description=f"Work number {number} of the dossier",
            project_remote_id=601,
            person_remote_id=301,
            person_name="An Example",
            tags=[f"Tag {number // 5}", "Other"],
            changed_at=NOW,
        )
        for place, dossier in enumerate(rows)
        for number in range(each)
    )
    of = {dossier.workspace_id: dossier for dossier in rows}
    LedgerRow.objects.bulk_create(
        LedgerRow(
            firm_id=entry.firm_id,
            dossier=of[entry.workspace_id],
            entry=entry,
            day=entry.started_at.date(),
            seconds=3600,
            state="attention",
            reason=REASONS[entry.remote_id % 5],
            client_name="Client without a number",
        )
        for entry in made
    )


def billing(rows: list[Dossier]) -> None:
    """In each dossier a draft, a fee with hours to it, and open hours of a customer of its own."""
    invoices: Any = InvoiceFactory
    agreements: Any = AgreementFactory
    Invoice.objects.bulk_create(
        invoices.build(dossier=dossier, customer_name=f"Customer of {dossier.name}") for dossier in rows
    )
    Agreement.objects.bulk_create(
        agreements.build(dossier=dossier, key=f"fee-{dossier.pk}", included_hours=10, extra_product="PROD1")
        for dossier in rows
    )
    for dossier in rows:
        open_rows = LedgerRow.objects.filter(dossier=dossier, reason="no_price").values("pk")
        LedgerRow.objects.filter(pk__in=open_rows).update(
            state="open",
            reason="",
            buyer_key=f"party:{90_000 + dossier.pk}",
            buyer_name=f"Customer of {dossier.name}",
            product_reference="PROD1",
            price=Decimal(95),
        )
