"""What a cell says, and an empty one, and a column that is not there."""

from __future__ import annotations

import pytest

from invoicing.models import ClientMapping, Dossier, TagMapping
from tests.factories import (
    ClientMappingFactory,
    DossierFactory,
    FirmFactory,
    TagMappingFactory,
    WorkspaceFactory,
)
from tests.invoicing.admin.uploads import CSV, XLSX, exported, imported, known, previewed
from tests.visitors import events, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return known(
        DossierFactory(firm=firm, key="bakery", name="Bakery", workspace__remote_id=4001, company__party_id=7001)
    )


def test_a_column_that_the_file_does_not_have_stays_and_an_empty_cell_empties(firm: Firm, dossier: Dossier) -> None:
    ClientMappingFactory(
        dossier=dossier, client_remote_id=501, purchase_order="PO-7", buyer_reference="Dept. 7", treatment="domestic"
    )
    TagMappingFactory(dossier=dossier, tag="Advies", product_reference="ADV", priority=7)
    Dossier.objects.update(payment_days=14, mode="post", auto_limit="500.00", email_allowed=True)
    browser = staff(firm)
    assert "1 updated" in imported(browser, ClientMapping, "dossier,client,po\nbakery,501,\n")
    row = ClientMapping.objects.get()
    assert (row.purchase_order, row.buyer_reference, row.treatment, row.number != "") == (
        "",
        "Dept. 7",
        "domestic",
        True,
    )
    assert "1 updated" in imported(browser, TagMapping, "dossier,tag,product\nbakery,advies,FIS\n")
    assert TagMapping.objects.values_list("product_reference", "priority").get() == ("FIS", 7)
    content = "key,workspace,company,start,mode,auto_limit\nbakery,4001,7001,2026-09-01,,\n"
    assert "1 updated" in imported(browser, Dossier, content)
    dossier.refresh_from_db()
    assert (dossier.name, dossier.payment_days, dossier.email_allowed) == ("Bakery", 14, True)
    assert (dossier.mode, dossier.auto_limit) == ("review", None)


def test_an_empty_number_takes_away_what_was_read_in_the_name(firm: Firm, dossier: Dossier) -> None:
    ClientMappingFactory(dossier=dossier, client_remote_id=501, is_proposed=True)
    assert "1 updated" in imported(staff(firm), ClientMapping, "dossier,client,vat\nbakery,501,\n")
    assert ClientMapping.objects.values_list("number", "is_proposed").get() == ("", False)


def test_a_number_read_in_the_name_that_comes_back_is_not_stated(firm: Firm, dossier: Dossier) -> None:
    row = ClientMappingFactory(dossier=dossier, client_remote_id=501, is_proposed=True)
    content = f"dossier,client,vat,po\nbakery,501,{row.number},PO-7\n"
    assert "1 updated" in imported(staff(firm), ClientMapping, content)
    before, row = row.number, ClientMapping.objects.get()
    assert (row.number, row.is_proposed, row.purchase_order) == (before, True, "PO-7")


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("auto_limit", "1_000", "“1_000” is not an amount"),
        ("auto_limit", "1.500", "cell E2: “1.500” can be read in two ways: write it with its cents"),
        ("auto_limit", "12.500", "“12.500” can be read in two ways"),
        ("auto_limit", "1.500.00", "“1.500.00” is not an amount"),
        ("auto_limit", "1.50.000", "“1.50.000” is not an amount"),
        ("auto_limit", "5000.005", "“5000.005” is not an amount"),
        ("auto_limit", "1e3", "“1e3” is not an amount"),
        ("auto_limit", "٣", "“٣” is not an amount"),
        ("payment_days", "1_0", "“1_0” is not a whole number."),
        ("payment_days", "٣", "“٣” is not a whole number."),
        ("payment_days", "366", "“366” is out of range; use a whole number from 0 to 365."),
        ("start", "٢٠٢٦-09-01", "is not a day"),
        ("start", "2026-02-30", "“2026-02-30” is not a day"),
        ("email_allowed", "perhaps", "“perhaps” is neither yes nor no."),
        ("four_eyes", "perhaps", "“perhaps” is neither yes nor no."),
        ("deviation", "1001", "“1001” is out of range; use a whole number from 0 to 1000."),
        ("workspace", "9223372036854775808", "is out of range; use a whole number from 1 on."),
        ("clients", "501 501", "needs ids, each once"),
        ("name", "a\tb", "holds control characters"),
    ],
)
def test_a_cell_that_could_be_read_in_another_way_is_a_fault(
    column: str, cell: str, sentence: str, firm: Firm, dossier: Dossier
) -> None:
    cells = {"key": "bakery", "workspace": "4001", "company": "7001", "start": "2026-09-01"} | {column: cell}
    page = previewed(staff(firm), Dossier, f"{','.join(cells)}\n{','.join(cells.values())}\n")
    assert sentence in page
    assert "Confirm import" not in page


def test_a_number_read_in_the_name_is_kept_by_a_row_without_a_customer(firm: Firm, dossier: Dossier) -> None:
    row = ClientMappingFactory(dossier=dossier, client_remote_id=501, is_proposed=True)
    imported(staff(firm), ClientMapping, "dossier,client,po\nbakery,501,PO-7\n")
    before, row = row.number, ClientMapping.objects.get()
    assert (row.number, row.is_proposed, row.purchase_order) == (before, True, "PO-7")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_what_goes_out_comes_in_again_and_changes_nothing(kind: str, firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="=1+1", product_reference="@x", priority=-5)
    TagMappingFactory(dossier=dossier, tag="plain", bill=False)
    ClientMappingFactory(dossier=dossier, purchase_order="+32 2", buyer_reference="-")
    browser = staff(firm)
    for model in (TagMapping, ClientMapping, Dossier):
        page = imported(browser, model, exported(browser, model, kind), kind)
        assert "0 new, 0 updated" in page
    assert events(firm) == []


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("1500", "1500.00"),
        ('"1500,00"', "1500.00"),
        ("1500.00", "1500.00"),
        ('"1.500,00"', "1500.00"),
        ('"1,500.00"', "1500.00"),
        ('"1 500,00"', "1500.00"),
        ('"1\u202f500,5"', "1500.50"),
        ('"1\u00a0500,00 €"', "1500.00"),
        ("€ 1500", "1500.00"),
        ("EUR 1 500", "1500.00"),
        ("1.500.000", "1500000.00"),
        ('"12.345.678,90"', "12345678.90"),
        ('"0,5"', "0.50"),
    ],
)
def test_an_amount_is_read_as_people_write_it(cell: str, amount: str, firm: Firm, dossier: Dossier) -> None:
    assert "1 updated" in imported(staff(firm), Dossier, f"key,auto_limit\nbakery,{cell}\n")
    dossier.refresh_from_db()
    assert str(dossier.auto_limit) == amount


@pytest.mark.parametrize("cell", ["2026-09-01", "01/09/2026", "1/9/2026", "1-09-2026", "1.9.2026"])
def test_a_day_is_read_as_people_write_it(cell: str, firm: Firm, dossier: Dossier) -> None:
    WorkspaceFactory(firm=firm, remote_id=4002)
    content = f"key,workspace,company,start\nshop,4002,7001,{cell}\n"
    assert "1 new" in imported(staff(firm), Dossier, content)
    assert str(Dossier.objects.get(key="shop").start_date) == "2026-09-01"
