"""The hours of the firm: what each filter finds, sums that are those of the rows, and where each entry was billed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import Claim, Dossier, LedgerRow, SavedView
from invoicing.web.hours import sums
from tests.factories import (
    ClaimFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ProjectFactory,
    SavedViewFactory,
    TagMappingFactory,
)
from tests.visitors import alerts, browser_of, content_of, inputs, read_of, signed_in, words
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 5, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 20, 9, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def page(client: Client, query: str = "", path: str = "/hours/") -> str:
    answer = client.get(f"{path}?{query}" if query else path)
    assert answer.status_code == 200, query
    return words(answer.content)


def heading(client: Client, query: str = "") -> str:
    """What the heading says: hours, entries, euro."""
    found = re.search(r"<h1>(.*?)</h1>", client.get(f"/hours/?{query}").content.decode(), re.DOTALL)
    assert found
    return words(found[1].encode()).strip()


def downloaded(client: Client, query: str) -> list[dict[str, str]]:
    answer: Any = client.get(f"/hours/export.csv?{query}")
    return list(csv.DictReader(io.StringIO(content_of(answer).decode("utf-8-sig"), newline="")))


def names(client: Client, query: str) -> set[str]:
    """The descriptions found, on the page and in the file alike."""
    answer = client.get(f"/hours/?{query}")
    assert answer.status_code == 200, query
    shown = set(re.findall(r"<td class=\"what\">\s*(\w+)", answer.content.decode()))
    assert {row["Description"] for row in downloaded(client, query)} == shown
    return shown


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("month=", {"Return", "Call", "Travel", "Other"}),
        ("month=2026-11", {"Return", "Call", "Other"}),
        ("dossier=bakery", {"Return", "Call", "Travel"}),
        ("dossier=nothing", set()),
        ("state=held", {"Call"}),
        ("reason=no_vat", {"Travel"}),
        ("person=KIM", {"Return"}),
        ("client=garage", {"Return", "Call", "Other"}),
        ("customer=voorbeeld srl", {"Return", "Call", "Other"}),
        ("buyer=party:88009", {"Other"}),
        ("project=accou", {"Return"}),
        ("tag=reis", {"Travel"}),
        ("tag=rei", set()),
        ("tag=%22", set()),
        ("q=aLL", {"Call"}),
        ("q=77001", {"Return"}),
        ("q=%25", set()),
        ("person=kim&tag=adv&month=2026-11&state=open", {"Return"}),
        ("person=kim&tag=reis", set()),
        ("invoice=F-12", set()),
    ],
)
def test_filters_find_and_the_file_holds_the_same(query: str, found: set[str], firm: Firm, dossier: Dossier) -> None:
    project = ProjectFactory(workspace=dossier.workspace, name="Accounts")
    ours = {"dossier": dossier, "started_at": AT}
    LedgerRowFactory(
        **ours,
        description="Return",
        person_name="Kim Example",
        entry__project_remote_id=project.remote_id,
        entry__remote_id=77001,
    )
    LedgerRowFactory(**ours, description="Call", state="held", decision="held", decision_text="Wait")
    LedgerRowFactory(
        dossier=dossier, day=date(2026, 10, 2), description="Travel", reason="no_vat", tags=["Reis"], client_name="X"
    )
    beside = DossierFactory(firm=firm, key="garage", name="Beside")
    LedgerRowFactory(dossier=beside, started_at=AT, description="Other", buyer_key="party:88009")
    LedgerRowFactory(dossier=dossier, description="Gone", state="deleted")
    LedgerRowFactory(description="Theirs", started_at=AT)
    assert names(signed_in(firm, "viewer"), query) == found


def test_first_look_is_at_this_month_and_says_so(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, started_at=AT, description="Now")
    LedgerRowFactory(dossier=dossier, day=date(2026, 10, 2), description="Before")
    client = signed_in(firm)
    shown = page(client)
    assert "All dossiers · November 2026 All hours 1.00 h · 1 entry · € 95.00" in shown
    assert "/f/ours/hours/export.csv?month=2026-11" in client.get("/hours/").content.decode()


@pytest.mark.parametrize("query", ["state=lost", "reason=lost", "month=2026-13"])
def test_filter_that_cannot_be_is_not_found(query: str, firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    for path in ("/hours/", "/hours/export.csv", "/dossiers/bakery/hours/"):
        assert client.get(f"{path}?{query}").status_code == 404


def test_pages_hold_fifty_and_carry_the_filter_on(firm: Firm, dossier: Dossier) -> None:
    for _ in range(51):
        LedgerRowFactory(dossier=dossier, started_at=AT)
    LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="Wait")
    client = signed_in(firm)
    first = client.get("/hours/?month=2026-11&state=open").content.decode()
    assert first.count('<td class="when">') == 50
    assert 'href="?month=2026-11&amp;state=open&amp;page=2"' in first
    assert client.get("/hours/?month=2026-11&state=open&page=2").content.decode().count('<td class="when">') == 1
    assert len(downloaded(client, "month=2026-11&state=open")) == 51


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/hours/?month=", "/dossiers/bakery/hours/"])
def test_page_takes_at_most_25_queries_with_1_and_with_300_rows(path: str, firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    client.get(path)
    taken = []
    for rows in (1, 99):
        for number in range(rows):
            LedgerRowFactory(dossier=dossier, entry__project_remote_id=601)
            LedgerRowFactory(dossier=dossier, state="not_billable", tags=["Intern"])
            ClaimFactory(
                line=InvoiceFactory(dossier=dossier, status="posted", order_number=f"F-{rows}-{number}").lines.get()
            )
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        taken.append(len(queries))
    assert taken[0] <= taken[1] <= 25
    assert LedgerRow.objects.count() >= 300


# --- sums -------------------------------------------------------------------------------------------------------------


def test_sums_are_those_of_the_rows_to_the_cent(firm: Firm, dossier: Dossier) -> None:
    """A thousandth of a cent left over on each of them would make another total."""
    for seconds, price in [(18, "0.99"), (18, "1.00"), (18, "3.00"), (5712, "85.125"), (1, "95.00"), (900, None)]:
        LedgerRowFactory(
            dossier=dossier, started_at=AT, duration=seconds, price=None if price is None else Decimal(price)
        )
    client = signed_in(firm)
    found = downloaded(client, "month=2026-11")
    values = [row["Value excl. VAT"] for row in found]
    assert sorted(values) == ["", "0.00", "0.01", "0.02", "0.03", "135.07"]
    assert sum(Decimal(value) for value in values if value) == Decimal("135.13")
    assert heading(client, "month=2026-11") == "All hours 1.85 h · 6 entries · € 135.13"
    assert "1 entry has no price: it counts in the hours and not in the amount." in page(client, "month=2026-11")


def test_what_nobody_is_to_pay_for_has_no_value(firm: Firm, dossier: Dossier) -> None:
    for state in ("running", "not_billable", "open"):
        LedgerRowFactory(dossier=dossier, started_at=AT, state=state)
    client = signed_in(firm)
    assert [row["Value excl. VAT"] for row in downloaded(client, "month=2026-11")] == ["95.00", "", ""]
    assert heading(client, "month=2026-11") == "All hours 3.00 h · 3 entries · € 95.00"
    assert "no price" not in page(client, "month=2026-11")


def test_sums_stand_by_state(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, started_at=AT)
    LedgerRowFactory(dossier=dossier, started_at=AT, duration=5400, price=Decimal("80.00"))
    LedgerRowFactory(dossier=dossier, started_at=AT, duration=1800, state="held", decision="held", decision_text="W")
    found = sums.by_state(LedgerRow.objects.all())
    assert [(state, each.entries, each.seconds, each.value) for state, each in found] == [
        ("open", 2, 9000, Decimal("215.00")),
        ("held", 1, 1800, Decimal("47.50")),
    ]
    assert "Open 2.50 h € 215.00 Held 0.50 h € 47.50" in page(signed_in(firm), "month=2026-11")


# --- where it was billed, or why not ----------------------------------------------------------------------------------


def test_row_says_on_which_line_of_which_invoice_it_stands(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="posted", order_number="F-12")
    line = InvoiceLineFactory(invoice=invoice, with_claim=False)
    row = LedgerRowFactory(dossier=dossier, state="invoiced", started_at=AT, duration=7200, description="Billed")
    claim = ClaimFactory(line=line, seconds=7200, row=row)
    client = signed_in(firm, "viewer")
    assert line.position == 2
    shown = client.get("/hours/?q=Billed&month=").content.decode()
    assert f'href="/f/ours/invoices/{invoice.reference}/#line-2"' in shown
    assert "invoiced F-12, line 2" in words(shown.encode())
    assert 'id="line-2"' in client.get(f"/invoices/{invoice.reference}/").content.decode()
    (found,) = downloaded(client, "q=Billed")
    assert (found["Invoice"], found["Line"], found["Reason"], found["Toggl entry"]) == (
        "F-12",
        "2",
        "",
        str(claim.entry.remote_id),
    )
    for name in ("f-12", invoice.reference, invoice.reference[:11], invoice.reference.removeprefix("tb-")[:8]):
        assert {each["Toggl entry"] for each in downloaded(client, f"invoice={name}&month=")} == {
            str(entry) for entry in Claim.objects.values_list("entry__remote_id", flat=True)
        }


def test_row_of_a_dropped_draft_is_on_no_invoice(firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, status="void")
    (row,) = downloaded(signed_in(firm), "month=")
    assert (row["Invoice"], row["State"], row["Reason"]) == ("", "open", "waits for the next draft")


@pytest.mark.parametrize(
    ("fields", "rules", "why"),
    [
        ({"state": "open"}, {}, "waits for the next draft"),
        ({"state": "running"}, {}, "the timer still runs in Toggl"),
        ({"state": "not_billable", "duration": 0}, {}, "it has no time: 0 seconds"),
        ({"state": "not_billable", "tags": ["ADV", "Intern"]}, {}, "the tag “Intern” is mapped to “do not bill”"),
        (
            {"state": "not_billable"},
            {"billable": "flagged"},
            "Toggl’s billable flag is off, and the dossier bills flagged entries only",
        ),
        ({"state": "not_billable"}, {}, "a rule changed; it is judged anew in a moment"),
        ({"reason": "no_vat"}, {}, "Client without a number"),
        ({"state": "held", "decision": "held", "decision_text": "Wait for May"}, {}, "Wait for May"),
        ({"state": "written_off", "decision": "written_off", "decision_text": "A gift"}, {}, "A gift"),
        ({"state": "deleted"}, {}, "deleted in Toggl"),
    ],
)
def test_row_says_why_it_was_not_billed(
    fields: dict[str, Any], rules: dict[str, Any], why: str, firm: Firm, dossier: Dossier
) -> None:
    Dossier.objects.filter(pk=dossier.pk).update(**rules)
    TagMappingFactory(dossier=dossier, tag="Intern", bill=False)
    row = LedgerRowFactory(dossier=dossier, started_at=AT, **fields)
    client = signed_in(firm)
    query = f"month=&state={row.state}"
    assert why in page(client, query)
    assert [found["Reason"] for found in downloaded(client, query)] == [why]


def test_attention_says_what_to_do_beside_the_row(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, started_at=AT, reason="no_vat")
    assert "Write the VAT or enterprise number behind the client's name in Toggl" in page(signed_in(firm))


# --- fences -----------------------------------------------------------------------------------------------------------


def test_restricted_member_finds_the_hours_of_the_named_dossiers_only(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, started_at=AT, description="Mine")
    hidden = DossierFactory(firm=firm, key="hidden", name="leakmark")
    entry = LedgerRowFactory(dossier=hidden, started_at=AT, description="leakmark")
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    client = browser_of(row.user, firm)
    for query in ("", "month=", "q=leakmark&month=", "dossier=hidden&month="):
        assert "leakmark" not in page(client, query).replace("q=leakmark", "").replace(" leakmark ", " "), query
    assert [found["Description"] for found in downloaded(client, "month=")] == ["Mine"]
    assert downloaded(client, "dossier=hidden&month=") == []
    answer = client.post("/hours/hold/", {"entry": str(entry.entry_id), "reason": "x", "read": read_of(entry)})
    assert answer.status_code == 404


def test_entries_of_several_dossiers_are_held_at_once(firm: Firm, dossier: Dossier) -> None:
    rows = [
        LedgerRowFactory(dossier=dossier, started_at=AT),
        LedgerRowFactory(dossier=DossierFactory(firm=firm), started_at=AT),
    ]
    client = signed_in(firm, "bookkeeper")
    shown = client.get("/hours/").content.decode()
    assert sorted(inputs(shown, "entry")) == sorted(str(row.entry_id) for row in rows)
    fields = {"entry": [str(row.entry_id) for row in rows], "read": read_of(*rows), "reason": "Wait"}
    answer = client.post("/hours/hold/", fields | {"next": "/f/ours/hours/?month=2026-11"}, follow=True)
    assert alerts(answer.content.decode()) == "success: 2 entries are held: no run bills them."
    assert answer.redirect_chain == [("/f/ours/hours/?month=2026-11", 302)]
    assert set(LedgerRow.objects.values_list("decision", "decision_text")) == {("held", "Wait")}


# --- saved views ------------------------------------------------------------------------------------------------------


def test_view_is_saved_opened_replaced_and_removed(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm, "viewer")
    asked = "month=2026-10&state=open&tag=Caf%C3%A9+%26+co"
    sent = {"name": " October ", "query": asked}
    answer = client.post("/hours/views/", sent, follow=True)
    assert alerts(answer.content.decode()) == "success: The view “October” is saved: it stands above the hours."
    assert f'href="/f/ours/hours/?{asked.replace("&", "&amp;")}"' in answer.content.decode()
    client.post("/hours/views/", {"name": "October", "query": "state=held"}, follow=True)
    assert list(SavedView.objects.values_list("name", "query", "firm__slug")) == [("October", "state=held", "ours")]
    answer = client.post(f"/hours/views/{SavedView.objects.get().pk}/remove/", follow=True)
    assert alerts(answer.content.decode()) == "success: The view “October” is removed."
    assert not SavedView.objects.exists()


def test_view_of_all_months_opens_all_months(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, started_at=datetime(2026, 9, 3, 9, tzinfo=UTC), description="Long ago")
    client = signed_in(firm)
    answer = client.post("/hours/views/", {"name": "All", "query": ""}, follow=True)
    assert "Long ago" in words(answer.content)
    assert SavedView.objects.get().query == "month="
    # So does one that was saved before.
    SavedView.objects.update(query="")
    shown = client.get("/hours/").content.decode()
    assert "Long ago" not in shown
    views = shown.partition('<div class="views">')[2].partition("</div>")[0]
    assert 'href="/f/ours/hours/?month="' in views


def test_print_says_which_rows_it_has(firm: Firm, dossier: Dossier) -> None:
    for _ in range(51):
        LedgerRowFactory(dossier=dossier)
    client = signed_in(firm)
    assert "Rows 1 to 50 of 51" in words(client.get("/hours/").content)
    assert "Rows 51 to 51 of 51" in words(client.get("/hours/?page=2").content)


def test_view_keeps_filters_and_nothing_else(firm: Firm) -> None:
    client = signed_in(firm)
    client.post("/hours/views/", {"name": "All", "query": "page=7&next=https://evil.example/&person=Kim"})
    assert SavedView.objects.get().query == "person=Kim"
    assert client.post("/hours/views/", {"name": "Bad", "query": "state=lost"}).status_code == 404
    for name in ("", " ", "x" * 61):
        answer = client.post("/hours/views/", {"name": name, "query": ""}, follow=True)
        assert "Nothing was saved: give the view a name" in alerts(answer.content.decode())
    assert SavedView.objects.count() == 1


def test_views_are_those_of_one_member_in_one_firm(firm: Firm) -> None:
    other = SavedViewFactory(membership__firm=firm, name="leakmark")
    client = signed_in(firm)
    assert "leakmark" not in page(client)
    assert client.post(f"/hours/views/{other.pk}/remove/").status_code == 404
    assert SavedView.objects.filter(pk=other.pk).exists()


def test_a_member_has_thirty_views_at_the_most(firm: Firm) -> None:
    member = MembershipFactory(firm=firm)
    for _ in range(30):
        SavedViewFactory(membership=member)
    client = browser_of(member.user, firm)
    answer = client.post("/hours/views/", {"name": "More", "query": ""}, follow=True)
    assert alerts(answer.content.decode()) == "danger: Nothing was saved: 30 views are the most. Remove one first."
    assert SavedView.objects.count() == 30
