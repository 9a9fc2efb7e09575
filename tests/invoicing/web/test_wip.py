"""The pages of work in progress and realisation: where money lies, how old it is, who costs more than they pay."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from invoicing.models import Dossier, LedgerRow
from tests.factories import (
    NOW,
    ClaimFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
)
from tests.invoicing.web import many
from tests.visitors import browser_of, content_of, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def still(settings: Settings, clock: time_machine.Traveller) -> None:
    """Time stands still; without ``collectstatic`` there is no folder to serve from, and whitenoise would warn."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def worked(dossier: Dossier, ago: int, hours: int = 1, **fields: Any) -> LedgerRow:
    return LedgerRowFactory(dossier=dossier, started_at=NOW - timedelta(days=ago), duration=3600 * hours, **fields)


def exported(client: Client, path: str) -> list[dict[str, str]]:
    answer: Any = client.get(path)
    return list(csv.DictReader(io.StringIO(content_of(answer).decode("utf-8-sig"), newline="")))


def test_page_says_where_money_lies_and_how_old_it_is(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, 10, 2)
    worked(
        dossier,
        45,
        3,
        buyer_key="party:88002",
        buyer_name="Florist SRL",
        person_name="Wim Brandhof",
        entry__person_remote_id=302,
    )
    worked(dossier, 120, state="held", decision="held", decision_text="Wait")
    worked(dossier, 5, reason="no_vat", client_name="Somebody new")
    worked(dossier, 3, state="written_off", decision="written_off", decision_text="Never")
    client = signed_in(firm, "viewer")
    words = text(client, "/wip/")
    assert "€ 570.00 7.00 h" in words
    assert "up to 30 days € 190.00 33 %" in words
    assert "31 to 60 days € 285.00 50 %" in words
    assert "over 90 days € 95.00 16 %" in words
    assert "1 entry has no price" in words
    # the most first; who has no customer yet by the name in Toggl
    assert words.index("Florist SRL") < words.index("Garage Voorbeeld SRL") < words.index("Somebody new")
    assert "Florist SRL 31 to 60 days € 285.00 3.00 – € 285.00 – – € 285.00" in words
    assert "Total 7.00 € 190.00 € 285.00 € 0.00 € 95.00 € 570.00" in words
    assert "How long money is tied up is not known yet" in words


def test_page_by_person_and_narrowed(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, 10, 2)
    worked(
        dossier,
        45,
        3,
        buyer_key="party:88002",
        buyer_name="Florist SRL",
        person_name="Wim Brandhof",
        entry__person_remote_id=302,
    )
    other = DossierFactory(firm=firm, key="garage", name="Garage")
    worked(other, 1, product_reference="FIS", price=Decimal("120.00"))
    client = signed_in(firm)
    assert "An Example up to 30 days € 310.00 3.00 € 310.00 – – – € 310.00" in text(client, "/wip/?by=person")
    assert "FIS up to 30 days € 120.00 1.00 € 120.00" in text(client, "/wip/?by=product")
    assert "Bakery up to 30 days € 190.00 31 to 60 days € 285.00 5.00 € 190.00 € 285.00" in text(
        client, "/wip/?by=dossier"
    )
    assert "€ 285.00 3.00 h" in text(client, "/wip/?customer=florist")
    assert "€ 120.00 1.00 h" in text(client, "/wip/?dossier=garage")
    assert "€ 285.00 3.00 h" in text(client, "/wip/?person=WIM&product=ad")
    assert "No unbilled hour is as the filter says." in text(client, "/wip/?customer=nobody")
    # 45 days ago it was a day old
    assert "€ 285.00 3.00 h" in text(client, "/wip/?as_of=2026-10-07")
    for bad in ("as_of=2026-11-21", "as_of=2026-02-30", "as_of=x", "by=colour"):
        assert client.get(f"/wip/?{bad}").status_code == 404


def test_nothing_in_progress(firm: Firm, dossier: Dossier) -> None:
    words = text(signed_in(firm), "/wip/")
    assert "Nothing is in progress" in words
    assert "Every hour up to this day is billed" in words
    assert "Nothing is settled in these months" in text(signed_in(firm), "/realisation/")


def billed(dossier: Dossier, hours: int, total: str, **fields: Any) -> None:
    row = worked(dossier, 20, hours, state="drafted", **fields)
    about = {"customer_name": row.buyer_name, "buyer_key": row.buyer_key}
    invoice = InvoiceFactory(dossier=dossier, status="posted", with_line=False, **about)
    line = InvoiceLineFactory(
        invoice=invoice,
        quantity=hours,
        seconds=3600 * hours,
        unit_price=Decimal(total) / hours,
        total=Decimal(total),
        with_claim=False,
    )
    ClaimFactory(line=line, row=row, seconds=3600 * hours)
    LedgerRow.objects.filter(pk=row.pk).update(state="invoiced")


def test_realisation_shows_first_who_costs_more_than_they_pay(firm: Firm, dossier: Dossier) -> None:
    billed(dossier, 4, "380.00")
    billed(
        dossier,
        2,
        "100.00",
        buyer_key="party:88002",
        buyer_name="Florist SRL",
        person_name="Wim Brandhof",
        entry__person_remote_id=302,
    )
    worked(dossier, 30, state="written_off", decision="written_off", decision_text="Never")
    client = signed_in(firm, "viewer")
    words = text(client, "/realisation/")
    assert "72.2 % of the value is billed 2 customers cost more than they pay" in words
    assert "Florist SRL 2.00 € 190.00 € 100.00 − € 90.00 52.6 % € 50.00" in words
    assert "Garage Voorbeeld SRL 5.00 € 475.00 € 380.00 − € 95.00 80.0 % € 76.00" in words
    assert "Wim Brandhof 2.00 € 190.00 € 100.00 − € 90.00 52.6 % € 50.00" in words
    assert words.index("Garage Voorbeeld SRL") < words.index("Florist SRL")
    assert "Nothing is settled in these months" in text(client, "/realisation/?from=2026-01&till=2026-06")
    for bad in ("from=2026-11&till=2026-10", "from=x"):
        assert client.get(f"/realisation/?{bad}").status_code == 404
    found = exported(client, "/realisation/export.csv")
    assert [(row["Customer"], row["Person"], row["Difference"], row["Realisation in %"]) for row in found] == [
        ("Garage Voorbeeld SRL", "", "-95.00", "80.0"),
        ("Florist SRL", "", "-90.00", "52.6"),
        ("", "An Example", "-95.00", "80.0"),
        ("", "Wim Brandhof", "-90.00", "52.6"),
    ]


def test_file_of_work_in_progress_holds_what_the_page_shows(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, 10, 2)
    worked(
        dossier,
        45,
        3,
        buyer_key="party:88002",
        buyer_name="=HYPERLINK(1)",
        person_name="+Wim",
        entry__person_remote_id=302,
    )
    client = signed_in(firm, "viewer")
    found = exported(client, "/wip/export.csv")
    assert sorted((row["Customer"], row["Person"], row["Value excl. VAT"], row["31 to 60 days"]) for row in found) == [
        ("'=HYPERLINK(1)", "'+Wim", "285.00", "285.00"),
        ("Garage Voorbeeld SRL", "An Example", "190.00", "0.00"),
    ]
    (row,) = exported(client, "/wip/export.csv?as_of=2026-10-20")
    assert (row["As of"], row["Seconds"], row["up to 30 days"]) == ("2026-10-20", "10800", "285.00")


@pytest.mark.slow
def test_member_of_named_dossiers_sees_those_alone(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, 10, 2)
    hidden = DossierFactory(firm=firm, key="hidden", name="leakmark")
    theirs = DossierFactory(key="theirs", name="leakmark")
    for other in (hidden, theirs):
        worked(other, 10, 8, buyer_name="leakmark", person_name="leakmark")
        billed(other, 3, "10.00", buyer_name="leakmark", person_name="leakmark")
    row = MembershipFactory(firm=firm, role="viewer", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    client = browser_of(row.user, firm)
    assert "€ 190.00 2.00 h" in text(client, "/wip/")
    for path in ("/wip/", "/wip/?by=dossier", "/wip/?dossier=hidden", "/realisation/", "/realisation/?dossier=theirs"):
        assert "leakmark" not in text(client, path), path
    for path in ("/wip/export.csv", "/wip/export.csv?dossier=hidden", "/realisation/export.csv"):
        answer: Any = client.get(path)
        assert b"leakmark" not in content_of(answer), path


@pytest.mark.parametrize("path", ["/wip/", "/wip/?as_of=2026-11-01", "/realisation/", "/budgets/"])
def test_pages_take_no_more_queries_for_three_hundred_rows_than_for_one(path: str) -> None:
    firm = FirmFactory(slug="ours")
    rows = many.dossiers(firm, 3)
    client = signed_in(firm)

    def asked() -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    many.waiting(rows[:1], 1)
    billed(rows[0], 1, "50.00")
    few = asked()
    many.waiting(rows[1:], 150)
    for number in range(12):
        billed(rows[1], 1, "50.00", buyer_key=f"party:{90_000 + number}", buyer_name=f"Customer {number}")
    assert asked() == few <= 25
