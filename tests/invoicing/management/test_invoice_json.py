"""An invoice as the commands print it: money, rates and quantities are strings of fixed form, ids are Toggl's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from invoicing.management.invoice_json import as_json, planned
from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.rules import planning
from invoicing.rules.judging import mapping
from tests.factories import NOW, ClaimFactory, InvoiceFactory, InvoiceLineFactory

pytestmark = pytest.mark.django_db


def test_statement_of_a_posted_invoice_shows_billits_figures() -> None:
    invoice = InvoiceFactory(
        status="posted",
        order_id=4711,
        order_number="2026-0042",
        delivery="sent",
        legal_excl=Decimal("190.00"),
        legal_vat=Decimal("39.91"),
        legal_incl=Decimal("229.91"),
    )
    (shown,) = as_json(Invoice.objects.all())
    entries = [claim.entry.remote_id for claim in Claim.objects.all()]
    assert shown == {
        "reference": invoice.reference,
        "dossier": invoice.dossier.key,
        "customer_vat": invoice.customer_vat,
        "customer_name": "Garage Voorbeeld SRL",
        "status": "posted",
        "delivery": "sent",
        "order_id": 4711,
        "order_number": "2026-0042",
        "period_from": "2026-11-10",
        "period_till": "2026-11-10",
        "total_excl": "190.00",
        "total_vat": "39.91",
        "total_incl": "229.91",
        "lines": [
            {
                "kind": "hours",
                "product": "ADV",
                "description": "Advice",
                "quantity": "2.00",
                "unit_price": "95.00",
                "vat_rate": "21.00",
                "discount": "0.00",
                "total": "190.00",
                "seconds": 7200,
                "late": False,
                "entries": entries,
            }
        ],
    }


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("95", "95.00"),
        ("95.5", "95.50"),
        ("62.505", "62.505"),
        ("0.12345", "0.12345"),
        ("100000", "100000.00"),
        ("1234567.80000", "1234567.80"),
    ],
)
def test_price_has_two_decimals_or_as_many_as_it_needs(price: str, shown: str) -> None:
    line = InvoiceLineFactory()
    total = (Decimal("2") * Decimal(price)).quantize(Decimal("0.01"))
    InvoiceLine.objects.filter(pk=line.pk).update(unit_price=Decimal(price), total=total)
    with translation.override("fr"):
        (statement,) = as_json(Invoice.objects.all())
    (printed,) = statement["lines"]
    assert (printed["unit_price"], printed["total"]) == (shown, f"{total:.2f}")


def test_money_has_no_separators_in_any_language() -> None:
    InvoiceFactory(hours=Decimal("12345.00"), price=Decimal("100.00"), with_line=False)
    for language in ("en", "fr", "nl"):
        with translation.override(language):
            (shown,) = as_json(Invoice.objects.all())
        assert (shown["total_excl"], shown["total_incl"]) == ("1234500.00", "1493745.00")


def test_lines_stand_by_position_and_entries_by_their_start() -> None:
    invoice = InvoiceFactory(with_line=False)
    second = InvoiceLineFactory(invoice=invoice, position=2, with_claim=False)
    InvoiceLineFactory(invoice=invoice, position=1, product_reference="FIRST", with_claim=False)
    late = ClaimFactory(line=second, started_at=datetime(2026, 10, 2, tzinfo=UTC))
    early = ClaimFactory(line=second, started_at=datetime(2026, 10, 1, tzinfo=UTC))
    (shown,) = as_json(Invoice.objects.all())
    assert [line["product"] for line in shown["lines"]] == ["FIRST", "ADV"]
    assert shown["lines"][1]["entries"] == [early.entry.remote_id, late.entry.remote_id]


def test_void_keeps_its_lines_and_entries_as_history() -> None:
    InvoiceFactory(status="void")
    (shown,) = as_json(Invoice.objects.all())
    assert (shown["status"], shown["order_id"], shown["order_number"]) == ("void", None, None)
    assert shown["lines"][0]["entries"] == [Claim.objects.get().entry.remote_id]


def test_statements_cost_the_same_queries_for_one_and_for_twenty(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    InvoiceFactory()
    with django_assert_num_queries(3):
        assert len(as_json(Invoice.objects.order_by("pk"))) == 1
    for _ in range(19):
        InvoiceFactory()
    with django_assert_num_queries(3):
        shown = as_json(Invoice.objects.order_by("pk"))
    assert [row["reference"] for row in shown] == list(
        Invoice.objects.order_by("pk").values_list("reference", flat=True)
    )


def test_planned_invoice_is_printed_like_a_saved_one_but_without_a_reference() -> None:
    saved = InvoiceFactory()
    (shown,) = as_json(Invoice.objects.all())
    entry_id = Claim.objects.get().entry.remote_id
    entry = mapping.Entry(
        id=entry_id,
        start=NOW,
        day=date(2026, 11, 10),
        seconds=7200,
        running=False,
        deleted=False,
        billable=True,
        tags=("ADV",),
        description="",
        project_id=1,
        project_name="",
        client_id=1,
        client_name="",
        person_id=1,
        person_name="",
    )
    line = planning.PlannedLine(
        product=mapping.Product(1, "ADV", "Advice", Decimal("95"), Decimal("21")),
        description="Advice",
        description_extended="",
        quantity=Decimal("2"),
        unit_price=Decimal("95"),
        vat_rate=Decimal("21"),
        ventilation_code=4,
        treatment=mapping.Treatment.domestic,
        total=Decimal("190"),
        seconds=7200,
        late=False,
        entries=(entry,),
    )
    buyer = mapping.Buyer("", 1, "", "", mapping.Treatment.domestic, "", "")
    plan = planning.PlannedInvoice(
        buyer, date(2026, 11, 10), date(2026, 11, 10), "", (line,), Decimal("190"), Decimal("39.9"), Decimal("229.9")
    )
    assert planned(saved, plan) == shown
    saved.pk = None
    assert planned(saved, plan) == shown | {"reference": None}
