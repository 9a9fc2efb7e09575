"""Cells of a workbook that hold something else than their column, names that nothing has, and the template."""

from __future__ import annotations

import io
import re
from datetime import date, datetime, time
from typing import Any

import openpyxl
import pytest
from django.db import models

from integrations.models import Company, Workspace
from invoicing.models import ClientMapping, Dossier, TagMapping
from tests.factories import (
    ClientMappingFactory,
    CustomerFactory,
    DossierFactory,
    FirmFactory,
    ProductFactory,
    TagMappingFactory,
    enterprise_number,
)
from tests.invoicing.admin.uploads import CSV, XLSX, exported, imported, known, previewed, workbook
from tests.visitors import address, events, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

CLIENTS = ("dossier", "client", "vat", "customer", "vat_treatment", "po", "buyer_reference")


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return known(
        DossierFactory(firm=firm, key="bakery", name="Bakery", workspace__remote_id=4001, company__party_id=7001)
    )


def faults(page: str) -> list[str]:
    """What the page says is wrong, fault by fault."""
    assert "Confirm import" not in page
    found = re.findall(r"<li>(.*?)</li>", page[page.index("import-preview") :], re.DOTALL)
    return [" ".join(each.split()) for each in found]


def preview_of(firm: Firm, model: type[models.Model], *rows: tuple[Any, ...]) -> list[str]:
    return faults(previewed(staff(firm), model, workbook(*rows), XLSX))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (4500012345, "holds the number 4500012345: format the column as text, then type it again."),
        (7.0, "holds the number 7: format the column as text, then type it again."),
        (date(2026, 3, 4), "holds the date 2026-03-04: format the column as text, then type it again."),
        (
            datetime(2026, 3, 4, 9, 5),  # noqa: DTZ001 - a cell has no zone - a cell has no zone
            "holds the date and time 2026-03-04 09:05: format the column as text, then type it again.",
        ),
        (time(8, 15), "holds the time 08:15:00: format the column as text, then type it again."),
        (True, "holds the value TRUE: format the column as text, then type it again."),
        ("#N/A", "shows the error #N/A: mend its formula, or type what it shall hold."),
        ("=1+1", "holds a formula without a result: open the file in your spreadsheet, save it, or type the result."),
        (
            123456789012345678,
            (
                "holds a number of more than 15 digits (123456789012346000), of which a spreadsheet changes the last "
                "ones: format the column as text, then type it again."
            ),
        ),
    ],
)
@pytest.mark.parametrize("column", ["F", "G"])
def test_a_text_column_takes_text_alone(value: Any, sentence: str, column: str, firm: Firm, dossier: Dossier) -> None:
    row: list[Any] = ["bakery", 501, None, None, None, "PO", "REF"]
    row[ord(column) - ord("A")] = value
    name = {"F": "purchase order (po)", "G": "buyer reference (buyer_reference)"}[column]
    assert preview_of(firm, ClientMapping, CLIENTS, tuple(row)) == [f"{name}, cell {column}2: {sentence}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "heading", "row"),
    [
        (TagMapping, ("dossier", "tag", "product"), ("bakery", "Advies", "ADV")),
        (ClientMapping, ("dossier", "client", "vat_treatment"), ("bakery", 501, "domestic")),
        (
            Dossier,
            ("key", "name", "billable", "group_by", "rounding_direction", "rounding_level", "every", "mode"),
            ("bakery", "Bakery", "all", "product", "up", "entry", "manual", "review"),
        ),
    ],
)
def test_every_text_column_refuses_a_number(
    model: type[models.Model], heading: tuple[str, ...], row: tuple[Any, ...], firm: Firm, dossier: Dossier
) -> None:
    for place, name in enumerate(heading):
        if name == "client":
            continue
        cells = [*row[:place], 2026, *row[place + 1 :]]
        found = preview_of(firm, model, heading, tuple(cells))
        said = f"cell {'ABCDEFGH'[place]}2: holds the number 2026: format the column as text, then type it again."
        assert [fault for fault in found if fault.endswith(said)] != [], (name, found)


def test_a_number_that_its_format_fills_up_is_taken_as_it_is_shown(firm: Firm, dossier: Dossier) -> None:
    book, file = openpyxl.Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    sheet.append(("dossier", "client", "po"))
    sheet.append(("bakery", 501, 42))
    sheet["C2"].number_format = "000000"
    book.save(file)
    assert "1 new" in imported(staff(firm), ClientMapping, file.getvalue(), XLSX)
    assert ClientMapping.objects.get().purchase_order == "000042"


@pytest.mark.slow
def test_a_vat_number_may_be_a_number_since_its_check_digits_prove_it(firm: Firm, dossier: Dossier) -> None:
    number = enterprise_number(7)
    assert number.startswith("BE0")
    page = imported(staff(firm), ClientMapping, workbook(CLIENTS[:3], ("bakery", 501, int(number[2:]))), XLSX)
    assert "1 new" in page
    assert ClientMapping.objects.get().number == number
    wrong = preview_of(firm, ClientMapping, CLIENTS[:3], ("bakery", 502, 812345678))
    assert wrong == [
        "VAT number (vat), cell C2: “812345678” is not a valid VAT or Belgian enterprise number: check its digits."
    ]


@pytest.mark.slow
def test_numbers_days_and_flags_come_as_themselves(firm: Firm, dossier: Dossier) -> None:
    heading = ("key", "start", "auto_limit", "payment_days", "email_allowed", "clients")
    row = ("bakery", datetime(2026, 9, 1), 1500.5, 45, True, 501)  # noqa: DTZ001 - a cell has no zone - a cell has no zone
    assert "1 updated" in imported(staff(firm), Dossier, workbook(heading, row), XLSX)
    dossier.refresh_from_db()
    assert (str(dossier.start_date), str(dossier.auto_limit), dossier.payment_days, dossier.email_allowed) == (
        "2026-09-01",
        "1500.50",
        45,
        True,
    )
    assert [row.client_remote_id for row in dossier.named_clients.all()] == [501]
    assert preview_of(firm, Dossier, heading, ("bakery", 45000, date(2026, 9, 1), 4.5, 2, date(2026, 9, 1))) == [
        "start, cell B2: “45000” is not a day; write it such as 2026-09-01.",
        "Toggl clients (clients), cell F2: needs ids, each once, with blanks between them.",
        "e-mail allowed (email_allowed), cell E2: “2” is neither yes nor no.",
        "limit (auto_limit), cell C2: “2026-09-01” is not an amount: write it such as 1500,00.",
        "days until due (payment_days), cell D2: “4.5” is not a whole number.",
    ]


def test_hidden_rows_and_other_sheets_are_said(firm: Firm, dossier: Dossier) -> None:
    book, file = openpyxl.Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    sheet.title = "Tags"
    for row in (("dossier", "tag", "product"), ("bakery", "a", "ADV"), ("bakery", "b", "ADV"), ("bakery", "c", "ADV")):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    book.create_sheet("Notes")
    book.active = 1
    book.save(file)
    page = " ".join(previewed(staff(firm), TagMapping, file.getvalue(), XLSX).split())
    assert "File file.xlsx, sheet “Tags”: 3 rows below the heading." in page
    assert "1 of them is hidden in the sheet, and is read like the others." in page
    assert "1 further sheet of the workbook is not read." in page


def test_products_customers_and_clients_that_nothing_has_are_faults_in_the_preview(
    firm: Firm, dossier: Dossier
) -> None:
    Company.objects.update(name="Kneed NV")
    Workspace.objects.update(name="Bakery hours")
    ProductFactory(reference="THEIRS")
    CustomerFactory(party_id=99001)
    browser = staff(firm)
    assert faults(previewed(browser, TagMapping, "dossier,tag,product\nbakery,a,THEIRS\nbakery,b,adv\n")) == [
        "product, cell C2: company Kneed NV has no product “THEIRS” in Billit: check its reference."
    ]
    assert faults(
        previewed(browser, ClientMapping, "dossier,client,customer\nbakery,501,99001\nbakery,777,88001\n")
    ) == [
        "Billit customer (customer), cell C2: company Kneed NV has no customer 99001 in Billit: check its id.",
        "Toggl client (client), cell B3: workspace Bakery hours has no client 777 in Toggl: check its id.",
    ]
    assert faults(previewed(browser, Dossier, "key,clients,default_product\nbakery,501 778 777,THEIRS\n")) == [
        "Toggl clients (clients), cell B2: workspace Bakery hours has no client 777, 778 in Toggl: check its id.",
        (
            "default product (default_product), cell C2: company Kneed NV has no product “THEIRS” in Billit: "
            "check its reference."
        ),
    ]


def test_what_stands_already_and_what_was_never_read_is_not_judged(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="a", product_reference="GONE")
    ClientMappingFactory(dossier=dossier, client_remote_id=777, number="", customer_party_id=99001)
    browser = staff(firm)
    for model in (TagMapping, ClientMapping):
        assert "0 new, 0 updated" in imported(browser, model, exported(browser, model))
    Company.objects.update(synced_at=None)
    Workspace.objects.update(synced_at=None)
    assert "1 new" in imported(browser, TagMapping, "dossier,tag,product\nbakery,b,LATER\n")
    assert "1 new" in imported(browser, ClientMapping, "dossier,client,customer\nbakery,778,99002\n")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
@pytest.mark.parametrize("model", [TagMapping, ClientMapping, Dossier])
def test_a_template_is_in_the_language_of_the_member_and_comes_back_in(
    model: type[models.Model], language: str, firm: Firm, dossier: Dossier
) -> None:
    Firm.objects.filter(pk=firm.pk).update(language=language)
    browser = staff(firm)
    page = browser.get(address(model, "import")).content.decode()
    assert f'href="/f/ours{address(model, "template")}"' in page
    answer = browser.get(address(model, "template"))
    assert answer["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    heading, example = book.worksheets[0].iter_rows(values_only=True)
    words: dict[tuple[type[models.Model], str], tuple[Any, ...]] = {
        (TagMapping, "en"): ("bill it", "Advice", "yes"),
        (TagMapping, "fr"): ("à facturer", "Conseil", "oui"),
        (TagMapping, "nl"): ("aanrekenen", "Advies", "ja"),
        (ClientMapping, "en"): ("purchase order", "Dept. 7", "4500012345"),
        (ClientMapping, "fr"): ("bon de commande", "Service 7", "4500012345"),
        (ClientMapping, "nl"): ("bestelbon", "Afd. 7", "4500012345"),
        (Dossier, "en"): ("short name", "The bakery", 30),
        (Dossier, "fr"): ("nom court", "La boulangerie", 30),
        (Dossier, "nl"): ("korte naam", "De bakkerij", 30),
    }
    name, *examples = words[model, language]
    assert name in heading
    assert set(examples) <= set(example)
    assert {cell.number_format for cell in book.worksheets[0][2] if isinstance(cell.value, str)} <= {"@", "General"}
    assert book.worksheets[1].max_row == len(heading) + 1
    Dossier.objects.update(key="other")
    # The examples name a dossier that the firm does not have, so that nobody takes them in by mistake.
    assert "import_file_name" not in previewed(browser, model, answer.content, XLSX)
    if model is Dossier:
        Dossier.objects.all().delete()
    else:
        Dossier.objects.update(key=example[0])
    assert re.findall(r'<tr class="(\w+)">', previewed(browser, model, answer.content, XLSX)) == ["new"]


def test_a_viewer_has_no_template_to_fill_in(firm: Firm, dossier: Dossier) -> None:
    assert staff(firm, "viewer").get(address(TagMapping, "template")).status_code == 403


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ["key,name,auto_limit,email_allowed", "bakery,Bakery,1500.00,yes"]),
        ("fr", ["key;name;auto_limit;email_allowed", "bakery;Bakery;1500,00;oui"]),
        ("nl", ["key;name;auto_limit;email_allowed", "bakery;Bakery;1500,00;ja"]),
    ],
)
def test_a_csv_export_has_the_separator_and_decimal_mark_of_the_language(
    language: str, lines: list[str], firm: Firm, dossier: Dossier
) -> None:
    Firm.objects.filter(pk=firm.pk).update(language=language)
    Dossier.objects.update(auto_limit="1500.00", email_allowed=True)
    content = exported(staff(firm), Dossier, CSV)
    assert content.startswith(b"\xef\xbb\xbf")
    separator = lines[0][3]
    wanted = lines[0].split(separator)
    heading, row = (line.split(separator) for line in content.decode("utf-8-sig").splitlines())
    places = [heading.index(name) for name in wanted]
    assert [separator.join(each[place] for place in places) for each in (heading, row)] == lines
    assert events(firm) == []


def test_a_workbook_export_has_real_numbers_and_dates_and_texts(firm: Firm, dossier: Dossier) -> None:
    Dossier.objects.update(auto_limit="1500.00", start_date=date(2026, 9, 1), name="007")
    book = openpyxl.load_workbook(io.BytesIO(exported(staff(firm), Dossier, XLSX)))
    heading, row = book.worksheets[0].iter_rows()
    cells = dict(zip((cell.value for cell in heading), row, strict=True))
    assert (cells["auto_limit"].value, cells["auto_limit"].data_type) == (1500, "n")
    assert (cells["start"].value, cells["start"].is_date) == (datetime(2026, 9, 1), True)  # noqa: DTZ001 - a cell has no zone
    assert (cells["name"].value, cells["name"].data_type, cells["name"].number_format) == ("007", "s", "@")
    assert (cells["payment_days"].value, cells["payment_days"].data_type) == (dossier.payment_days, "n")
