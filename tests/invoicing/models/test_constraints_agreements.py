"""Constraints of agreements and of what bills them, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import Agreement, Claim, InvoiceLine, LedgerRow
from tests.factories import (
    NOW,
    AgreementFactory,
    ClaimFactory,
    FeeLineFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
)
from tests.invoicing.refusing import breaks, refuses

pytestmark = pytest.mark.django_db


@refuses(Agreement, "agreement_key_once")
def test_agreement_key_twice_in_a_firm() -> None:
    first = AgreementFactory(key="one")
    AgreementFactory(key="one")
    AgreementFactory(key="one", dossier=first.dossier)


@breaks(
    Agreement,
    *("agreement_one_customer", "agreement_ends_after_start", "agreement_known_words", "agreement_has_product"),
    *("agreement_amount_not_negative", "agreement_extra_has_product", "agreement_once_falls_due"),
    *("agreement_advances_have_amounts", "agreement_budget_of_something"),
)
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"client_remote_id": None}, "agreement_one_customer"),
        ({"number": "BE0999000030"}, "agreement_one_customer"),
        ({"end_date": date(2026, 8, 31)}, "agreement_ends_after_start"),
        ({"kind": "gift"}, "agreement_known_words"),
        ({"every": "week"}, "agreement_known_words"),
        ({"part_periods": "half"}, "agreement_known_words"),
        ({"product_reference": ""}, "agreement_has_product"),
        ({"title": ""}, "agreement_has_product"),
        ({"amount": Decimal("-0.01")}, "agreement_amount_not_negative"),
        ({"included_hours": Decimal(5)}, "agreement_extra_has_product"),
        ({"extra_product": "ADV"}, "agreement_extra_has_product"),
        ({"included_hours": Decimal(-1), "extra_product": "ADV"}, "agreement_extra_has_product"),
        ({"every": "once"}, "agreement_once_falls_due"),
        ({"budget_hours": Decimal(0)}, "agreement_budget_of_something"),
        ({"budget_amount": Decimal("-0.01")}, "agreement_budget_of_something"),
        ({"plan": [{"day": "2026-10-01", "amount": "1.00"}]}, "agreement_advances_have_amounts"),
        ({"settle_on": "12-31"}, "agreement_advances_have_amounts"),
        ({"settled_through": date(2026, 10, 31)}, "agreement_advances_have_amounts"),
        ({"kind": "advance", "amount": Decimal(0)}, "agreement_advances_have_amounts"),
        (
            {"kind": "advance", "plan": [{"day": "2026-10-01", "amount": "1.00"}]},
            "agreement_advances_have_amounts",
        ),
        ({"kind": "advance", "in_advance": True}, "agreement_advances_have_amounts"),
        ({"kind": "advance", "part_periods": "days"}, "agreement_advances_have_amounts"),
    ],
)
def test_agreement_that_cannot_be(changes: dict[str, Any], name: str) -> None:
    row = AgreementFactory()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Agreement.objects.filter(pk=row.pk).update(**changes)


# --- each period once -------------------------------------------------------------------------------------------------


@breaks(InvoiceLine, "line_period_once")
def test_second_live_line_of_a_period_is_refused_whoever_writes_it() -> None:
    line = FeeLineFactory()
    other = InvoiceLineFactory(with_claim=False, invoice__dossier=line.invoice.dossier)
    like = {"agreement": line.agreement, "period": line.period}
    with pytest.raises(IntegrityError, match=r"line_period_once|UNIQUE"), transaction.atomic():
        FeeLineFactory(invoice=other.invoice, **like)
    changes = "kind = 'fee', agreement_id = %s, agreement_version = 1, period = '2026-10-01', due_on = '2026-10-31'"
    changes += ", quantity = 1, unit_price = 190, total = 190, seconds = 0"
    written = f"UPDATE {InvoiceLine._meta.db_table} SET {changes} WHERE id = %s"
    refused = pytest.raises(IntegrityError, match=r"line_period_once|UNIQUE")
    with connection.cursor() as cursor, refused, transaction.atomic():
        cursor.execute(written, [line.agreement_id, other.pk])
    # another period, and the same one once this line is released
    FeeLineFactory(invoice=other.invoice, agreement=line.agreement, period=date(2026, 11, 1))
    InvoiceLine.objects.filter(pk=line.pk).update(released_at=NOW)
    FeeLineFactory(invoice=other.invoice, **like)
    with pytest.raises(IntegrityError, match=r"line_period_once|UNIQUE"), transaction.atomic():
        InvoiceLine.objects.filter(pk=line.pk).update(released_at=None)


def test_extra_hours_of_a_period_are_numbered() -> None:
    line = FeeLineFactory(kind="extra", part=1, quantity=Decimal("2.00"), unit_price=Decimal("95.00"))
    like = {"agreement": line.agreement, "quantity": Decimal("1.00"), "unit_price": Decimal("95.00"), "kind": "extra"}
    FeeLineFactory(invoice=line.invoice, part=2, **like)
    with pytest.raises(IntegrityError, match=r"line_period_once|UNIQUE"), transaction.atomic():
        FeeLineFactory(invoice=line.invoice, part=1, **like)


@breaks(InvoiceLine, "line_taken_back_once")
def test_line_is_taken_back_once() -> None:
    line = FeeLineFactory(invoice__status="posted")
    like = {"agreement": line.agreement, "takes_back": line}
    note = FeeLineFactory(invoice__dossier=line.invoice.dossier, **like)
    with pytest.raises(IntegrityError, match=r"line_taken_back_once|UNIQUE"), transaction.atomic():
        FeeLineFactory(invoice__dossier=line.invoice.dossier, **like)
    InvoiceLine.objects.filter(pk=note.pk).update(released_at=NOW)
    FeeLineFactory(invoice__dossier=line.invoice.dossier, **like)


@breaks(InvoiceLine, "line_of_its_kind")
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seconds": 3600}, "line_has_hours"),
        ({"quantity": Decimal(-1), "total": Decimal(-190)}, "line_has_hours"),
        ({"quantity": Decimal(2), "total": Decimal(380)}, "line_of_its_kind"),
        ({"period": None}, "line_of_its_kind"),
        ({"due_on": None}, "line_of_its_kind"),
        ({"part": 1}, "line_of_its_kind"),
        ({"kind": "extra"}, "line_of_its_kind"),
        ({"kind": "hours", "seconds": 3600}, "line_of_its_kind"),
        ({"agreement": None}, "line_of_its_kind"),
    ],
)
def test_fee_line_that_cannot_be(changes: dict[str, Any], name: str) -> None:
    line = FeeLineFactory()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        InvoiceLine.objects.filter(pk=line.pk).update(**changes)


# --- each hour once ---------------------------------------------------------------------------------------------------


def test_hour_is_covered_once_and_never_billed_as_well() -> None:
    line = FeeLineFactory()
    row = LedgerRowFactory(dossier=line.invoice.dossier, state="covered", agreement=line.agreement)
    claim = ClaimFactory(line=line, row=row, kind="covered")
    other = InvoiceLineFactory(with_claim=False, invoice__dossier=line.invoice.dossier)
    for kind in ("covered", "entry"):
        with pytest.raises(IntegrityError), transaction.atomic():
            ClaimFactory(line=other, row=row, kind=kind)
    Claim.objects.filter(pk=claim.pk).update(released_at=NOW)
    ClaimFactory(line=other, row=row)


@breaks(Claim, "claim_listed_is_covered")
def test_covered_hour_alone_is_listed_apart_from_its_line() -> None:
    claim = ClaimFactory()
    with (
        pytest.raises(IntegrityError, match="claim_listed_is_covered"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE invoicing_claim SET listed_on_id = %s WHERE id = %s", [claim.line.invoice_id, claim.pk])


@breaks(LedgerRow, "ledger_covered_by_agreement")
@pytest.mark.parametrize(
    "changes", [{"agreement": None}, {"state": "open"}, {"agreement": None, "state": "on_account"}]
)
def test_covered_hour_has_its_agreement_and_no_other_hour_has_one(changes: dict[str, Any]) -> None:
    line = FeeLineFactory()
    row = LedgerRowFactory(dossier=line.invoice.dossier, state="covered", agreement=line.agreement)
    with pytest.raises(IntegrityError, match="ledger_covered_by_agreement"), transaction.atomic():
        LedgerRow.objects.filter(pk=row.pk).update(**changes)
