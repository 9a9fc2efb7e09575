"""Hours are held, written off and opened again from their page and from attention; who, when and why stands there."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from invoicing.attention import causes
from invoicing.models import Dossier, LedgerRow
from tests.factories import DossierFactory, FirmFactory, LedgerRowFactory
from tests.visitors import alerts, events, inputs, read_of, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
PAGE = "/dossiers/bakery/hours/"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


@pytest.fixture
def client(firm: Firm) -> Client:
    return signed_in(firm, "bookkeeper")


def decide(client: Client, decision: str, *rows: LedgerRow, **fields: str) -> str:
    """Tick these rows and press a button; what the next page says."""
    sent = {"entry": [str(row.entry_id) for row in rows], "read": read_of(*rows)} | fields
    answer = client.post(f"{PAGE}{decision}/", sent, follow=True)
    return alerts(answer.content.decode())


def decisions() -> list[tuple[str, str]]:
    return list(LedgerRow.objects.order_by("pk").values_list("decision", "decision_text"))


def test_chosen_entries_are_held_with_one_reason(client: Client, dossier: Dossier, firm: Firm) -> None:
    first, second = LedgerRowFactory(dossier=dossier), LedgerRowFactory(dossier=dossier, reason="no_vat")
    LedgerRowFactory(dossier=dossier)
    assert decide(client, "hold", first, second, reason=" The client asks ") == (
        "success: 2 entries are held: no run bills them."
    )
    assert decisions() == [("held", "The client asks"), ("held", "The client asks"), ("", "")]
    assert [(type, data["reason"]) for type, _subject, data in events(firm)] == [("entry_held", "The client asks")] * 2


def test_held_hours_show_why_who_and_when(client: Client, dossier: Dossier, firm: Firm) -> None:
    row = LedgerRowFactory(dossier=dossier)
    decide(client, "hold", row, reason="The client asks")
    LedgerRow.objects.filter(pk=row.pk).update(state="held")
    words = text(client, f"{PAGE}?state=held")
    assert re.search(r"held The client asks \S+@example\.com · \d+ \w+ \d{4}", words), words
    assert "Release" in words
    assert "Hold" not in words.replace("Held", "")


def test_second_click_holds_nothing_more(client: Client, dossier: Dossier, firm: Firm) -> None:
    row = LedgerRowFactory(dossier=dossier)
    decide(client, "hold", row, reason="Once")
    LedgerRow.objects.filter(pk=row.pk).update(state="held")
    assert "is held: this needs one that is open or needs attention or on account. Nothing was changed." in decide(
        client, "hold", row, reason="Twice"
    )
    assert decisions() == [("held", "Once")]
    assert len(events(firm)) == 1


def test_reason_is_required_and_entries_are_too(client: Client, dossier: Dossier) -> None:
    row = LedgerRowFactory(dossier=dossier)
    assert decide(client, "write-off", row, reason=" ").startswith("danger: Say why")
    assert decide(client, "write-off", reason="Gift") == "danger: Nothing was changed: tick the entries first."
    assert decisions() == [("", "")]


def test_written_off_hours_are_opened_again(client: Client, dossier: Dossier, firm: Firm) -> None:
    row = LedgerRowFactory(dossier=dossier)
    decide(client, "write-off", row, reason="Gift")
    LedgerRow.objects.filter(pk=row.pk).update(state="written_off")
    assert "Open again" in text(client, f"{PAGE}?state=written_off")
    assert decide(client, "reopen", row) == "success: 1 entry is judged by the rules again."
    assert decisions() == [("", "")]
    assert [type for type, _subject, _data in events(firm)] == ["entry_written_off", "entry_opened"]


def test_held_hours_are_released(client: Client, dossier: Dossier) -> None:
    row = LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="Wait")
    assert decide(client, "release", row) == "success: 1 entry is judged by the rules again."
    assert decisions() == [("", "")]


def test_invoiced_hours_have_no_box(client: Client, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, state="invoiced")
    page = client.get(PAGE).content.decode()
    assert 'name="entry"' not in page
    assert "/hours/hold/" not in page
    row = LedgerRowFactory(dossier=dossier)
    page = client.get(PAGE).content.decode()
    assert inputs(page, "entry") == [str(row.entry_id)]


def test_attention_offers_to_hold_and_leads_back(client: Client, dossier: Dossier) -> None:
    row = LedgerRowFactory(dossier=dossier, reason="no_vat")
    (found,) = causes.decisions(LedgerRow.objects.all())
    where = f"/dossiers/bakery/attention/{found.name}/"
    page = client.get("/attention/?reason=no_vat").content.decode()
    assert 'name="next" value="/f/ours/attention/?reason=no_vat"' in page
    page = client.get(where).content.decode()
    assert inputs(page, "entry") == [str(row.entry_id)]
    after = "/f/ours/attention/?reason=no_vat"
    sent = {"entry": str(row.entry_id), "reason": "Later", "next": after, "read": read_of(row)}
    answer = client.post(f"{PAGE}hold/", sent)
    assert (answer.status_code, answer["Location"]) == (302, "/f/ours/attention/?reason=no_vat")


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_decision_never_leads_away(client: Client, dossier: Dossier, goal: str) -> None:
    answer = client.post(f"{PAGE}hold/", {"next": goal})
    assert answer["Location"] == f"/f/ours{PAGE}"


def test_viewer_sees_no_boxes_and_decides_nothing(dossier: Dossier, firm: Firm) -> None:
    row = LedgerRowFactory(dossier=dossier, reason="no_vat")
    viewer = signed_in(firm, "viewer")
    for path in (PAGE, "/attention/"):
        assert 'name="entry"' not in viewer.get(path).content.decode()
    answer = viewer.post(f"{PAGE}hold/", {"entry": str(row.entry_id), "reason": "x"})
    assert answer.status_code == 403
    assert decisions() == [("", "")]


def test_entries_of_another_dossier_or_firm_are_not_found(client: Client, dossier: Dossier, firm: Firm) -> None:
    LedgerRowFactory(dossier=dossier)
    for other in (LedgerRowFactory(dossier=DossierFactory(firm=firm)), LedgerRowFactory()):
        answer = client.post(f"{PAGE}hold/", {"entry": str(other.entry_id), "reason": "x"})
        assert answer.status_code == 404
    assert {decision for decision, _text in decisions()} == {""}
    assert client.post(f"{PAGE}burn/", {"entry": "1"}).status_code == 404


@pytest.mark.parametrize(
    "month",
    [
        *("2026-13", "2026-00", "2026-1", "0000-01", "0001-01", "9999-12", "10000-01", "2026-11-01"),
        "x",
        "٢٠٢٦-11",
        "2026-W4",
    ],
)
def test_month_that_no_hour_can_lie_in_is_not_found(month: str) -> None:
    dossier = DossierFactory(key="bakery")
    browser = signed_in(dossier.firm)
    for page in ("", "export.csv", "export.xlsx"):
        assert browser.get(f"/dossiers/bakery/hours/{page}?month={month}").status_code == 404
