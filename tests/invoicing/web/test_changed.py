"""A decision on what is no longer there: 409 with old and new figures side by side, and nothing done (design D12)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from integrations.models import Entry
from invoicing.attention import causes
from invoicing.drafting import runs
from invoicing.models import Correction, Invoice, InvoiceLine, LedgerRow
from tests.factories import (
    CorrectionFactory,
    DossierFactory,
    DriftFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    enterprise_number,
)
from tests.invoicing.scene import BY, OCTOBER, Scene, everything
from tests.visitors import address, inputs, read_of, signed_in, staff, words
from tests.worlds import NOW, entry, product
from toggbill.firms.models import AuditEvent, Firm

pytestmark = pytest.mark.django_db
Change = Callable[[Any], object]


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


# --- the fault as it was met ------------------------------------------------------------------------------------------


def test_page_that_shows_one_amount_approves_no_other(scene: Callable[..., Scene]) -> None:
    advice = product(0, "ADV", "Advice", "100.00")
    books = scene(entries=[entry(1, seconds=62_748)], products=[advice], longest_hours=0)
    Firm.objects.filter(pk=books.firm.pk).update(language="en")
    client, colleague = signed_in(books.firm, "bookkeeper"), signed_in(books.firm, "bookkeeper")
    colleague.post(f"/dossiers/{books.dossier.key}/draft/", {"through": "2026-10-31"})
    invoice = Invoice.objects.get()
    page = client.get(f"/invoices/{invoice.reference}/").content
    assert "€ 1,743.00" in words(page)
    books.control.put_entries(entry(2, "2026-10-06", seconds=221_580))
    books.sync()
    colleague.post(f"/dossiers/{books.dossier.key}/draft/", {"through": "2026-10-31"})
    before = everything()
    fields = {"read": inputs(page.decode(), "read")[0]}
    answer = client.post(f"/invoices/{invoice.reference}/approve/", fields)
    assert answer.status_code == 409
    said = words(answer.content)
    assert "Total excl. VAT € 1,743.00 € 7,898.00" in said
    assert "Advice: 17.43 h × € 100.00 = € 1,743.00" in said
    assert "Advice: 78.98 h × € 100.00 = € 7,898.00" in said
    assert everything() == before
    invoice.refresh_from_db()
    assert (invoice.status, str(invoice.total_excl)) == ("draft", "7898.00")
    # The way on: the form anew, with what stands on the page that says so.
    anew = {"read": inputs(answer.content.decode(), "read")[0]}
    assert client.post(f"/invoices/{invoice.reference}/approve/", anew).status_code == 302
    invoice.refresh_from_db()
    assert invoice.status == "approved"


# --- steps of an invoice ----------------------------------------------------------------------------------------------


def _set(**fields: Any) -> Change:
    return lambda invoice: Invoice.objects.filter(pk=invoice.pk).update(**fields)


def _redrawn(invoice: Invoice) -> None:
    hours, total = Decimal("78.98"), Decimal("7898.00")
    InvoiceLine.objects.filter(invoice=invoice).update(quantity=hours, total=total)
    _set(total_excl=total, total_vat=Decimal("1658.58"), total_incl=Decimal("9556.58"))(invoice)


_WAITS = {"hours": Decimal("17.43"), "price": Decimal("100.00"), "with_line__unit_price": Decimal("100.00")}
_READ_BACK = {"legal_excl": Decimal("200.00"), "legal_vat": Decimal("42.00"), "legal_incl": Decimal("242.00")}
_SUM = "Total excl. VAT € 1,743.00 € 7,898.00"

# The invoice that the page showed, what happened to it since, and what is said of it.
STEPS: dict[str, tuple[dict[str, Any], Change, str]] = {
    "approve": (_WAITS, _redrawn, _SUM),
    "drop": (_WAITS, _redrawn, _SUM),
    "approve what was dropped": (_WAITS, _set(status="void"), "Status draft void"),
    "post": (
        {"status": "approved"},
        _set(customer_vat=enterprise_number(7)),
        f"VAT number {enterprise_number(2999)} {enterprise_number(7)}",
    ),
    "post what was dropped": ({"status": "approved"}, _set(status="void"), "Status approved void"),
    "credit": (
        {"status": "posted", "delivery": "refused"},
        _set(**_READ_BACK),
        "Total excl. VAT € 190.00 € 200.00",
    ),
    "post-anew": (
        {"status": "in_doubt", "needs_person": True},
        _set(status="approved", needs_person=False, problem=""),
        "Status in doubt approved",
    ),
    "bill-anew": ({"status": "posted"}, _set(payment="paid"), "Payment open paid"),
}


def _shown(firm: Firm, step: str) -> tuple[Invoice, str, str]:
    fields, _change, said = STEPS[step]
    invoice = InvoiceFactory(dossier__firm=firm, **({"customer_vat": enterprise_number(2999)} | fields))
    if step == "bill-anew":
        DriftFactory(dossier=invoice.dossier, reference=invoice.reference, order_id=invoice.order_id)
    return invoice, f"/invoices/{invoice.reference}/{step.partition(' ')[0]}/", said


@pytest.mark.parametrize("step", STEPS)
def test_step_on_an_invoice_that_changed_does_nothing_and_shows_both(firm: Firm, step: str) -> None:
    invoice, path, said = _shown(firm, step)
    client = signed_in(firm)
    page = client.get(f"/invoices/{invoice.reference}/").content.decode()
    assert path in page
    STEPS[step][1](invoice)
    before = everything()
    shown = f"/f/{firm.slug}/invoices/{invoice.reference}/"
    answer = client.post(path, {"read": inputs(page, "read")[0]}, headers={"referer": f"http://testserver{shown}"})
    assert answer.status_code == 409
    assert said in words(answer.content)
    assert f'href="{shown}"' in answer.content.decode()
    assert everything() == before
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("step", ["approve", "drop", "post", "credit", "post-anew", "bill-anew"])
@pytest.mark.parametrize("read", ["", "broken", "of another"])
def test_step_without_what_was_read_does_nothing_and_says_so(firm: Firm, step: str, read: str) -> None:
    _invoice, path, _said = _shown(firm, step)
    other = InvoiceFactory(dossier__firm=firm, status="posted")
    fields = {"": {}, "broken": {"read": read_of(other)[:-1]}, "of another": {"read": read_of(other)}}[read]
    client = signed_in(firm)
    before = everything()
    answer = client.post(path, fields)
    assert answer.status_code == 400
    assert "Nothing was done: the form does not say which figures it showed" in words(answer.content)
    assert everything() == before


def test_link_back_leads_to_no_other_site(firm: Firm) -> None:
    _invoice, path, _said = _shown(firm, "approve")
    answer = signed_in(firm).post(path, headers={"referer": "https://evil.example/"})
    assert "evil.example" not in answer.content.decode()


@pytest.mark.parametrize(
    ("language", "read", "now", "amounts"),
    [
        ("fr", "Vous avez lu", "Maintenant", "1 743,00 € 7 898,00 €"),
        ("nl", "U las", "Nu", "€ 1.743,00 € 7.898,00"),
    ],
)
def test_changed_figures_are_shown_in_the_language_of_the_reader(
    language: str, read: str, now: str, amounts: str
) -> None:
    firm = FirmFactory(slug="ours", language=language)
    invoice, path, _said = _shown(firm, "approve")
    fields = {"read": read_of(invoice)}
    _redrawn(invoice)
    said = words(signed_in(firm).post(path, fields).content)
    assert f"{read} {now}" in said
    assert amounts in said
    assert "Nothing was done" not in said


# --- corrections ------------------------------------------------------------------------------------------------------


def _more(about: Correction) -> None:
    Correction.objects.filter(pk=about.pk).update(seconds=3600, mirrored={"seconds": 10_800})


def _another(about: Correction) -> None:
    """Somebody changed another hour of the same invoice: replacing it would bill that, too."""
    line = InvoiceLine.objects.get(invoice=about.invoice)
    claim = line.claims.get()
    claim.pk = None
    row = LedgerRowFactory(dossier=about.invoice.dossier, state="invoiced")
    claim.entry, claim.entry_remote_id = row.entry, row.entry.remote_id
    claim.save()
    CorrectionFactory(invoice=about.invoice, claim=claim, seconds=7200)


_DIFFERENCE = "Difference + 0.50 h + 1.00 h"
REMEDIES: dict[str, tuple[dict[str, Any], Change, str]] = {
    "accept": ({}, _more, _DIFFERENCE),
    "next-invoice": ({}, _more, _DIFFERENCE),
    "replace": ({}, _more, "+ 0.50 h"),
    "replace with another": ({}, _another, "+ 2.00 h"),
    "credit": ({"invoice__delivery": "sent"}, _more, _DIFFERENCE),
    "credit-and-bill": ({"invoice__delivery": "sent"}, _more, _DIFFERENCE),
    "withdraw": ({"decision": "next_invoice"}, _more, _DIFFERENCE),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_decision_on_a_correction_that_changed_does_nothing_and_shows_both(firm: Firm, remedy: str) -> None:
    fields, change, said = REMEDIES[remedy]
    about = CorrectionFactory(invoice__dossier=DossierFactory(firm=firm), **fields)
    client = signed_in(firm)
    state = "?state=waiting" if about.decision == "next_invoice" else ""
    page = client.get(f"/corrections/{state}").content.decode()
    path = f"/corrections/{about.pk}/{remedy.partition(' ')[0]}/"
    assert path in page
    change(about)
    before = everything()
    answer = client.post(path, {"read": inputs(page, "read")[0], "note": "As said"})
    assert answer.status_code == 409
    assert said in words(answer.content)
    assert inputs(answer.content.decode(), "note") == ["As said"], "what was typed is kept"
    assert everything() == before


@pytest.mark.parametrize("remedy", ["accept", "next-invoice", "replace", "credit", "credit-and-bill", "withdraw"])
def test_decision_on_a_correction_without_what_was_read_does_nothing(firm: Firm, remedy: str) -> None:
    about = CorrectionFactory(invoice__dossier=DossierFactory(firm=firm), **REMEDIES[remedy][0])
    client = signed_in(firm)
    before = everything()
    answer = client.post(f"/corrections/{about.pk}/{remedy}/", {"note": ""})
    assert answer.status_code == 400
    assert everything() == before


def test_second_decision_on_a_correction_says_what_became_of_it(firm: Firm) -> None:
    about = CorrectionFactory(invoice__dossier=DossierFactory(firm=firm))
    client, fields = signed_in(firm), {"read": read_of(about)}
    assert client.post(f"/corrections/{about.pk}/accept/", fields).status_code == 302
    answer = client.post(f"/corrections/{about.pk}/accept/", fields)
    assert answer.status_code == 409
    assert "Decision open accepted" in words(answer.content)
    assert "Do it with the new figures" not in words(answer.content), "there is nothing left to decide"


# --- hours ------------------------------------------------------------------------------------------------------------

HOURS = {
    "hold": {},
    "write-off": {},
    "release": {"state": "held", "decision": "held", "decision_text": "Wait"},
    "reopen": {"state": "written_off", "decision": "written_off", "decision_text": "Gift"},
}


# Attention shows nothing that is held or written off.
SHOWN = [*(("hours", decision) for decision in HOURS), ("attention", "hold"), ("attention", "write-off")]


def _page_of(where: str) -> str:
    """Where the hours are listed: all of the dossier, or those of the only decision."""
    if where == "hours":
        return "/dossiers/bakery/hours/"
    (found,) = causes.decisions(LedgerRow.objects.all())
    return f"/dossiers/bakery/attention/{found.name}/"


@pytest.mark.parametrize(("where", "decision"), SHOWN)
def test_decision_on_hours_that_changed_is_taken_for_none_of_them(firm: Firm, decision: str, where: str) -> None:
    dossier = DossierFactory(firm=firm, key="bakery")
    state = {"reason": "no_vat"} if where == "attention" else HOURS[decision]
    rows = [LedgerRowFactory(dossier=dossier, description=name, **state) for name in ("Same", "Longer")]
    client = signed_in(firm, "bookkeeper")
    page = client.get(_page_of(where)).content.decode()
    fields = {"read": inputs(page, "read")[-1], "reason": "Why", "entry": [str(row.entry_id) for row in rows]}
    Entry.objects.filter(pk=rows[1].entry_id).update(seconds=5400)
    LedgerRow.objects.filter(pk=rows[1].pk).update(seconds=5400)
    before = everything()
    answer = client.post(f"/dossiers/bakery/hours/{decision}/", fields)
    assert answer.status_code == 409
    said = words(answer.content)
    assert "Longer" in said
    assert "Time 1:00:00 1:30:00" in said
    assert "Same" not in said, "what stands as it was read is no news"
    assert everything() == before
    again = answer.content.decode()
    assert (inputs(again, "reason"), inputs(again, "entry")) == (["Why"], fields["entry"])
    kept = fields | {"read": inputs(again, "read")[0]}
    assert client.post(f"/dossiers/bakery/hours/{decision}/", kept).status_code == 302
    assert AuditEvent.objects.count() == 2


@pytest.mark.parametrize("decision", HOURS)
def test_decision_on_hours_that_were_not_shown_does_nothing(firm: Firm, decision: str) -> None:
    dossier = DossierFactory(firm=firm, key="bakery")
    shown, other = (LedgerRowFactory(dossier=dossier, **HOURS[decision]) for _ in range(2))
    fields = {"read": read_of(shown), "reason": "Why", "entry": [str(shown.entry_id), str(other.entry_id)]}
    client = signed_in(firm)
    before = everything()
    assert client.post(f"/dossiers/bakery/hours/{decision}/", fields).status_code == 400
    assert everything() == before


# --- the list of the admin --------------------------------------------------------------------------------------------


def _chosen(client: Client, action: str, *rows: Invoice) -> dict[str, Any]:
    page = client.get(address(Invoice, "changelist")).content.decode()
    return {"action": action, "_selected_action": [row.pk for row in rows], "read": inputs(page, "read")[0]}


@pytest.mark.parametrize(("action", "status"), [("approve", "approved"), ("drop", "void")])
def test_action_on_a_list_that_changed_is_done_for_none(firm: Firm, action: str, status: str) -> None:
    same, redrawn = (InvoiceFactory(dossier__firm=firm, **_WAITS) for _ in range(2))
    client = staff(firm)
    fields = _chosen(client, action, same, redrawn)
    _redrawn(redrawn)
    before = everything()
    answer = client.post(address(Invoice, "changelist"), fields)
    assert answer.status_code == 409
    assert _SUM in words(answer.content)
    assert everything() == before
    anew = fields | {"read": inputs(answer.content.decode(), "read")[0]}
    assert client.post(address(Invoice, "changelist"), anew).status_code == 302
    assert list(Invoice.objects.values_list("status", flat=True)) == [status, status]


@pytest.mark.parametrize("action", ["approve", "drop"])
def test_action_without_the_list_that_was_read_is_done_for_none(firm: Firm, action: str) -> None:
    row = InvoiceFactory(dossier__firm=firm)
    client = staff(firm)
    before = everything()
    fields = {"action": action, "_selected_action": [row.pk]}
    assert client.post(address(Invoice, "changelist"), fields).status_code == 400
    assert everything() == before


# --- without a page ---------------------------------------------------------------------------------------------------


def test_command_approves_what_it_finds(scene: Callable[..., Scene]) -> None:
    books = scene(entries=[entry(1)])
    runs.draft(dossier=books.dossier, cut_off=OCTOBER, by=BY, now=NOW)
    outcome = books.invoice("--approve", "--post")
    assert outcome.code == 0
    assert [row["status"] for row in outcome.answer["invoices"]] == ["posted"]
