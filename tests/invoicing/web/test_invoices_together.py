"""The list of invoices: what each filter finds; many approved, posted, sent or dropped at once, each as it was read."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import Dossier, Invoice, LedgerRow
from tests.factories import (
    NOW,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    MembershipDossierFactory,
    MembershipFactory,
)
from tests.visitors import alerts, browser_of, content_of, events, inputs, signed_in, words
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
PEPPOL = {"way": "peppol", "way_to": "0208:0563846944", "way_asked_at": NOW}


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def ticked(client: Client, query: str, *rows: Invoice) -> dict[str, Any]:
    """What the form of a page sends with these rows ticked."""
    page = client.get(f"/invoices/?{query}").content.decode()
    offered = inputs(page, "invoice")
    assert {row.reference for row in rows} <= set(offered)
    return {"read": inputs(page, "read")[0], "invoice": [row.reference for row in rows]}


def statuses() -> dict[str, str]:
    return dict(Invoice.objects.values_list("customer_name", "status"))


def customers(client: Client, query: str) -> set[str]:
    """The customers found, on the page and in the file alike."""
    page = words(client.get(f"/invoices/?{query}").content)
    answer: Any = client.get(f"/invoices/export.csv?{query}")
    found = csv.DictReader(io.StringIO(content_of(answer).decode("utf-8-sig"), newline=""))
    names = {row["Customer"] for row in found}
    assert {name for name in ("Alpha", "Beta", "Gamma", "Delta") if f" {name} BE" in page} == names
    return names


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Alpha", "Beta", "Gamma", "Delta"}),
        ("status=draft", {"Alpha"}),
        ("status=posted&delivery=not_sent", {"Gamma"}),
        ("delivery=not_sent", {"Gamma"}),
        ("delivery=sent", {"Delta"}),
        ("status=attention", {"Beta"}),
        ("dossier=garage", {"Beta"}),
        ("customer=aLPHa", {"Alpha"}),
        ("month=2026-10", {"Beta"}),
        ("month=2026-11", {"Alpha", "Beta", "Gamma", "Delta"}),
        ("month=2026-12", set()),
        ("least=190,01", {"Beta", "Delta"}),
        ("most=190.00", {"Alpha", "Gamma"}),
        ("least=200&most=1 000", {"Delta"}),
        ("least=much", {"Alpha", "Beta", "Gamma", "Delta"}),
        ("least=1e99", {"Alpha", "Beta", "Gamma", "Delta"}),
        ("q=F-77", {"Gamma"}),
        ("q=payroll", {"Alpha"}),
        ("q=%25", set()),
    ],
)
def test_filters_find_and_the_file_holds_the_same(query: str, found: set[str], firm: Firm, dossier: Dossier) -> None:
    alpha = InvoiceFactory(dossier=dossier, customer_name="Alpha")
    alpha.lines.update(description="Payroll")
    garage = DossierFactory(firm=firm, key="garage")
    spans = {"period_from": date(2026, 10, 20), "period_till": date(2026, 11, 2)}
    InvoiceFactory(dossier=garage, customer_name="Beta", status="refused", hours=Decimal(20), **spans)
    InvoiceFactory(dossier=dossier, customer_name="Gamma", status="posted", order_number="F-77")
    legal = {"legal_excl": "500.00", "legal_vat": "105.00", "legal_incl": "605.00"}
    InvoiceFactory(dossier=dossier, customer_name="Delta", status="posted", delivery="sent", **legal)
    InvoiceFactory(customer_name="Theirs")
    assert customers(signed_in(firm, "viewer"), query) == found


@pytest.mark.parametrize("query", ["status=lost", "delivery=lost", "month=2026-13"])
def test_filter_that_cannot_be_is_not_found(query: str, firm: Firm) -> None:
    client = signed_in(firm)
    for path in ("/invoices/", "/invoices/export.csv"):
        assert client.get(f"{path}?{query}").status_code == 404


def test_row_shows_its_lines_and_what_mends_it(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="refused", customer_name="Alpha")
    for _ in range(3):
        InvoiceLineFactory(invoice=invoice, description="Second opinion", with_claim=False)
    shown = words(signed_in(firm).get("/invoices/").content)
    assert (
        "2.00 h × 95.00 · Advice 2.00 h × 95.00 · Second opinion 2.00 h × 95.00 · Second opinion and 1 more line"
        in shown
    )
    assert "refused by Billit The VAT rate is not allowed. Mend the cause, then approve again." in shown


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({"status": "in_doubt", "needs_person": True}, "Look for it in Billit. Only if it is not there, post it anew."),
        ({"status": "in_doubt"}, "It is looked up in Billit before anything is posted again; nothing is billed twice."),
        ({"status": "posted", "delivery": "failed"}, "Mend the cause, then send it again."),
        ({"status": "posted", "delivery": "refused"}, "Agree with the receiver what is wrong, then credit it"),
        ({"status": "posted", "delivery": "in_doubt"}, "nothing is sent twice."),
    ],
)
def test_every_trouble_has_a_cure(fields: dict[str, Any], cure: str, firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, **fields)
    assert cure in words(signed_in(firm).get("/invoices/").content)


@pytest.mark.slow
def test_page_takes_at_most_25_queries_with_1_and_with_300_rows(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    taken = []
    for rows in (1, 99):
        for _ in range(rows):
            InvoiceFactory(dossier=dossier)
            InvoiceFactory(dossier=dossier, status="posted")
            InvoiceFactory(dossier=dossier, status="approved")
        for path in ("/invoices/", "/invoices/?rows=200"):
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(path)
            assert answer.status_code == 200
            taken.append(len(queries))
            assert len(answer.content) < 400_000
    assert max(taken) <= 25
    assert taken[2] <= taken[0] + 1
    assert client.get("/invoices/?rows=200").content.decode().count('name="invoice"') == 200


# --- many at once -----------------------------------------------------------------------------------------------------


def test_many_are_approved_then_posted_then_shown_with_how_far_they_are(firm: Firm, dossier: Dossier) -> None:
    rows = [InvoiceFactory(dossier=dossier, customer_name=name) for name in ("Alpha", "Beta", "Gamma")]
    client = signed_in(firm, "owner", email="me@example.com")
    answer = client.post("/invoices/together/approve/", ticked(client, "status=draft", *rows[:2]), follow=True)
    assert answer.redirect_chain == [("/f/ours/invoices/?chosen=1", 302)]
    page = answer.content.decode()
    assert alerts(page) == "success: 2 invoices are approved."
    assert "2 invoices chosen: € 380.00" in words(answer.content)
    assert statuses() == {"Alpha": "approved", "Beta": "approved", "Gamma": "draft"}
    assert page.count("checked") == 2
    sent = {"read": inputs(page, "read")[0], "invoice": inputs(page, "invoice")}
    answer = client.post("/invoices/together/post/", sent, follow=True)
    assert alerts(answer.content.decode()) == "success: 2 invoices are on their way to Billit."
    assert "0 of 2 invoices are in Billit" in words(answer.content)
    assert 'hx-trigger="every 3s"' in answer.content.decode()
    # What is under way is neither ticked nor dropped from here.
    assert 'name="invoice"' not in answer.content.decode()
    assert list(Invoice.objects.filter(post_requested_by="me@example.com").values_list("customer_name", flat=True)) == [
        "Alpha",
        "Beta",
    ]
    assert [type for type, _subject, _data in events(firm)] == ["invoice_approved"] * 2
    alpha, beta = rows[:2]
    Invoice.objects.filter(pk=alpha.pk).update(status="posting", posting_since=NOW)
    Invoice.objects.filter(pk=alpha.pk).update(status="posted", posting_since=None, posted_at=NOW, order_id=7, **PEPPOL)
    Invoice.objects.filter(pk=beta.pk).update(status="posting", posting_since=NOW)
    refused = {"problem": "other", "problem_facts": {"said": "The VAT rate is not allowed."}}
    Invoice.objects.filter(pk=beta.pk).update(
        status="refused", posting_since=None, post_requested_at=None, post_requested_by="", **refused
    )
    answer = client.get("/invoices/?chosen=1")
    said = words(answer.content)
    assert "1 of 2 invoices are in Billit" in said
    assert "1 stands still: what is wrong, and what mends it, stands beside it." in said
    assert "The VAT rate is not allowed. Mend the cause, then approve again." in said
    assert "hx-trigger" not in answer.content.decode()


def test_row_that_changed_meanwhile_is_left_alone_and_named(firm: Firm, dossier: Dossier) -> None:
    rows = [InvoiceFactory(dossier=dossier, customer_name=name) for name in ("Alpha", "Beta", "Gamma")]
    client = signed_in(firm)
    sent = ticked(client, "", *rows)
    rows[1].lines.update(description="Another text")
    answer = client.post("/invoices/together/approve/", sent, follow=True)
    assert alerts(answer.content.decode()) == (
        "success: 2 invoices are approved. | danger: 1 invoice was left as it is; it says why below."
    )
    assert statuses() == {"Alpha": "approved", "Beta": "draft", "Gamma": "approved"}
    assert words(answer.content).count("It changed after you opened the page: look at it again, and decide then.") == 1
    # It is not ticked for what comes next.
    assert answer.content.decode().count("checked") == 2


def test_row_that_is_not_possible_is_left_alone_and_says_why(firm: Firm, dossier: Dossier) -> None:
    first, second = (InvoiceFactory(dossier=dossier, customer_name=name) for name in ("Alpha", "Beta"))
    client = signed_in(firm)
    sent = ticked(client, "", first, second)
    entry = first.lines.get().claims.get().entry
    type(entry)._default_manager.filter(pk=entry.pk).update(seconds=1)
    answer = client.post("/invoices/together/approve/", sent, follow=True)
    assert "1 of its entries changed in Toggl since it was drafted. Draft again, then approve." in words(answer.content)
    assert statuses() == {"Alpha": "draft", "Beta": "approved"}


def test_only_what_was_shown_is_decided(firm: Firm, dossier: Dossier) -> None:
    shown, other = InvoiceFactory(dossier=dossier), InvoiceFactory(dossier=dossier, status="refused")
    client = signed_in(firm)
    read = ticked(client, "status=draft", shown)["read"]
    for fields in ({"read": read, "invoice": [shown.reference, other.reference]}, {"invoice": [shown.reference]}):
        answer = client.post("/invoices/together/approve/", fields)
        assert answer.status_code == 400
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["draft", "refused"]


def test_drafts_are_dropped_and_their_hours_are_free(firm: Firm, dossier: Dossier) -> None:
    rows = [InvoiceFactory(dossier=dossier) for _ in range(2)]
    client = signed_in(firm, "bookkeeper")
    sent = ticked(client, "dossier=bakery", *rows) | {"next": "/f/ours/invoices/?dossier=bakery"}
    answer = client.post("/invoices/together/drop/", sent, follow=True)
    assert answer.redirect_chain == [("/f/ours/invoices/?dossier=bakery", 302)]
    assert alerts(answer.content.decode()) == "success: 2 invoices are dropped; their hours are free again."
    assert set(Invoice.objects.values_list("status", flat=True)) == {"void"}
    assert not LedgerRow.objects.filter(state="drafted").exists()


def test_chosen_ones_are_sent_from_the_page_that_shows_their_way(firm: Firm, dossier: Dossier) -> None:
    rows = [
        InvoiceFactory(dossier=dossier, customer_name=name, status="posted", **PEPPOL)
        for name in ("Alpha", "Beta", "Gamma")
    ]
    client = signed_in(firm, email="me@example.com")
    answer = client.post("/invoices/together/send/", {"invoice": [row.reference for row in rows[:2]]}, follow=True)
    assert answer.redirect_chain == [("/f/ours/sending/?chosen=1", 302)]
    page = answer.content.decode()
    assert "Send 2 invoices, € 459.80 incl. VAT?" in words(answer.content)
    assert page.count("checked") == 2
    Invoice.objects.filter(pk=rows[0].pk).update(way_to="9925:BE0563846944")
    sent = {"read": inputs(page, "read")[0], "invoice": inputs(page, "invoice")}
    answer = client.post("/sending/", sent, follow=True)
    assert answer.redirect_chain == [("/f/ours/invoices/?chosen=1", 302)]
    assert "Billit is asked to send 1 invoice." in alerts(answer.content.decode())
    assert words(answer.content).count("It changed after you opened the page") == 1
    assert dict(Invoice.objects.exclude(send_requested_by="").values_list("customer_name", "send_requested_by")) == {
        "Beta": "me@example.com"
    }
    assert "0 of 2 invoices are sent" in words(answer.content)


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("owner", {"approve", "post", "send", "drop"}),
        ("bookkeeper", {"approve", "drop"}),
        ("viewer", set()),
    ],
)
def test_buttons_are_those_of_the_role_and_the_addresses_refuse_the_rest(
    role: str, offered: set[str], firm: Firm, dossier: Dossier
) -> None:
    rows = {
        "approve": InvoiceFactory(dossier=dossier),
        "post": InvoiceFactory(dossier=dossier, status="approved"),
        "send": InvoiceFactory(dossier=dossier, status="posted", **PEPPOL),
    }
    client = signed_in(firm, role)
    page = client.get("/invoices/").content.decode()
    verbs = ("approve", "post", "send", "drop")
    assert {verb for verb in verbs if f"/invoices/together/{verb}/" in page} == offered
    for verb in set(verbs) - offered:
        row = rows.get(verb, rows["approve"])
        assert client.post(f"/invoices/together/{verb}/", {"invoice": row.reference}).status_code == 403
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["approved", "draft", "posted"]


def test_amount_above_the_limit_is_not_offered_to_a_bookkeeper(firm: Firm, dossier: Dossier) -> None:
    Dossier.objects.filter(pk=dossier.pk).update(auto_limit="150.00")
    large, small = InvoiceFactory(dossier=dossier), InvoiceFactory(dossier=dossier, hours=Decimal(1))
    client = signed_in(firm, "bookkeeper")
    answer = client.post("/invoices/together/approve/", ticked(client, "", large, small), follow=True)
    assert "above the limit of 150.00 of dossier “Bakery”: an owner or a manager approves it." in words(answer.content)
    large.refresh_from_db()
    small.refresh_from_db()
    assert (large.status, small.status) == ("draft", "approved")


def test_another_firms_or_a_hidden_dossiers_invoice_is_not_there(firm: Firm, dossier: Dossier) -> None:
    own = InvoiceFactory(dossier=dossier)
    hidden = InvoiceFactory(dossier=DossierFactory(firm=firm))
    theirs = InvoiceFactory()
    row = MembershipFactory(firm=firm, role="manager", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    client = browser_of(row.user, firm)
    read = ticked(client, "", own)["read"]
    for other in (hidden, theirs):
        for verb in ("approve", "drop", "post", "send"):
            fields = {"read": read, "invoice": [own.reference, other.reference]}
            assert client.post(f"/invoices/together/{verb}/", fields).status_code == 404
    assert set(Invoice.objects.values_list("status", flat=True)) == {"draft"}
    assert client.post("/invoices/together/burn/", {}).status_code == 404


def test_choice_of_one_firm_is_not_shown_in_another(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier)
    client = signed_in(firm)
    client.post("/invoices/together/approve/", ticked(client, "", invoice))
    other = FirmFactory(slug="other")
    MembershipFactory(firm=other, user_id=client.session["_auth_user_id"])
    assert "invoice chosen" not in words(client.get("/f/other/invoices/?chosen=1").content)
    assert "1 invoice chosen" in words(client.get("/invoices/?chosen=1").content)


def test_nothing_ticked_does_nothing(firm: Firm) -> None:
    client = signed_in(firm)
    answer = client.post("/invoices/together/approve/", {}, follow=True)
    assert alerts(answer.content.decode()) == "danger: Nothing was done: choose at least one invoice."
