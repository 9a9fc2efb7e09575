"""The first page says what is true: counts that lead to just what they count, and what to look at first."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from integrations.models import Connection, Workspace
from invoicing.models import Dossier
from tests.factories import (
    NOW,
    AgreementFactory,
    AttemptFactory,
    ClientFactory,
    DossierFactory,
    FeeLineFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    ProjectFactory,
)
from tests.visitors import signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def heading(client: Client) -> str:
    """What the first page says first."""
    page = client.get("/").content.decode()
    return " ".join(page.partition("<h1>")[2].partition("</h1>")[0].split())


def counts(client: Client) -> dict[str, tuple[str, str]]:
    """By its label each count of the first page, and where it leads."""
    page = client.get("/").content.decode().partition('<nav class="headlines"')[2].partition("</nav>")[0]
    found = {}
    for each in page.split("<a ")[1:]:
        href = each.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
        count, label = (part.partition("</span>")[0] for part in each.split("<span")[1:3])
        found[label.lstrip(">")] = (count.partition(">")[2], href)
    return found


def test_every_hour_is_billed_only_where_it_is(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    assert heading(client) == "Every hour is billed"
    invoice = InvoiceFactory(dossier=dossier, status="posted", delivery="delivered")
    assert heading(client) == "Every hour is billed"
    unsent = InvoiceFactory(dossier=dossier, status="posted")
    assert heading(client) == "Every hour is in Billit; 1 invoice is not sent"
    LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="Wait")
    assert heading(client) == "Every hour is billed but those that are held"
    LedgerRowFactory(dossier=dossier)
    assert heading(client) == "Nothing needs you; the open hours wait for their next run"
    InvoiceFactory(dossier=dossier, status="approved")
    assert heading(client) == "1 invoice to post stands between you and finished books"
    Workspace.objects.update(synced_at=None)
    assert heading(client) == (
        "1 dossier that was not read yet and 1 invoice to post stand between you and finished books"
    )
    assert invoice.pk != unsent.pk


@time_machine.travel(NOW, tick=False)
def test_hours_that_an_agreement_bills_later_are_named(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    fee, provisions = AgreementFactory(dossier=dossier), AgreementFactory(dossier=dossier, kind="advance")
    row = LedgerRowFactory(dossier=dossier, state="covered", agreement=fee)
    assert heading(client) == "Every hour is billed but those whose fee is not billed yet"
    LedgerRowFactory(dossier=dossier, state="on_account", agreement=provisions)
    assert heading(client) == (
        "Every hour is billed but those on account until their settlement and those whose fee is not billed yet"
    )
    posted = InvoiceFactory(dossier=dossier, status="posted", delivery="delivered")
    FeeLineFactory(invoice=posted, agreement=fee, period=row.day.replace(day=1))
    assert heading(client) == "Every hour is billed but those on account until their settlement"
    Connection.objects.filter(pk=dossier.workspace.connection_id).update(paused_at=NOW)
    assert heading(client) == "1 connection that does not work stands between you and finished books"


def test_each_count_leads_to_just_what_it_counts(firm: Firm, dossier: Dossier) -> None:
    made: list[dict[str, Any]] = [
        {"status": "draft"},
        {"status": "approved"},
        {"status": "approved"},
        {"status": "refused"},
        {"status": "posted"},
        {"status": "posted", "delivery": "sent"},
        {"status": "posted", "delivery": "delivered"},
        {"status": "posted", "delivery": "refused"},
    ]
    for fields in made:
        InvoiceFactory(dossier=dossier, **fields)
    LedgerRowFactory(dossier=dossier, reason="no_vat")
    LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="Wait")
    DossierFactory(firm=firm, name="Unread", workspace__synced_at=None)
    client = signed_in(firm)
    assert counts(client) == {
        "not read yet": ("1", "/f/ours/?show=unread"),
        "to decide": ("1", "/f/ours/attention/"),
        "held": ("1", "/f/ours/hours/?state=held"),
        "drafts": ("1", "/f/ours/invoices/?status=draft"),
        "approved, not posted": ("2", "/f/ours/invoices/?status=approved"),
        "refused by Billit": ("1", "/f/ours/invoices/?status=refused"),
        "posted, not sent": ("1", "/f/ours/invoices/?status=posted&delivery=not_sent"),
        "sent, not delivered": ("1", "/f/ours/invoices/?status=posted&delivery=sent"),
        "refused by the receiver": ("1", "/f/ours/invoices/?status=posted&delivery=refused"),
    }
    for count, href in counts(client).values():
        assert client.get(href).status_code == 200, (count, href)
    unread = client.get("/?show=unread").content.decode()
    assert ">Unread</a>" in unread
    assert ">Bakery</a>" not in unread


def test_broken_connections_stand_first_and_lead_to_where_they_are_mended(firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, status="approved")
    Connection.objects.filter(pk=dossier.company.connection_id).update(
        key="ours", failure="credentials", failure_code="credential_refused"
    )
    owner = signed_in(firm).get("/").content.decode()
    assert 'href="/f/ours/connections/billit/ours/"' in owner
    assert owner.index("The connection Billit “ours” does not work") < owner.index("approved, not posted")
    assert "1 dossier · 1 invoice to post" in owner
    bookkeeper = signed_in(firm, "bookkeeper").get("/").content.decode()
    assert "/connections/billit/ours/" not in bookkeeper
    assert 'class="alert alert-danger alert-link-all" role="alert" href="/f/ours/dossiers/bakery/"' in bookkeeper


def test_dossiers_are_found_by_a_part_of_their_name(firm: Firm, dossier: Dossier) -> None:
    DossierFactory(firm=firm, name="Garage")
    client = signed_in(firm)
    page = client.get("/?q=BAK").content.decode()
    assert ">Bakery</a>" in page
    assert ">Garage</a>" not in page
    assert "No such dossier." in text(client, "/?q=nothing")
    assert client.get("/?show=lost").status_code == 404


def hours_of(dossier: Dossier, client: int, name: str, *ago: int, **row: Any) -> None:
    """An hour for a client of Toggl so many days ago, each; the client and its project are mirrored."""
    ClientFactory(workspace=dossier.workspace, remote_id=client, name=name)
    ProjectFactory(workspace=dossier.workspace, remote_id=client + 1000, client_remote_id=client)
    for days in ago:
        of = {"entry__project_remote_id": client + 1000, "client_name": name, "started_at": NOW - timedelta(days=days)}
        LedgerRowFactory(dossier=dossier, **of | row)


def signs(firm: Firm) -> dict[str, str]:
    """By its title each sign of the radar, and where it leads."""
    with time_machine.travel(NOW, tick=False):
        page = signed_in(firm).get("/").content.decode()
    found = re.findall(r'<span class="status-dot[^>]*></span>\s*<a href="([^"]*)">([^<]*)</a>', page)
    return {title.strip().replace("\xa0", " "): html.unescape(href).removeprefix("/f/ours") for href, title in found}


def shown_at(firm: Firm, href: str) -> int:
    """How many rows the page has that a sign leads to."""
    with time_machine.travel(NOW, tick=False):
        answer = signed_in(firm).get(f"/f/ours{href}")
    assert answer.status_code == 200
    return len(answer.context["page"].object_list)


def test_radar_shows_what_is_missed_and_leads_to_just_that(firm: Firm, dossier: Dossier) -> None:
    # Friday 20 November 2026, 10:00 in Brussels.
    timer = LedgerRowFactory(
        dossier=dossier, state="running", started_at=NOW - timedelta(hours=19), duration=0, description="Site visit"
    )
    LedgerRowFactory(dossier=dossier, state="running", started_at=NOW - timedelta(hours=2), duration=0)
    hours_of(dossier, 501, "Imprimerie", 20, 50, 81, person_name="Bo", duration=7200)
    hours_of(dossier, 502, "Fresh", 2, tags=["New"])
    found = signs(firm)
    assert (
        found["A timer runs for 19 hours in Bakery"]
        == f"/dossiers/bakery/hours/?state=running&q={timer.entry.remote_id}"
    )
    assert found["1 entry of more than 60 days ago is not billed"] == "/hours/?unbilled=1&until=2026-09-20"
    assert found["Fresh is a new client"] == "/dossiers/bakery/hours/?client_id=502"
    assert found["New is a new tag"] == "/dossiers/bakery/hours/?tag=New"
    assert {title: shown_at(firm, href) for title, href in found.items()} == dict.fromkeys(found, 1)


def test_radar_misses_a_client_and_a_person_with_habits(firm: Firm, dossier: Dossier) -> None:
    # A second one of the same name is another client.
    hours_of(dossier, 501, "Imprimerie", 28, 33, 66, 93)
    hours_of(dossier, 503, "Imprimerie", 1, entry__person_remote_id=302, person_name="Bo")
    for weeks in range(1, 5):
        LedgerRowFactory(dossier=dossier, started_at=NOW - timedelta(weeks=weeks), person_name="An Example")
    found = signs(firm)
    assert found["Imprimerie has no hours this month"] == "/dossiers/bakery/hours/?client_id=501"
    assert found["An Example has no hours this week"] == "/hours/?person_id=301"
    assert shown_at(firm, found["Imprimerie has no hours this month"]) == 4
    with time_machine.travel(NOW, tick=False):
        words = text(signed_in(firm), "/")
    assert "An Example has no hours this week usually 1.25 h a week" in words
    assert "Imprimerie has no hours this month usually 1.33 h a month · Bakery" in words


def test_radar_does_not_forget_a_client_at_the_turn_of_a_month(firm: Firm, dossier: Dossier) -> None:
    hours_of(dossier, 501, "Imprimerie", 51, 100, 140)  # 30 September, 12 August, 3 July
    hours_of(dossier, 502, "Other", 1, 29, 51, 100, 140)  # and 22 October, 19 November
    with time_machine.travel("2026-10-31T09:00:00+00:00", tick=False):
        assert "Imprimerie has no hours this month" in text(signed_in(firm), "/")
    for day in (1, 2, 3, 30):
        with time_machine.travel(f"2026-11-{day:02}T09:00:00+00:00", tick=False):
            assert "Imprimerie has no hours since 30 Sep 2026" in text(signed_in(firm), "/")
    with time_machine.travel("2026-12-01T09:00:00+00:00", tick=False):
        assert "Imprimerie" not in text(signed_in(firm), "/")


def test_radar_tells_of_what_billit_sent_by_itself(firm: Firm, dossier: Dossier) -> None:
    sent = {"status": "posted", "delivery": "sent", "order_date": date(2026, 11, 18), "posted_at": NOW}
    for number in range(2):
        InvoiceFactory(dossier=dossier, order_id=4001 + number, **sent)
    ours = InvoiceFactory(dossier=dossier, order_id=4003, **sent)
    AttemptFactory(invoice=ours, intent="send")
    InvoiceFactory(dossier=dossier, order_id=4004, **sent | {"order_date": date(2026, 10, 20)})
    found = signs(firm)
    href = found["2 invoices of Bakery were sent in Billit, not by toggbill"]
    assert href == "/invoices/?dossier=bakery&sent=elsewhere&since=2026-10-21"
    assert shown_at(firm, href) == 2


def test_restricted_member_is_shown_nothing_of_other_dossiers(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, state="running", started_at=NOW - timedelta(hours=19), duration=0)
    client = signed_in(firm, "bookkeeper")
    membership = firm.memberships.get()
    membership.is_restricted = True
    membership.save()
    with time_machine.travel(NOW, tick=False):
        assert "A timer runs" not in text(client, "/")
