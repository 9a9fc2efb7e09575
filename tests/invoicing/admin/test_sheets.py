"""Files of mappings and dossiers in the admin: a preview, errors per row, all or nothing, behind the firm's fence."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from integrations.models import Company, Entry, Workspace
from invoicing.dossiers.files import reading
from invoicing.dossiers.sheets.agreements import AgreementSheet
from invoicing.dossiers.sheets.mappings import ClientSheet, DossierSheet, TagSheet
from invoicing.models import Agreement, ClientMapping, Dossier, TagMapping
from tests.factories import (
    CompanyFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
    TagMappingFactory,
    WorkspaceFactory,
    enterprise_number,
)
from tests.invoicing.admin.uploads import XLSX, confirmed, exported, imported, known, previewed, workbook
from tests.visitors import Tab, address, events, staff, superuser
from toggbill.firms.models import Firm, User
from toggbill.firms.requests.addresses import MADE_FOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return known(
        DossierFactory(firm=firm, key="bakery", name="Bakery", workspace__remote_id=4001, company__party_id=7001)
    )


def test_a_preview_writes_nothing_and_shows_what_would_come(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="Old", product_reference="ADV")
    TagMappingFactory(dossier=dossier, tag="Same", product_reference="ADV")
    content = "dossier,tag,bill,product,priority\nbakery,New,yes,CPT,5\nbakery,old,,FIS,\nbakery,Same,yes,ADV,\n"
    page = previewed(staff(firm), TagMapping, content)
    assert re.findall(r'<tr class="(\w+)">', page) == ["new", "update", "skip"]
    assert "<del>ADV</del> <ins>FIS</ins>" in page
    assert (TagMapping.objects.count(), events(firm)) == (2, [])


def test_tag_mappings_come_in_through_the_verb(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, tags=["Advies"])
    browser = staff(firm)
    page = imported(
        browser, TagMapping, "dossier;tag;bill;product;priority\nbakery;Advies;oui;ADV;10\nbakery;intern;non;;\n"
    )
    assert "2 new, 0 updated" in page
    assert list(
        TagMapping.objects.order_by("pk").values_list("firm", "tag", "bill", "product_reference", "priority")
    ) == [
        (firm.pk, "Advies", True, "ADV", 10),
        (firm.pk, "intern", False, "", None),
    ]
    assert [(kind, data["new"]["tag"]) for kind, _subject, data in events(firm)] == [
        ("mapping_changed", "Advies"),
        ("mapping_changed", "intern"),
    ]
    assert Entry.objects.get().marked_at is not None


def test_the_same_file_again_changes_nothing(firm: Firm, dossier: Dossier) -> None:
    content = "dossier,tag,product\nbakery,Advies,ADV\n"
    browser = staff(firm)
    imported(browser, TagMapping, content)
    before = events(firm)
    assert "0 new, 0 updated, 1 unchanged" in imported(browser, TagMapping, content)
    assert events(firm) == before


def test_every_fault_stands_at_its_row_and_column_and_nothing_comes_in(firm: Firm, dossier: Dossier) -> None:
    DossierFactory(key="theirs")
    content = (
        "dossier,tag,bill,product,priority\n"
        "bakery,Good,yes,ADV,1\n"
        "theirs,Tag,yes,ADV,\n"
        "bakery,,maybe,,x\n"
        "bakery,good,no,ADV,\n"
    )
    page = previewed(staff(firm), TagMapping, content)
    for sentence in (
        "the firm has no dossier “theirs”.",
        "must not be empty.",
        "“maybe” is neither yes nor no.",
        "“x” is not a whole number.",
        "a tag that is not billed leads to no product",
        "stands in this file twice.",
    ):
        assert sentence in page
    assert re.findall(r"<td>(\d+)</td>\s*<td class=.errors", page) == ["3", "4", "5"]
    assert "Confirm import" not in page
    assert not TagMapping.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("dossier,tag,product\n", "“file.csv”: The file has no row below its heading"),
        ("dossier,product\nbakery,ADV\n", "The file has no column tag."),
        (
            "dossier,tag,colour\nbakery,x,red\n",
            "Unknown columns: colour (C). Known: dossier, tag, person, bill it (bill), product,",
        ),
        ("dossier,tag,tag\nbakery,x,y\n", "A column stands there twice: tag."),
        ("dossier,tag\n" + "bakery,x\n" * 5001, "The file has more than 5000 rows, empty ones included: split it"),
        ("dossier,tag\nbakery,x,y\n", "Row 2 has more cells than the heading"),
        ("dossier,tag\nbakery,x\n".encode("utf-16-le"), "“file.csv”: The file is no text that can be read"),
        (workbook(("dossier", "tag")), "“file.csv”: The file is a workbook, not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: str | bytes, sentence: str, firm: Firm, dossier: Dossier) -> None:
    assert sentence in previewed(staff(firm), TagMapping, content)


def test_a_large_file_is_refused(firm: Firm, dossier: Dossier) -> None:
    assert "larger than 2 MB" in previewed(staff(firm), TagMapping, "dossier,tag\n" + "x" * (2 * 1024 * 1024))


def test_a_workbook_that_is_none_is_refused(firm: Firm, dossier: Dossier) -> None:
    page = previewed(staff(firm), TagMapping, "dossier,tag\nbakery,x\n", XLSX)
    assert "The file is no XLSX workbook, or has a password" in page
    Firm.objects.filter(pk=firm.pk).update(language="nl")
    assert "Het bestand is geen XLSX-werkmap" in previewed(staff(firm), TagMapping, "dossier,tag\n", XLSX)


def test_a_file_that_is_too_much_to_read_is_a_sentence(
    firm: Firm, dossier: Dossier, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = workbook(("dossier", "tag", "product"), *[("bakery", f"tag {n}", "ADV") for n in range(50)])
    monkeypatch.setattr(reading, "LIMITS", replace(reading.LIMITS, unpacked=len(content)))
    assert "The workbook unpacks to more than 0 MB" in previewed(staff(firm), TagMapping, content, XLSX)
    monkeypatch.setattr(reading, "LIMITS", replace(reading.LIMITS, seconds=0.001))
    assert "took too much memory or time" in previewed(staff(firm), TagMapping, content, XLSX)


@pytest.mark.parametrize("content", ["dossier,tag\nbakery,x\n", "dossier,tag,tag\nbakery,x,y\n", ""])
def test_nothing_stays_of_a_file_that_is_not_taken_in(
    content: str, firm: Firm, dossier: Dossier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    previewed(staff(firm), TagMapping, content, XLSX)
    previewed(staff(firm), TagMapping, content.replace("tag\n", "tag,colour\n"))
    assert list(tmp_path.iterdir()) == []


COLUMNS = {
    TagMapping: TagSheet,
    ClientMapping: ClientSheet,
    Dossier: DossierSheet,
    Agreement: AgreementSheet,
}


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["\0", "\x07", "\u202e"])
def test_signs_that_nobody_types_are_faults_in_every_column(sign: str, firm: Firm, dossier: Dossier) -> None:
    browser = staff(firm)
    for model, sheet in COLUMNS.items():
        for column in sheet.columns():
            rows = [dict.fromkeys(sheet.columns(), ""), dict.fromkeys(sheet.columns(), "bakery")]
            for row in rows:
                row[column] = f"a{sign}b"
            lines = [",".join(row.values()) for row in rows]
            page = previewed(browser, model, "\n".join([",".join(sheet.columns()), *lines, ""]))
            assert "Confirm import" not in page, (model, column)
            imported_by_force = browser.post(address(model, "process_import"), {"import_file_name": "x"})
            assert imported_by_force.status_code == 302
    assert not events(firm)


def test_client_mappings_come_in_with_their_numbers(firm: Firm, dossier: Dossier) -> None:
    number = enterprise_number(7)
    rows = (
        ("dossier", "client", "vat", "customer", "vat_treatment", "po", "buyer_reference"),
        ("bakery", 501.0, f"BE {number[2:6]}.{number[6:9]}.{number[9:]}", None, None, "4500012345", None),
        ("bakery", 502, None, 88001, "EU_services", None, "Dept. 7"),
    )
    assert "2 new" in imported(staff(firm), ClientMapping, workbook(*rows), XLSX)
    assert list(
        ClientMapping.objects.order_by("client_remote_id").values_list(
            "client_remote_id", "number", "customer_party_id", "treatment", "purchase_order", "buyer_reference"
        )
    ) == [(501, number, None, "", "4500012345", ""), (502, "", 88001, "eu_services", "", "Dept. 7")]


def test_client_mappings_with_a_wrong_number_are_refused(firm: Firm, dossier: Dossier) -> None:
    page = previewed(staff(firm), ClientMapping, "dossier,client,vat,customer\nbakery,501,BE0999000000,88001\n")
    assert "“BE0999000000” is not a valid VAT or Belgian enterprise number: check its digits." in page
    assert "stands beside vat" in page


def test_cells_that_a_spreadsheet_would_run_are_neutralised(firm: Firm, dossier: Dossier) -> None:
    for tag in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "plain"):
        TagMappingFactory(dossier=dossier, tag=tag)
    browser = staff(firm)
    rows = list(csv.DictReader(io.StringIO(exported(browser, TagMapping).decode("utf-8-sig"))))
    assert [row["tag"] for row in rows] == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(A1)", "plain"]
    book = openpyxl.load_workbook(io.BytesIO(exported(browser, TagMapping, XLSX)))
    assert book.worksheets[0].cell(row=2, column=2).value == "'=cmd|' /C calc'!A0"


def test_exports_hold_the_own_firm_only(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(tag="leakmark")
    TagMappingFactory(dossier=dossier, tag="ours")
    assert b"leakmark" not in exported(staff(firm), TagMapping)
    assert b"ours" in exported(staff(firm, "viewer"), TagMapping)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("bookkeeper", 200), ("viewer", 403)])
def test_mappings_are_taken_in_by_who_maps(role: str, status: int, firm: Firm) -> None:
    browser = staff(firm, role)
    assert browser.get(address(TagMapping, "import")).status_code == status
    assert browser.post(address(TagMapping, "process_import")).status_code == (302 if status == 200 else 403)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("bookkeeper", 403), ("viewer", 403)])
def test_dossiers_are_taken_in_by_who_makes_them(role: str, status: int, firm: Firm) -> None:
    assert staff(firm, role).get(address(Dossier, "import")).status_code == status


def test_an_operator_takes_in_what_is_of_the_firm_in_the_address(firm: Firm, dossier: Dossier) -> None:
    theirs = DossierFactory(firm=FirmFactory(slug="theirs"), key="garage")
    browser = superuser(firm)
    assert "1 new" in confirmed(
        browser, TagMapping, previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    )
    assert "1 new" not in previewed(browser, TagMapping, "dossier,tag,product\ngarage,Advies,ADV\n")
    assert TagMapping.objects.get().dossier == dossier
    assert theirs.key.encode() not in exported(browser, Dossier)


def test_preview_of_one_firm_is_not_taken_in_by_another(firm: Firm, dossier: Dossier) -> None:
    theirs = DossierFactory(firm=FirmFactory(slug="theirs"), key="bakery")
    browser = staff(firm)
    MembershipFactory(firm=theirs.firm, user=User.objects.get(pk=browser.session["_auth_user_id"]))
    page = previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    other = Tab(theirs.firm)
    other.cookies = browser.cookies
    assert "This form belongs to another firm" in confirmed(other, TagMapping, page)
    assert "This preview is over" in confirmed(other, TagMapping, page.replace(MADE_FOR, "unknown"))
    assert not TagMapping.objects.exists()
    assert "1 new" in confirmed(browser, TagMapping, page)
    assert TagMapping.objects.get().dossier == dossier


def test_a_confirmation_takes_in_only_what_this_session_previewed(firm: Firm, dossier: Dossier) -> None:
    browser, other = staff(firm), staff(firm)
    page = previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    assert "This preview is over" in confirmed(other, TagMapping, page)
    assert not TagMapping.objects.exists()
    assert "1 new" in confirmed(browser, TagMapping, page)
    assert "This preview is over" in confirmed(browser, TagMapping, page)


def test_a_confirmation_takes_what_was_previewed_whatever_the_form_says(firm: Firm, dossier: Dossier) -> None:
    browser = staff(firm)
    page = previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    for name, value in (("format", "99"), ("resource", "x")):
        page = re.sub(rf'(name="{name}" value=")[^"]*', rf"\g<1>{value}", page)
    assert "1 new" in confirmed(browser, TagMapping, page)


def test_a_preview_whose_file_is_gone_is_over(
    firm: Firm, dossier: Dossier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    browser = staff(firm)
    page = previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    for file in tmp_path.iterdir():
        file.unlink()
    assert "This preview is over" in confirmed(browser, TagMapping, page)


def test_rows_that_are_ticked_for_an_export_are_those_of_the_firm(firm: Firm, dossier: Dossier) -> None:
    ours, theirs = TagMappingFactory(dossier=dossier, tag="ours"), TagMappingFactory(tag="leakmark")
    browser = staff(firm)
    for ticked in (["x"], [theirs.pk], ["9" * 30]):
        answer = browser.post(address(TagMapping, "export"), {"format": "0", "export_items": [ours.pk, *ticked]})
        assert (answer.status_code, b"leakmark" in answer.content) == (200, False)


@pytest.mark.parametrize("query", ["no_such_thing=1", "tag__startswith=a", "o=x", "p=99"])
def test_export_of_what_a_list_does_not_offer_is_not_understood(query: str, firm: Firm, dossier: Dossier) -> None:
    status = 200 if query in ("o=x", "p=99") else 400
    assert staff(firm).get(f"{address(TagMapping, 'export')}?{query}").status_code == status


def test_what_changed_between_preview_and_confirmation_is_judged_again(firm: Firm, dossier: Dossier) -> None:
    browser = staff(firm)
    page = previewed(browser, TagMapping, "dossier,tag,product\nbakery,Advies,ADV\n")
    Dossier.objects.update(key="renamed")
    after = confirmed(browser, TagMapping, page)
    assert "the firm has no dossier “bakery”" in after
    assert "Nothing was imported" in after
    assert not TagMapping.objects.exists()


HEADING = (
    "key,name,workspace,company,start,clients,rounding_minutes,every,day,mode,auto_limit,payment_days,default_product\n"
)


def test_dossiers_come_in_and_change_through_the_verb(firm: Firm, dossier: Dossier) -> None:
    WorkspaceFactory(firm=firm, remote_id=4002)
    content = (
        f"{HEADING}bakery,Bakery,4001,7001,01/09/2026,,15,monthly,1,post,5000,45,ADV\n"
        "garage,Garage,4002,7001,2026-10-01,,,,,,,,\n"
    )
    assert "1 new, 1 updated" in imported(staff(firm), Dossier, content)
    dossier.refresh_from_db()
    assert (dossier.rounding_minutes, dossier.every, dossier.day, dossier.mode, dossier.payment_days) == (
        15,
        "monthly",
        1,
        "post",
        45,
    )
    assert (str(dossier.auto_limit), dossier.default_product, dossier.due_at is not None) == ("5000.00", "ADV", True)
    new = Dossier.objects.get(key="garage")
    assert (new.firm, new.workspace.remote_id, new.company.party_id, str(new.start_date)) == (
        firm,
        4002,
        7001,
        "2026-10-01",
    )
    assert [kind for kind, _subject, _data in events(firm)] == ["rule_changed", "rule_changed"]


def test_dossiers_at_fault_are_refused_row_by_row(firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, status="posted")
    WorkspaceFactory(remote_id=4099)
    content = (
        f"{HEADING}bakery,Bakery,4001,7001,2026-08-01,,,weekly,9,,-1,,\n"
        "a b,X,4099,7099,soon,1 x,,hourly,,,,,\n"
        "second,Y,4001,7001,2026-09-01,,,,,,,,\n"
    )
    page = previewed(staff(firm), Dossier, content)
    for sentence in (
        "stays 2026-09-01, since dossier bakery has invoiced; make another dossier.",
        "“9” is out of range; use a whole number from 1 to 7.",
        "“-1” is not an amount",
        "use letters, digits, hyphens and underscores only.",
        "no connection opens this workspace",
        "no connection opens this company",
        "“soon” is not a day",
        "needs ids, each once",
        "“hourly” is not known; use manual, daily, weekly or monthly.",
        "dossier bakery bills the whole workspace 4001 too; name the clients of one of them.",
    ):
        assert sentence in page
    assert Dossier.objects.filter(firm=firm).count() == 1


@pytest.mark.slow
def test_a_hundred_dossiers_come_in_from_one_file_in_under_ten_seconds(firm: Firm) -> None:
    toggl = WorkspaceFactory(firm=firm, remote_id=10_000).connection
    billit = CompanyFactory(firm=firm, party_id=20_000).connection
    for number in range(1, 100):
        WorkspaceFactory(firm=firm, connection=toggl, remote_id=10_000 + number)
        CompanyFactory(firm=firm, connection=billit, party_id=20_000 + number)
    rows = "".join(
        f"dossier-{n},Dossier {n},{10_000 + n},{20_000 + n},2026-09-01,,15,monthly,1,review,,30,\n" for n in range(100)
    )
    browser = staff(firm)
    began = time.perf_counter()
    assert "100 new" in imported(browser, Dossier, HEADING + rows)
    took = time.perf_counter() - began
    assert took < 10, f"{took:.1f} s"
    assert Dossier.objects.filter(firm=firm).count() == 100
    assert (Workspace.objects.filter(read_from="2026-09-01").count(), Company.objects.count()) == (100, 100)
    assert len(events(firm)) == 100
    print(f"a hundred dossiers: {took:.2f} s")  # noqa: T201 - the figure
