"""What a person read (design D12): same figures, same digest; any other figure, another. Forms carry it signed."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from invoicing.deciding import figures
from invoicing.models import Claim, Invoice, InvoiceLine, LedgerRow
from tests.factories import CorrectionFactory, InvoiceFactory, InvoiceLineFactory, LedgerRowFactory
from tests.visitors import read_of
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, Unread
from toggbill.firms.read import LINES_CARRIED, Figures, Read, check

MEMBER = Actor("member@example.com", "web 127.0.0.1", Authority.MEMBER, 1)

_Text = st.text(max_size=12)
_Number = st.decimals(-10_000, 10_000, places=2).map(str)
_Line = st.fixed_dictionaries(
    {"description": _Text, "quantity": _Number, "price": _Number, "total": _Number, "seconds": st.integers(0, 10**6)}
)
_Values = st.fixed_dictionaries(
    {"status": st.sampled_from(["draft", "approved"]), "customer": _Text, "excl": _Number, "incl": _Number}
)


@given(values=_Values, lines=st.lists(_Line, max_size=6))
def test_same_figures_have_the_same_digest_through_a_form(values: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    found = Figures.of("invoice tb-1", values | {"lines": lines})
    again = Figures.of("invoice tb-1", dict(reversed([*values.items(), ("lines", copy.deepcopy(lines))])))
    assert found.digest == again.digest
    back = Read.unpack(Read.of([found]).pack())
    assert back.figures == {"invoice tb-1": found}
    check(back, lambda: [again], by=MEMBER)


@given(values=_Values, lines=st.lists(_Line, min_size=1, max_size=6), data=st.data())
def test_any_other_line_or_figure_has_another_digest(
    values: dict[str, Any], lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    before = Figures.of("invoice tb-1", values | {"lines": lines})
    changed = copy.deepcopy(values | {"lines": lines})
    place = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["figure", "field", "added", "gone", "twice"]))
    if how == "figure":
        name = data.draw(st.sampled_from(sorted(values)))
        changed[name] += "x"
    elif how == "field":
        name = data.draw(st.sampled_from(sorted(lines[place])))
        changed["lines"][place][name] = data.draw(_Text.filter(lambda text: text != lines[place][name]))
    elif how == "added":
        changed["lines"].insert(place, data.draw(_Line) | {"description": "one more, and longer than any other"})
    elif how == "gone":
        del changed["lines"][place]
    else:
        changed["lines"].append(changed["lines"][place])
    after = Figures.of("invoice tb-1", changed)
    assert before.digest != after.digest
    with pytest.raises(Changed) as refusal:
        check(Read.of([before]), lambda: [after], by=MEMBER)
    assert refusal.value.changes == [(before, after)]
    check(Read.unpack(refusal.value.anew), lambda: [after], by=MEMBER)


@given(text=st.text(max_size=60))
def test_text_that_the_site_did_not_sign_says_nothing(text: str) -> None:
    assert Read.unpack(text).figures == {}
    with pytest.raises(Unread):
        check(Read.unpack(text), lambda: [Figures.of("invoice tb-1", {})], by=MEMBER)


def test_text_that_was_signed_for_something_else_says_nothing() -> None:
    assert Read.unpack(signing.dumps([["invoice tb-1", "0", {}]], salt="another")).figures == {}


def test_figures_of_something_else_are_none() -> None:
    other = Read.of([Figures.of("invoice tb-2", {})])
    with pytest.raises(Unread, match="Nothing was done"):
        check(other, lambda: [Figures.of("invoice tb-1", {})], by=MEMBER)


@pytest.mark.parametrize("authority", list(Authority))
def test_only_schedule_and_command_decide_without_a_page(authority: Authority) -> None:
    by = Actor("x", "y", authority)
    if authority in {Authority.SCHEDULE, Authority.COMMAND}:
        check(None, lambda: [Figures.of("invoice tb-1", {})], by=by)
        return
    with pytest.raises(Unread):
        check(None, lambda: [Figures.of("invoice tb-1", {})], by=by)


def test_form_carries_the_first_lines_and_the_digest_of_all() -> None:
    lines = [{"description": str(n)} for n in range(LINES_CARRIED + 3)]
    found = Figures.of("invoice tb-1", {"lines": lines})
    assert (len(found.shown["lines"]), found.shown["more_lines"]) == (LINES_CARRIED, 3)
    lines[-1] = {"description": "another"}
    assert Figures.of("invoice tb-1", {"lines": lines}).digest != found.digest


# --- of rows ----------------------------------------------------------------------------------------------------------


def _digest(invoice: Invoice) -> str:
    return figures.of_invoice(Invoice.objects.get(pk=invoice.pk)).digest


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"customer_name": "Another"},
        {"customer_vat": "BE0999000030"},
        {"customer_party_id": 7},
        {"title": "Décembre 2026"},
        {"purchase_order": "PO 2"},
        {"buyer_reference": "Room 2"},
        {"period_till": "2026-11-30"},
        {"total_vat": Decimal("39.91"), "total_incl": Decimal("229.91")},
        {"status": "approved", "approved_at": "2026-11-20T09:00Z"},
        {"attention": "several_customers"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_invoice_of_another_figure_has_another_digest(change: dict[str, Any]) -> None:
    invoice = InvoiceFactory()
    before = _digest(invoice)
    assert before == _digest(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(**change)
    assert before != _digest(invoice)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"description": "Tax"},
        {"description_extended": "more"},
        {"product_reference": "TAX"},
        {"quantity": Decimal("3.00"), "total": Decimal("285.00")},
        {"unit_price": Decimal("96.00"), "total": Decimal("192.00")},
        {"quantity": Decimal("1.00"), "unit_price": Decimal("190.00")},
        {"vat_rate": Decimal("6.00")},
        {"treatment": "reverse_charge"},
        {"seconds": 7201},
        {"is_late": True},
    ],
    ids=" and ".join,
)
def test_line_of_another_figure_has_another_digest(change: dict[str, Any]) -> None:
    invoice = InvoiceFactory()
    before = _digest(invoice)
    InvoiceLine.objects.filter(invoice=invoice).update(**change)
    assert before != _digest(invoice)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 7199},
        {"description": "Other work"},
        {"person_name": "Another"},
        {"project_name": "Another"},
        {"tags": ["ADV", "more"]},
        {"started_at": "2026-11-09T09:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_entry_of_another_figure_has_another_digest(change: dict[str, Any]) -> None:
    invoice = InvoiceFactory()
    before = _digest(invoice)
    Claim.objects.filter(line__invoice=invoice).update(**change)
    assert before != _digest(invoice)


@pytest.mark.django_db
def test_amounts_are_those_that_count_legally() -> None:
    invoice = InvoiceFactory(status="posted")
    before = _digest(invoice)
    ours = {"legal_excl": invoice.total_excl, "legal_vat": invoice.total_vat, "legal_incl": invoice.total_incl}
    Invoice.objects.filter(pk=invoice.pk).update(**ours)
    assert before == _digest(invoice), "Billit computed the same"
    Invoice.objects.filter(pk=invoice.pk).update(legal_excl=Decimal("190.01"))
    assert before != _digest(invoice)


@pytest.mark.django_db
def test_several_invoices_are_those_of_each_in_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    invoices = [InvoiceFactory() for _ in range(5)]
    InvoiceLineFactory(invoice=invoices[0])
    rows = list(Invoice.objects.order_by("pk"))
    with django_assert_num_queries(2):
        found = figures.of_invoices(rows)
    assert [each.digest for each in found] == [_digest(invoice) for invoice in invoices]


@pytest.mark.django_db
def test_ledger_row_of_another_figure_has_another_digest() -> None:
    row = LedgerRowFactory()
    before = figures.of_entry(LedgerRow.objects.select_related("entry").get()).digest
    LedgerRow.objects.update(seconds=3601)
    assert figures.of_entry(LedgerRow.objects.select_related("entry").get(pk=row.pk)).digest != before


@pytest.mark.django_db
def test_page_of_corrections_reads_what_the_verbs_read() -> None:
    """Both compute the figures, each in its own way; were they not the same, no decision could be taken."""
    about = CorrectionFactory()
    read = Read.unpack(read_of(about))
    assert set(read.figures) == {f"correction {about.pk}", f"replacement {about.invoice.reference}"}
