"""Files of fee agreements: all columns of the onboarding file, judged beside what stands, all or nothing."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from invoicing.ledger.rule_events import terms_of
from invoicing.models import Agreement, Dossier
from tests.factories import (
    AgreementFactory,
    ClientFactory,
    DossierFactory,
    FeeLineFactory,
    FirmFactory,
    InvoiceFactory,
    PrepaidFactory,
    ProductFactory,
    ProjectFactory,
    enterprise_number,
)
from tests.invoicing.admin.uploads import XLSX, exported, imported, known, previewed, workbook
from tests.visitors import events, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
HEADING = ("dossier", "key", "client", "title", "from", "product", "amount")
NUMBER = enterprise_number(9)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    made = known(
        DossierFactory(firm=firm, key="bakery", name="Bakery", workspace__remote_id=4001, company__party_id=7001)
    )
    ClientFactory(workspace=made.workspace, remote_id=503, name="Client 503")
    ProjectFactory(workspace=made.workspace, remote_id=601)
    for reference in ("FORF", "a;b", 'say "hi"'):
        ProductFactory(company=made.company, reference=reference)
    return made


def line(*cells: Any) -> str:
    return ";".join("" if each is None else str(each) for each in cells)


def test_every_kind_comes_in_through_the_verb(firm: Firm, dossier: Dossier) -> None:
    rows = (
        (
            *("dossier", "key", "client", "vat", "title", "kind", "from", "until", "products", "projects", "product"),
            *("amount", "every", "in_advance", "included_hours", "extra_product", "part_periods", "plan", "settle_on"),
            *("hours", "price", "refill_at"),
        ),
        (
            *("bakery", "fee", 501, None, "Tenue", "fixed", date(2026, 1, 1), date(2026, 12, 31), "ADV", "601", "FORF"),
            *(250, "month", "yes", 5, "ADV", "days", None, None, None, None, None),
        ),
        (
            *("bakery", "advances", None, NUMBER, "Provisions", "Advance", "2026-01-01", None, None, None, "FORF"),
            *(None, None, None, None, None, None, "2026-02-01 250,00; 1/1/2026 1.250,00", "12-31", None, None, None),
        ),
        (
            *("bakery", "block", 502, None, "Heures", "prepaid", "2026-01-01", None, None, None, "ADV"),
            *(None, None, None, None, None, None, None, None, 20, 85.5, 4),
        ),
    )
    assert "3 new, 0 updated" in imported(staff(firm), Agreement, workbook(*rows), XLSX)
    made = {row.key: terms_of(row) for row in Agreement.objects.all()}
    assert made["fee"] | {"key": ""} == {
        "key": "",
        "title": "Tenue",
        "kind": "fixed",
        "client": 501,
        "vat": "",
        "from": "2026-01-01",
        "until": "2026-12-31",
        "products": ["ADV"],
        "projects": [601],
        "product": "FORF",
        "amount": "250.00",
        "every": "month",
        "in_advance": True,
        "included_hours": "5.00",
        "extra_product": "ADV",
        "part_periods": "days",
    }
    assert (made["advances"]["vat"], made["advances"]["settle_on"]) == (NUMBER, "12-31")
    assert made["advances"]["plan"] == [
        {"day": "2026-01-01", "amount": "1250.00"},
        {"day": "2026-02-01", "amount": "250.00"},
    ]
    assert (made["block"]["hours"], made["block"]["price"], made["block"]["refill_at"]) == ("20.00", "85.50", "4.00")
    assert [event[0] for event in events(firm)] == ["agreement_changed"] * 3


@pytest.mark.parametrize("language", ["en", "fr", "nl"])
@pytest.mark.parametrize("kind", ["0", XLSX])
def test_what_goes_out_comes_in_again_and_changes_nothing(
    kind: str, language: str, firm: Firm, dossier: Dossier
) -> None:
    AgreementFactory(
        dossier=dossier,
        client_remote_id=501,
        products=["a;b", 'say "hi"', "ADV"],
        included_hours=Decimal("2.5"),
        extra_product="ADV",
        budget_hours=Decimal("12.50"),
        end_date=date(2027, 2, 28),
    )
    AgreementFactory(dossier=dossier, client_remote_id=501, projects=[601], products=["FORF"], amount=0)
    AgreementFactory(
        dossier=dossier,
        kind="advance",
        client_remote_id=None,
        number=NUMBER,
        amount=0,
        plan=[{"day": "2026-09-01", "amount": "1250.00"}, {"day": "2026-10-01", "amount": "0.50"}],
        settle_on="12-31",
    )
    PrepaidFactory(dossier=dossier, client_remote_id=503, title="=1+1")
    before = [terms_of(row) for row in Agreement.objects.order_by("pk")]
    Firm.objects.update(language=language)
    browser = staff(firm)
    with translation.override(language):
        content = exported(browser, Agreement, kind)
        page = imported(browser, Agreement, content, kind)
    assert [part for part in ("4 unchanged", "4 inchangé", "4 ongewijzigd") if part in page], page[-3000:]
    assert [terms_of(row) for row in Agreement.objects.order_by("pk")] == before
    assert events(firm) == []


def test_a_column_that_the_file_does_not_have_stays_and_an_empty_cell_empties(firm: Firm, dossier: Dossier) -> None:
    row = AgreementFactory(
        dossier=dossier, client_remote_id=501, key="fee", products=["ADV"], end_date=date(2027, 1, 1)
    )
    assert "1 updated" in imported(staff(firm), Agreement, "key,until,amount\nfee,,300\n")
    row.refresh_from_db()
    assert (row.end_date, row.amount, row.products, row.client_remote_id) == (None, Decimal(300), ["ADV"], 501)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("bakery", "fee", 504, "Fee", "2026-01-01", "FORF", "250"), "no client 504 in Toggl"),
        (("bakery", "fee", 501, "Fee", "2026-01-01", "GONE", "250"), "no product “GONE” in Billit"),
        (("bakery", "fee", 501, "Fee", "2026-01-01", "FORF", ""), "must not be empty"),
        (("bakery", "fee", 501, "Fee", "", "FORF", "250"), "must not be empty"),
        (("bakery", "fee", 501, "Fee", "2026-01-01", "FORF", "1.500"), "can be read in two ways"),
        (("garage", "fee", 501, "Fee", "2026-01-01", "FORF", "250"), "no dossier “garage”"),
        (("bakery", "fee 1", 501, "Fee", "2026-01-01", "FORF", "250"), "use letters, digits"),
        (("bakery", "fee", "", "Fee", "2026-01-01", "FORF", "250"), "name the customer"),
        (("bakery", "elsewhere", 501, "Fee", "2026-01-01", "FORF", "250"), "is an agreement of dossier florist"),
        (("bakery", "fee", 502, "Fee", "2026-01-01", "FORF", "250"), "could cover the same hour"),
        (("bakery", "billed", 503, "Fee", "2026-01-01", "FORF", "250"), "stays 2026-09-01"),
    ],
)
def test_what_is_at_fault_is_said_at_its_cell_and_nothing_comes_in(
    cells: tuple[Any, ...], said: str, firm: Firm, dossier: Dossier
) -> None:
    AgreementFactory(dossier=DossierFactory(firm=firm, key="florist"), key="elsewhere")
    AgreementFactory(dossier=dossier, key="stands", client_remote_id=502)
    billed = AgreementFactory(dossier=dossier, key="billed", client_remote_id=503)
    FeeLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), agreement=billed)
    sound = line("bakery", "sound", 501, "Fee", "2026-01-01", "FORF", "250").replace(";", ",")
    page = imported_or_not(firm, f"{','.join(HEADING)}\n{sound}\n{line(*cells).replace(';', ',')}\n")
    assert said in page, page[-4000:]
    assert set(Agreement.objects.values_list("key", flat=True)) == {"elsewhere", "stands", "billed"}


def imported_or_not(firm: Firm, content: str) -> str:
    page = previewed(staff(firm), Agreement, content)
    assert "Confirm import" not in page
    return page


def test_columns_are_those_of_the_onboarding_file(firm: Firm, dossier: Dossier) -> None:
    AgreementFactory(dossier=dossier)
    (heading, _row) = csv.reader(io.StringIO(exported(staff(firm), Agreement).decode("utf-8-sig")))
    assert heading == [
        *("dossier", "key", "client", "vat", "title", "kind", "from", "until", "products", "projects", "product"),
        *("amount", "every", "in_advance", "included_hours", "extra_product", "part_periods", "plan", "settle_on"),
        *("hours", "price", "refill_at", "budget_hours", "budget_amount"),
    ]
