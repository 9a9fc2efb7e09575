"""The two files of an annex, made for real: what stands in them, to the letter."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from pypdf import PdfReader

from invoicing.annexes.document import html
from invoicing.annexes.rendering import Document, rendered
from invoicing.annexes.table import as_csv
from invoicing.ledger.agreements.agreements import vat_apart
from invoicing.models import InvoiceLine
from invoicing.rules.annexes.content import Annex, AnnexEntry, AnnexLine, rounded
from invoicing.rules.billing.rating import Rounding, billed_seconds, hours

QUARTERS = Rounding(15)


def entry(day: int, text: str, seconds: int, rounding: Rounding, person: str = "Odile Verkansel") -> AnnexEntry:
    return AnnexEntry(date(2026, 10, day), person, text, seconds, rounded(seconds, rounding))


def line(position: int, description: str, entries: Sequence[AnnexEntry], rounding: Rounding) -> AnnexLine:
    seconds = [each.seconds for each in entries]
    return AnnexLine(position, description, hours(billed_seconds(seconds, rounding)), sum(seconds), tuple(entries))


def annex(language: str = "fr", rounding: Rounding = QUARTERS) -> Annex:
    """Two lines: 0:16:40 and 1:00:00 by two people, and 0:05:01."""
    advice = [
        entry(5, "Contrôle TVA 3e trimestre", 1000, rounding),
        entry(6, "<b>Téléphone</b> & e-mail", 3600, rounding, "Wim Brandhof"),
    ]
    return Annex(
        language=language,
        firm="Fiduciaire Exemple",
        customer="Garage Vonk SRL",
        customer_number="BE0563846944",
        reference="tb-5f0c9a52",
        title="Octobre 2026",
        purchase_order="4500012345",
        about="",
        period_from=date(2026, 10, 5),
        period_till=date(2026, 10, 20),
        rounding=rounding,
        lines=(
            line(1, "Conseil", advice, rounding),
            line(2, "Comptabilité · Garage", [entry(20, "", 301, rounding)], rounding),
        ),
    )


def pdfs(*annexes: Annex) -> list[bytes]:
    made = rendered([Document(html(each), each.entries) for each in annexes])
    files = [file for file in made if isinstance(file, bytes)]
    assert len(files) == len(annexes), made
    return files


def text(pdf: bytes) -> list[str]:
    """All pages, one after the other; blanks at the ends of lines are no matter."""
    return [row.strip() for page in PdfReader(io.BytesIO(pdf)).pages for row in page.extract_text().splitlines()]


def words(pdf: bytes) -> str:
    return " ".join(" ".join(text(pdf)).split())


def test_pdf_says_who_when_what_how_long_and_how_rounded_in_the_customers_language() -> None:
    french, dutch, english, german = pdfs(*(annex(language) for language in ("fr", "nl", "en", "de")))
    assert words(french) == (
        "Fiduciaire Exemple Annexe : relevé des prestations Client Garage Vonk SRL BE0563846944 "
        "Période 05/10/2026 – 20/10/2026 Bon de commande 4500012345 Notre référence tb-5f0c9a52 "
        "Date Personne Prestation Durée Arrondi "
        "1. Conseil "
        "05/10/2026 Odile Verkansel Contrôle TVA 3e trimestre 0:16:40 0:30 "
        "06/10/2026 Wim Brandhof <b>Téléphone</b> & e-mail 1:00:00 1:00 "
        "Total de la ligne 1 1:16:40 1,50 h "
        "2. Comptabilité · Garage "
        "20/10/2026 Odile Verkansel – 0:05:01 0:15 "
        "Total de la ligne 2 0:05:01 0,25 h "
        "Total 1:21:41 1,75 h "
        "La durée de chaque prestation est arrondie au multiple supérieur de 15 minutes. "
        "tb-5f0c9a52 Page 1 sur 1"
    )
    for pdf, expected in (
        (dutch, ["Bijlage: overzicht van de prestaties", "Totaal 1:21:41 1,75 u", "Pagina 1 van 1", "Klant Garage"]),
        (english, ["Annex: hours worked", "Total 1:21:41 1.75 h", "Page 1 of 1", "Customer Garage", "Total of line 2"]),
        (german, ["Anlage: Leistungsnachweis", "Summe 1:21:41 1,75 Std.", "Seite 1 von 1", "Kunde Garage"]),
    ):
        assert [each for each in expected if each not in words(pdf)] == []


def test_pdf_is_a4_names_firm_and_language_and_holds_its_own_fonts_only() -> None:
    (pdf,) = pdfs(annex())
    reader = PdfReader(io.BytesIO(pdf))
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == (
        "Annexe\xa0: relevé des prestations, Octobre 2026",
        "Fiduciaire Exemple",
    )
    assert str(reader.root_object["/Lang"]) == "fr"
    fonts = reader.pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]  # pypdf types none
    names = {str(font.get_object()["/BaseFont"]) for font in fonts}
    # Six letters for the part that is embedded, then the name of our @font-face.
    assert sorted(name[8:] for name in names) == ["Annex-Bold-Semi-Condensed", "Annex-Semi-Condensed"]


@pytest.mark.slow
def test_equal_content_gives_equal_bytes_alone_and_among_others() -> None:
    first, other, again = pdfs(annex(), annex("nl"), annex())
    assert first == again == pdfs(annex())[0]
    assert first != other
    assert as_csv(annex()) == as_csv(annex())


@pytest.mark.slow
def test_time_of_a_line_that_is_rounded_as_a_whole_stands_at_its_total_only() -> None:
    rounding = Rounding(6, "nearest", "line")
    (pdf,) = pdfs(annex("nl", rounding))
    assert "Contrôle TVA 3e trimestre 0:16:40 06/10/2026" in words(pdf)
    assert "Totaal van regel 1 1:16:40 1,30 u" in words(pdf)
    assert "De tijd van elke regel wordt in haar geheel afgerond" in words(pdf)


def test_annex_of_a_credit_note_names_the_invoice_that_it_is_about() -> None:
    (pdf,) = pdfs(replace(annex("nl"), about="F-2026-0012"))
    assert "Betreft Creditnota bij factuur F-2026-0012 Periode" in words(pdf)


def test_hours_that_are_taken_off_are_negative() -> None:
    off = AnnexEntry(date(2026, 10, 7), "Odile Verkansel", "Work", -900, None)
    correction = AnnexLine(3, "Correction", Decimal("-0.25"), -900, (off,))
    content = replace(annex("en"), lines=(*annex("en").lines, correction))
    (pdf,) = pdfs(content)
    assert "07/10/2026 Odile Verkansel Work −0:15:00 Total of line 3 −0:15:00 −0.25 h Total 1:06:41 1.50 h" in words(
        pdf
    )
    assert as_csv(content).decode("utf-8-sig").splitlines()[-3:] == [
        "3,Correction,07/10/2026,Odile Verkansel,Work,-0:15:00,,",
        "3,Correction,,,Total of line 3,-0:15:00,,-0.25",
        ",,,,Total,1:06:41,,1.50",
    ]


@pytest.mark.slow
def test_500_entries_go_over_pages_that_repeat_the_heading_and_count_themselves() -> None:
    many = [entry(1 + n % 28, f"Work number {n:03}", 60 * (n + 1), QUARTERS) for n in range(500)]
    content = replace(annex("en"), lines=(line(1, "Advice", many, QUARTERS),))
    (pdf,) = pdfs(content)
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    assert 10 <= len(pages) <= 20
    for n, page in enumerate(pages, start=1):
        assert f"Page {n} of {len(pages)}" in page
        assert "Rounded" in page
        assert ("Garage Vonk SRL" in page, "Fiduciaire Exemple" in page) == (True, True)
        assert "tb-5f0c9a52" in page
    together = "\n".join(pages)
    assert [n for n in range(500) if together.count(f"Work number {n:03}") != 1] == []
    # The total stands by the last entries, never alone on a page.
    assert "Work number 499" in pages[-1]
    assert f"{content.quantity} h" in pages[-1]
    assert sum(timedelta(seconds=each.seconds).seconds for each in many) == content.seconds


@pytest.mark.slow
def test_page_that_goes_on_with_a_line_names_it_in_its_head() -> None:
    advice = [entry(1 + n % 28, f"Advice {n}", 900, QUARTERS) for n in range(40)]
    books = [entry(1 + n % 28, f"Books {n}", 900, QUARTERS) for n in range(80)]
    named = "Bookkeeping with a name that is far too long for the head of a page, which has three lines"
    content = replace(annex("en"), lines=(line(1, "Advice", advice, QUARTERS), line(2, named, books, QUARTERS)))
    (pdf,) = pdfs(replace(content, firm="Fiduciaire " * 20, customer="Garage " * 40))
    pages = [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]
    assert ["1. Advice" in page for page in pages[:2]] == [True, True]
    assert "2. Bookkeeping with a name that is far too long for the hea…" in pages[-1]
    assert "which has three lines" not in pages[-1]
    assert ("Fiduciaire Fidu…" in pages[-1], "Garage Gar…" in pages[-1]) == (True, True)


@pytest.mark.slow
def test_long_words_and_long_texts_stay_on_the_page() -> None:
    long = [entry(5, "x" * 3000, 900, QUARTERS), entry(6, "many words " * 800, 900, QUARTERS, "y" * 250)]
    (pdf,) = pdfs(replace(annex("en"), lines=(line(1, "z" * 1024, long, QUARTERS),)))
    together = "".join("".join(text(pdf)).split())
    assert together.count("x") >= 3000
    assert together.count("manywords") == 800
    assert (together.count("y") >= 250, together.count("z") >= 1024) == (True, True)


@pytest.mark.parametrize(
    ("language", "said", "apart"),
    [
        ("fr", "TVA sur les provisions et ce décompte, par rapport à une seule facture", "-0,01"),
        ("nl", "Btw op de voorschotten en deze afrekening, tegenover één factuur voor alles", "-0,01"),
        ("en", "VAT on the advances and this settlement, against one invoice for all", "-0.01"),
    ],
)
def test_settlement_states_by_how_much_its_vat_differs(language: str, said: str, apart: str) -> None:
    deduction = {"kind": "deduction", "agreement_id": 1, "vat_rate": Decimal(21), "total": Decimal("-10.02")}
    settled = InvoiceLine(kind="hours", agreement_id=1, vat_rate=Decimal(21), total=Decimal("20.04"))
    besides = InvoiceLine(kind="hours", vat_rate=Decimal(21), total=Decimal("95.00"))
    found = vat_apart([settled, InvoiceLine(**deduction), InvoiceLine(**deduction), besides])
    assert found == Decimal("-0.01")
    made = replace(annex(language), vat_apart=found)
    last = as_csv(made).decode("utf-8-sig").splitlines()[-1]
    assert (said in last, last.endswith(apart)) == (True, True)
    assert said in html(made)
    assert made.digest() != annex(language).digest()
    assert said not in html(annex(language))


def test_csv_has_a_row_for_each_entry_and_a_total_for_each_line() -> None:
    assert as_csv(annex()).decode() == (
        "\ufeffLigne;Description;Date;Personne;Prestation;Durée;Arrondi;Heures\r\n"
        "1;Conseil;05/10/2026;Odile Verkansel;Contrôle TVA 3e trimestre;0:16:40;0:30:00;\r\n"
        "1;Conseil;06/10/2026;Wim Brandhof;<b>Téléphone</b> & e-mail;1:00:00;1:00:00;\r\n"
        "1;Conseil;;;Total de la ligne 1;1:16:40;;1,50\r\n"
        "2;Comptabilité · Garage;20/10/2026;Odile Verkansel;;0:05:01;0:15:00;\r\n"
        "2;Comptabilité · Garage;;;Total de la ligne 2;0:05:01;;0,25\r\n"
        ";;;;Total;1:21:41;;1,75\r\n"
    )
    assert as_csv(annex("en")).decode("utf-8-sig").splitlines()[-1] == ",,,,Total,1:21:41,,1.75"
    assert as_csv(annex("nl")).decode("utf-8-sig").splitlines()[0].startswith("Regel;Omschrijving;Datum;Persoon")


def test_csv_runs_nothing() -> None:
    bad = [entry(5, "=1+1", 900, QUARTERS, "@SUM(1)"), entry(6, '-2;"3"', 900, QUARTERS)]
    content = replace(annex(), lines=(line(1, "+1", bad, QUARTERS),))
    rows = list(csv.reader(io.StringIO(as_csv(content).decode("utf-8-sig")), delimiter=";"))
    assert [row[1:5] for row in rows[1:3]] == [
        ["'+1", "05/10/2026", "'@SUM(1)", "'=1+1"],
        ["'+1", "06/10/2026", "Odile Verkansel", '\'-2;"3"'],
    ]
