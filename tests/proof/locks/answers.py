"""What Toggl and Billit could have said of the firm of ``world``: all of it changed, nothing new but one workspace."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from integrations.clients import billit, billit_rows, toggl
from integrations.connections.credentials import BillitAccess, TogglAccess
from invoicing.corrections import options, together
from invoicing.models import Correction, Invoice
from tests.factories import NOW
from tests.proof.locks.world import BUYER, TODAY, World


def order(invoice: Invoice) -> billit.Order:
    return billit.Order(
        external_id=invoice.reference,
        order_date=TODAY,
        expiry_date=TODAY,
        customer_id=BUYER,
        customer=None,
        reference="",
        title="Novembre 2026",
        period_from=TODAY,
        period_till=TODAY,
        lines=(),
    )


def summary(invoice: Invoice) -> billit.OrderSummary:
    return billit.OrderSummary(
        id=invoice.order_id or 0,
        number="2026-001",
        status="Sent",
        is_sent=True,
        paid=True,
        paid_date=TODAY,
        total_excl=invoice.total_excl,
        total_vat=invoice.total_vat,
        total_incl=invoice.total_incl,
        customer_id=BUYER,
        customer_vat="",
        external_id=invoice.reference,
        last_modified=NOW,
    )


def own_invoice(order_id: int, vat: str) -> billit_rows.WholeOrder:
    """One that Billit made by itself, of a customer whom it knows by number."""
    order = billit.OrderSummary(
        id=order_id,
        number="R-7",
        status="ToPay",
        is_sent=True,
        paid=False,
        paid_date=None,
        total_excl=Decimal("250.00"),
        total_vat=Decimal("52.50"),
        total_incl=Decimal("302.50"),
        customer_id=BUYER,
        customer_vat=vat,
        external_id="",
        last_modified=NOW,
        dated=TODAY,
    )
    line = billit_rows.BilledLine("Provision", Decimal("250.00"), Decimal(21), "4")
    return billit_rows.WholeOrder(order, "Invoice", "Income", "EUR", None, (line,))


def page(w: World) -> list[toggl.Entry]:
    return [
        toggl.Entry(
            id=row.remote_id,
            user_id=301,
            user_name="An Example",
            project_id=601,
            description="Changed",
            billable=True,
            tags=("ADV",),
            seconds=1800,
            start=row.started_at,
            stop=row.started_at + timedelta(seconds=1800),
            updated_at=NOW,
        )
        for row in [*w.all("open"), *w.all("marked")]
    ]


def toggl_access(w: World) -> TogglAccess:
    rows = {
        remote_id: toggl.Workspace(id=remote_id, organization_id=1, name="New name", admin=True, premium=False)
        for remote_id in [9999, *(row.remote_id for row in w.all("workspaces"))]
    }
    return TogglAccess("An Example", rows)


def billit_access(w: World) -> BillitAccess:
    rows = [billit.Company(row.party_id, "New name", "", True, "FR") for row in w.all("companies")]
    return BillitAccess({row.party_id: row for row in rows}, "An Example")


def clients(w: World) -> dict[str, Any]:
    rows = w.one("workspaces").clients.order_by("-remote_id")
    return {
        "workspace": w.one("workspaces"),
        "read": [toggl.Client(row.remote_id, "New", False) for row in rows],
        "now": NOW,
    }


def projects(w: World) -> dict[str, Any]:
    rows = w.one("workspaces").projects.order_by("-remote_id")
    read = [toggl.Project(row.remote_id, "New", row.client_remote_id, True, None) for row in rows]
    return {"workspace": w.one("workspaces"), "read": read, "now": NOW}


def products(w: World) -> dict[str, Any]:
    rows = w.one("companies").products.order_by("-remote_id")
    read = [billit.Product(row.remote_id, "ADV", "New", Decimal(99), Decimal(21)) for row in rows]
    return {"company": w.one("companies"), "read": read, "now": NOW}


def customers(w: World) -> dict[str, Any]:
    rows = w.one("companies").customers.order_by("-party_id")
    read = [billit.Customer(row.party_id, "New", row.vat_number, "", "FR") for row in rows]
    return {"company": w.one("companies"), "read": read, "now": NOW}


def alike(w: World, invoice: str, remedy: str) -> dict[str, Any]:
    """A decision on the corrections like the one of this invoice."""
    row = w.one(f"{invoice}'s correction")
    rows = Correction.objects.open().filter(invoice__dossier=row.invoice.dossier).select_related(*options.BEHIND)
    group = next(group for group in together.groups(rows) if row in group.corrections)
    return {"group": group, "remedy": remedy, "note": "", "read": None, "digest": "", "elsewhere": {}}
