"""One entry followed from Toggl's JSON to the JSON that Billit received, and back into ledger and audit log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import Entry
from invoicing.models import Attempt, Claim, CustomerPin, Invoice, InvoiceLine, LedgerRow
from tests.factories import enterprise_number
from tests.invoicing.scene import Scene
from tests.worlds import (
    COLLEAGUE,
    COMPANY,
    FIRST_ENTRY,
    GARAGE,
    GARAGE_PROJECT,
    client,
    entry,
    party,
    product,
)
from toggbill.firms.models import AuditEvent

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NUMBER = enterprise_number(4321)
DOTTED = f"BE {NUMBER[2:6]}.{NUMBER[6:9]}.{NUMBER[9:]}"
ENTRY = FIRST_ENTRY + 1


def world() -> dict[str, Any]:
    """2 h 07 min 13 s of advice at 87.65, begun at half past eleven in the evening of 24 October in Brussels."""
    return {
        "clients": [client(GARAGE, f"Garage Vonk (TVA: {DOTTED})")],
        "products": [product(0, "ADV", "Conseil fiscal", "87.65")],
        "parties": [party(80_077, "Garage Vonk SRL", DOTTED, Language="FR")],
        "peppol": [{"number": NUMBER}],
        "entries": [
            entry(
                1, "2026-10-24T21:30:00+00:00", seconds=7633, tag=" ADVIES ", user_id=COLLEAGUE, description="Été · 1"
            )
        ],
        "tags": [{"tag": "Advies", "product": "ADV"}],
        "rounding": {"minutes": 15, "direction": "up", "level": "entry", "minimum": 0},
        "group_by": "entry",
        "payment_days": 14,
        "client_map": [{"client": GARAGE, "vat": NUMBER, "po": "4500012345", "buyer_reference": "Dept. 7"}],
    }


@pytest.mark.slow
def test_one_entry_from_toggl_to_billit_and_back(scene: Make) -> None:
    books = scene(**world(), synced=False)

    # --- what Toggl says, word for word, and what the mirror keeps of it
    synced = books.command("sync", "--firm", "small")
    assert synced.code == 0, synced.words
    (search,) = (row for row in books.control.log("toggl") if row["path"].endswith("/search/time_entries"))
    (row,) = search["answer"]
    assert row["description"] == "Été · 1"
    assert (row["project_id"], row["tag_names"]) == (GARAGE_PROJECT, [" ADVIES "])
    (inner,) = row["time_entries"]
    assert (inner["id"], inner["seconds"], inner["start"]) == (ENTRY, 7633, "2026-10-24T23:30:00+02:00")
    mirrored = Entry.objects.get()
    assert (mirrored.remote_id, mirrored.seconds, mirrored.description) == (ENTRY, 7633, "Été · 1")
    assert (mirrored.started_at.isoformat(), mirrored.tags) == ("2026-10-24T21:30:00+00:00", [" ADVIES "])
    assert (mirrored.person_remote_id, mirrored.person_name) == (COLLEAGUE, "Wim Brandhof")
    books_before = books.command("ledger", "--firm", "small", "--month", "2026-10").answer["dossiers"]
    assert books_before[0]["states"]["open"] == {"entries": 1, "seconds": 7633}

    # --- drafted, approved, posted and sent by one command
    done = books.invoice("--approve", "--post", "--send")
    assert done.code == 0, done.words
    (shown,) = done.answer["invoices"]
    invoice = Invoice.objects.get()
    # 7,633 s are raised to nine quarters of an hour: 2.25 h x 87.65 = 197.2125.
    assert shown == {
        "reference": invoice.reference,
        "dossier": "small",
        "customer_vat": NUMBER,
        "customer_name": "Garage Vonk SRL",
        "status": "posted",
        "delivery": "sent",
        "order_id": invoice.order_id,
        "order_number": "2026-0001",
        "period_from": "2026-10-24",
        "period_till": "2026-10-24",
        "total_excl": "197.21",
        "total_vat": "41.41",
        "total_incl": "238.62",
        "lines": [
            {
                "kind": "hours",
                "product": "ADV",
                "description": "Conseil fiscal · 24/10/2026 · Été · 1",
                "quantity": "2.25",
                "unit_price": "87.65",
                "vat_rate": "21.00",
                "discount": "0.00",
                "total": "197.21",
                "seconds": 7633,
                "late": False,
                "entries": [ENTRY],
            }
        ],
    }

    # --- the exact JSON that Billit received
    (request,) = books.asked("POST", "/v1/orders")
    body = {
        "OrderType": "Invoice",
        "OrderDirection": "Income",
        "OrderDate": "2026-11-20",
        "ExpiryDate": "2026-12-04",
        "Currency": "EUR",
        "ExternalProviderID": invoice.reference,
        "Reference": "4500012345",
        "OrderTitle": "Dept. 7",
        "PeriodFrom": "2026-10-24",
        "PeriodTill": "2026-10-24",
        "CustomerID": 80_077,
        "OrderLines": [
            {
                "Quantity": Decimal("2.25"),
                "UnitPriceExcl": Decimal("87.65"),
                "Description": "Conseil fiscal · 24/10/2026 · Été · 1",
                "Reference": "ADV",
                "VATPercentage": 21,
                "Unit": "HUR",
            }
        ],
    }
    assert request["body"] == body
    assert (request["headers"]["partyid"], request["headers"]["idempotency-key"]) == (
        str(COMPANY),
        f"{invoice.reference}-1",
    )
    assert books.control.lint() == []

    # --- what Billit has made of it, and what was read back
    (order,) = books.control.orders()
    assert (order["OrderID"], order["OrderNumber"], order["OrderStatus"]) == (
        invoice.order_id,
        "2026-0001",
        "ToPay",
    )
    assert (order["TotalExcl"], order["TotalVAT"], order["TotalIncl"]) == (
        Decimal("197.21"),
        Decimal("41.41"),
        Decimal("238.62"),
    )
    assert (invoice.legal_excl, invoice.legal_vat, invoice.legal_incl) == (
        order["TotalExcl"],
        order["TotalVAT"],
        order["TotalIncl"],
    )
    assert (order["Customer"]["PartyID"], order["IsSent"], invoice.attention) == (80_077, True, "")
    assert [row["destination"] for row in books.control.outbox()] == [f"0208:{NUMBER[2:]}"]

    # --- line, claim, ledger, pin, attempt
    line, claim, ledger_row = InvoiceLine.objects.get(), Claim.objects.get(), LedgerRow.objects.get()
    assert (line.quantity, line.unit_price, line.total, line.seconds) == (
        Decimal("2.25"),
        Decimal("87.65"),
        Decimal("197.21"),
        7633,
    )
    assert (claim.entry_id, claim.seconds, claim.day.isoformat(), claim.released_at) == (
        mirrored.pk,
        7633,
        "2026-10-24",
        None,
    )
    assert (claim.tags, claim.person_name, claim.description) == ([" ADVIES "], "Wim Brandhof", "Été · 1")
    assert (ledger_row.state, ledger_row.seconds, ledger_row.correction_seconds) == ("invoiced", 7633, 0)
    assert (CustomerPin.objects.get().number, CustomerPin.objects.get().party_id) == (NUMBER, 80_077)
    attempt = Attempt.objects.get(intent="post")
    assert json.loads(attempt.body, parse_float=Decimal) == body
    assert attempt.body_hash == hashlib.sha256(attempt.body.encode()).hexdigest()
    (after,) = books.command("ledger", "--firm", "small", "--month", "2026-10").answer["dossiers"]
    assert {state: sums for state, sums in after["states"].items() if sums["entries"]} == {
        "invoiced": {"entries": 1, "seconds": 7633}
    }
    assert (after["balanced"], after["corrections"]) == (True, {"entries": 0, "seconds": 0})

    # --- the audit log tells the whole of it
    (verified,) = books.command("verify_audit", "--firm", "small").answer["firms"]
    assert verified["ok"] is True
    story = [
        (event.type, event.actor, event.origin)
        for event in AuditEvent.objects.filter(subject=f"invoice {invoice.reference}").order_by("number")
    ]
    steps = (
        "invoice_drafted",
        "invoice_approved",
        "invoice_posting",
        "invoice_posted",
        "invoice_sending",
        "invoice_sent",
    )
    assert story == [(step, "operator", "command") for step in steps]
    assert [event.data["key"] for event in books.events("invoice_posted")] == [attempt.key]

    # --- and afterwards the three agree
    reconciled = books.command("reconcile", "--firm", "small")
    assert (reconciled.code, reconciled.answer["drift"]) == (0, [])
    assert books.invoice("--approve", "--post", "--send").answer["invoices"] == []


def test_late_correction_of_the_same_entry_never_alters_what_was_billed(scene: Make) -> None:
    books = scene(**world())
    books.invoice("--approve", "--post")
    frozen = [list(model.objects.order_by("pk").values()) for model in (Invoice, InvoiceLine, Claim)]
    order = books.control.orders()
    books.later(hours=1)
    books.control.put_entries(entry(1, "2026-10-24T21:30:00+00:00", seconds=9000, tag="Advies", user_id=COLLEAGUE))
    done = books.invoice("--approve", "--post")
    assert (done.code, done.answer["invoices"]) == (0, [])
    assert frozen == [list(model.objects.order_by("pk").values()) for model in (Invoice, InvoiceLine, Claim)]
    assert books.control.orders() == order
    row = LedgerRow.objects.get()
    assert (row.state, row.seconds, row.correction_seconds) == ("invoiced", 9000, 9000 - 7633)
