"""What the pages show, in which words and how many queries."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from integrations.models import Connection
from invoicing.ledger import attention
from invoicing.models import Claim, Dossier
from invoicing.rules import planning
from invoicing.rules.billing.lines import Kept
from invoicing.rules.judging.mapping import Reason
from invoicing.templatetags import figures as books
from tests.factories import (
    AttemptFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
)
from tests.visitors import pages_of, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def test_dossiers_without_any_shows_what_to_do(firm: Firm) -> None:
    assert "No dossier yet" in text(signed_in(firm), "/")


def test_dossiers_counts_what_stands_in_the_way(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, duration=5400)
    for _ in range(2):
        LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"], duration=1800)
    LedgerRowFactory(dossier=dossier, reason="no_vat")
    InvoiceFactory(dossier=dossier)
    InvoiceFactory(dossier=dossier, status="refused")
    words = text(signed_in(firm), "/")
    assert "2 decisions, 1 draft and 1 stuck invoice stand between you and finished books" in words
    assert "Not billed yet € 142.50 1.50 h" in words
    assert "Needs a decision 2.00 h 2 decisions · 3 entries" in words
    assert "Drafts to approve 1 € 190.00 excl. VAT" in words
    assert "billed once 2 entries on invoices · billed twice 0 · lines that differ 0" in words


def test_dossiers_says_when_a_line_differs_from_its_entries(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier)
    Claim.objects.filter(line__invoice=invoice).update(seconds=60)
    assert "does not add up 1 entry on an invoice · billed twice 0 · lines that differ 1" in text(signed_in(firm), "/")


def test_dossiers_shows_a_refused_credential(firm: Firm, dossier: Dossier) -> None:
    Connection.objects.filter(pk=dossier.company.connection_id).update(
        failure="credentials", failure_code="credential_refused"
    )
    assert "Billit: credential refused" in text(signed_in(firm), "/")


def test_dossier_shows_months_customers_and_rules(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, day=date(2026, 10, 5), duration=3600)
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 5), duration=1800, state="held")
    words = text(signed_in(firm), "/dossiers/bakery/")
    assert "Garage Voorbeeld SRL ADV 1.00 h 5 Oct 2026 1.00 h € 95.00" in words
    assert "November 2026" in words
    assert "one line per product" in words
    assert "every stopped entry, from 1 Sep 2026 on" in words


def test_hours_are_narrowed_by_state_month_and_buyer(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, day=date(2026, 10, 31), description="October")
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 1), description="First")
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 30), description="Held", state="held")
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 2), description="Other", buyer_key="party:1", buyer_name="B")
    client = signed_in(firm)

    def shown(query: str) -> set[str]:
        words = text(client, f"/dossiers/bakery/hours/?{query}")
        return {name for name in ("October", "First", "Held", "Other") if f" {name} " in words.partition("Time")[2]}

    assert shown("") == {"October", "First", "Held", "Other"}
    assert shown("month=2026-11") == {"First", "Held", "Other"}
    assert shown("month=2026-11&state=open") == {"First", "Other"}
    assert shown("state=open&buyer=party:1") == {"Other"}


@pytest.mark.parametrize("query", ["state=lost", "month=2026-13", "month=soon"])
def test_hours_with_a_wrong_filter_are_not_found(query: str, firm: Firm, dossier: Dossier) -> None:
    assert signed_in(firm).get(f"/dossiers/bakery/hours/?{query}").status_code == 404


def test_attention_groups_by_reason_and_cause(firm: Firm, dossier: Dossier) -> None:
    for tag in ("Advise", "Advise", "Travel"):
        LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=[tag], duration=3600)
    LedgerRowFactory(dossier=dossier, reason="no_project", person_name="Kim Example", duration=60)
    words = text(signed_in(firm), "/attention/")
    assert "3 decisions" in words
    assert "“Advise” Bakery · 2 entries · 2.00 h" in words
    assert "“Travel” Bakery · 1 entry · 1.00 h" in words
    assert "Map the tag to a product (or to “do not bill”) in the dossier" in words
    assert "“Kim Example”" in words


def test_attention_is_narrowed_by_reason(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    LedgerRowFactory(dossier=dossier, reason="no_vat", client_name="Bakker")
    words = text(signed_in(firm), "/attention/?reason=no_vat")
    assert "“Bakker”" in words
    assert "“Advise”" not in words


def test_attention_without_decisions_says_so(firm: Firm, dossier: Dossier) -> None:
    assert "Nothing to decide" in text(signed_in(firm), "/attention/")


# What a run may say of an entry that it leaves: the reasons of attention, and the words of `planning` itself.
_WORDS = (value for name, value in vars(planning).items() if name.isupper() and isinstance(value, str))
SHOWN = {*Reason, *Kept, *_WORDS}


def test_reasons_that_can_be_shown_are_those_with_words() -> None:
    assert set(attention.WORDS) == SHOWN
    assert {"held", "rounds_to_zero", "correction_waits"} < SHOWN


@pytest.mark.parametrize("reason", sorted(SHOWN))
def test_reasons_have_a_title_and_an_advice_in_three_languages(reason: str) -> None:
    read = []
    for language in ("en", "fr", "nl"):
        with translation.override(language):
            title, todo = map(str, attention.words(reason))
        assert len(title) > 3
        assert todo.endswith(".")
        read.append((title, todo))
    assert len({title for title, _todo in read}) == len({todo for _title, todo in read}) == 3


def test_reasons_unknown_is_shown_by_name() -> None:
    assert str(attention.words("new_reason").title) == "New reason"


def test_invoices_are_narrowed_by_status_and_dossier(firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, customer_name="Anna")
    InvoiceFactory(dossier=dossier, customer_name="Bert", status="refused")
    InvoiceFactory(dossier__firm=firm, dossier__key="other", customer_name="Cleo", status="posted")
    client = signed_in(firm)

    def shown(query: str) -> set[str]:
        words = text(client, f"/invoices/?{query}")
        return {name for name in ("Anna", "Bert", "Cleo") if f" {name} " in words}

    assert shown("") == {"Anna", "Bert", "Cleo"}
    assert shown("status=draft") == {"Anna"}
    assert shown("status=attention") == {"Bert"}
    assert shown("dossier=other") == {"Cleo"}
    assert client.get("/invoices/?status=lost").status_code == 404


def test_invoice_shows_lines_entries_attempts_and_trail(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="posted", order_id=4471203, delivery="sent")
    AttemptFactory(invoice=invoice)
    client = signed_in(firm)
    words = text(client, f"/invoices/{invoice.reference}/")
    assert "Advice 2.00 95.00 21 % € 190.00" in words
    assert "1 entry, 2:00:00 in Toggl" in words
    assert "ADV → ADV By today’s rules these tags lead to no product. 2:00:00" in words
    assert "VAT 21 % on € 190.00 € 39.90" in words
    assert "Total € 229.90" in words
    assert "Billit order 4471203" in words
    assert "post accepted 200" in words
    assert "1, on this invoice and on no other" in words


def test_invoice_shows_what_billit_computed(firm: Firm, dossier: Dossier) -> None:
    figures = {"legal_excl": Decimal("190.00"), "legal_vat": Decimal("39.91"), "legal_incl": Decimal("229.91")}
    invoice = InvoiceFactory(dossier=dossier, status="posted", **figures)
    words = text(signed_in(firm), f"/invoices/{invoice.reference}/")
    assert "VAT, as Billit computed it € 39.91 Total € 229.91" in words


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("refused", "Mend the cause, then approve again."),
        ("in_doubt", "It is looked up in Billit before anything is posted again; nothing is billed twice."),
        ("void", "1, free again"),
    ],
)
def test_invoice_explains_its_trouble(status: str, sentence: str, firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status=status)
    assert sentence in text(signed_in(firm), f"/invoices/{invoice.reference}/")


def test_hostile_names_are_escaped(firm: Firm) -> None:
    evil = "<script>alert(1)</script>"
    dossier = DossierFactory(firm=firm, key="evil", name=evil)
    LedgerRowFactory(dossier=dossier, description=evil, reason="no_vat", client_name=evil)
    LedgerRowFactory(dossier=dossier, description=evil, buyer_name=evil)
    client = signed_in(firm)
    for path in pages_of(dossier, InvoiceFactory(dossier=dossier, customer_name=evil)):
        assert evil not in client.get(path).content.decode(), path


def test_pages_speak_the_language_of_the_firm(dossier: Dossier, firm: Firm) -> None:
    Firm.objects.filter(pk=firm.pk).update(language="fr")
    LedgerRowFactory(dossier=dossier, duration=3600 * 12)
    client = signed_in(firm)
    assert '<html lang="fr">' in client.get("/").content.decode()
    assert "1 140,00 €" in text(client, "/").replace("\u202f", " ")
    client.cookies["django_language"] = "nl"
    assert "€ 1.140,00" in text(client, "/")


def test_days_are_those_of_the_firm(dossier: Dossier, firm: Firm) -> None:
    row = LedgerRowFactory(dossier=dossier, started_at=datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    assert row.day == date(2026, 11, 1)
    assert "1 Nov 2026, 00:30" in text(signed_in(firm), "/dossiers/bakery/hours/")


def _grow(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm, status="draft")
    LedgerRowFactory(dossier=invoice.dossier)
    LedgerRowFactory(dossier=invoice.dossier, reason="unknown_tag", tags=[f"Tag {invoice.pk}"])
    LedgerRowFactory(dossier=invoice.dossier, reason="no_vat", client_name=f"Client {invoice.pk}")


@pytest.mark.parametrize("path", ["/", "/attention/", "/invoices/"])
def test_lists_take_as_many_queries_for_three_rows_as_for_one(path: str, firm: Firm) -> None:
    client = signed_in(firm)
    client.get(path)
    counts = []
    for more in (1, 2):
        for _ in range(more):
            _grow(firm)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_dossier_and_invoice_take_as_many_queries_for_more_rows(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="posted")
    client = signed_in(firm)
    paths = ["/dossiers/bakery/", "/dossiers/bakery/hours/", f"/invoices/{invoice.reference}/"]
    counts = []
    for rows in (1, 3):
        for number in range(rows):
            LedgerRowFactory(dossier=dossier, buyer_key=f"party:{number}", buyer_name=f"Buyer {number}")
            LedgerRowFactory(dossier=dossier, reason="no_vat", client_name=f"Client {number}")
            InvoiceFactory(dossier=dossier)
            AttemptFactory(invoice=invoice)
            line = InvoiceFactory(dossier=dossier, status="posted").lines.get()
            line.invoice, line.position = invoice, invoice.lines.count() + 1
            line.save()
        taken = []
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200
            taken.append(len(queries))
        counts.append(taken)
    assert counts[0] == counts[1]


def test_clock_writes_seconds_as_toggl_does() -> None:
    assert (books.clock(5712), books.clock(59), books.clock(90000)) == ("1:35:12", "0:00:59", "25:00:00")


@pytest.mark.parametrize(("seconds", "written"), [(0, "0.00 h"), (45900, "12.75 h"), (18, "0.01 h"), (17, "0.00 h")])
def test_hours_round_half_up(seconds: int, written: str) -> None:
    assert books.hours(seconds).replace("\u00a0", " ") == written


@pytest.mark.parametrize(("value", "written"), [("95", "95.00"), ("95.12500", "95.125"), ("0.5", "0.50")])
def test_decimal_shows_what_it_needs(value: str, written: str) -> None:
    assert books.decimal(Decimal(value)) == written
