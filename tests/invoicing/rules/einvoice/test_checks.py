"""Each check of e-invoices: what trips it, which official rule then fires, and that neither does once it is mended."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from invoicing.rules.einvoice import Check, Document, Line, Party, Writing, failures
from tests.invoicing.rules.einvoice import billits
from tests.invoicing.rules.einvoice.official import official

LINE = Line(Decimal("1.50"), Decimal("95.00"), "Conseil", "", "ADV", Decimal(21), 4)
SOUND = Document(
    seller=Party("Bureau Exemple SRL", "BE0403019261", "BE"),
    buyer=Party("Boulangerie", "BE0200362210", "BE"),
    purchase_order="",
    title="Octobre 2026",
    lines=(LINE,),
)
DUTCH = replace(SOUND, buyer=Party("Bakkerij", "NL810433941B01", "NL"))


def line(**changed: Any) -> Document:
    """The sound invoice with its line changed."""
    return replace(SOUND, lines=(replace(LINE, **changed),))


def treated(code: int, document: Document = SOUND) -> Document:
    """The line at 0 % by this VentilationCode."""
    return replace(document, lines=(replace(LINE, vat_rate=Decimal(0), code=code),))


class Trouble(NamedTuple):
    """A document that breaks `fired`, and the same mended."""

    check: Check
    fired: set[str]
    broken: Document
    mended: Document = SOUND
    writing: Writing = Writing()
    as_mended: Writing = Writing()


TROUBLES = (
    Trouble(Check.characters, {"XML 1.0"}, line(description="Con\x0bseil")),
    Trouble(Check.blank_texts, {"PEPPOL-EN16931-R008"}, line(description_extended=" ")),
    Trouble(Check.blank_texts, {"PEPPOL-EN16931-R008"}, replace(SOUND, title="\t")),
    Trouble(Check.names, {"BR-06"}, replace(SOUND, seller=Party("", "BE0403019261"))),
    Trouble(Check.names, {"BR-07"}, replace(SOUND, buyer=Party("", "BE0200362210"))),
    Trouble(Check.line_texts, {"BR-25"}, line(description="")),
    Trouble(Check.buyers_reference, {"PEPPOL-EN16931-R003"}, replace(SOUND, title="")),
    Trouble(
        Check.seller_number,
        {"PEPPOL-EN16931-R020", "BR-CO-26", "BR-S-02"},
        replace(SOUND, seller=Party("Bureau", "in aanvraag")),
    ),
    Trouble(
        Check.vat_prefixes,
        {"BR-CO-09"},
        replace(SOUND, seller=Party("B", "BE0403019261"), buyer=Party("C", "UK980780684", "GB")),
    ),
    Trouble(
        Check.vat_prefixes,
        {"PEPPOL-EN16931-R020", "BR-CO-26"},
        treated(22, replace(SOUND, seller=Party("B", "UK980780684", "BE"))),
        treated(22),
    ),
    Trouble(Check.check_digits, {"PEPPOL-COMMON-R043"}, replace(SOUND, buyer=Party("Boulangerie", "BE0200362211"))),
    Trouble(Check.check_digits, {"PEPPOL-COMMON-R042"}, replace(SOUND, buyer=Party("Bageri", "DK1358562"))),
    Trouble(
        Check.check_digits,
        {"PEPPOL-COMMON-R042", "PEPPOL-COMMON-R043"},
        replace(SOUND, seller=Party("Bureau", "BE0403019262"), buyer=Party("Bageri", "DK1358562")),
    ),
    Trouble(Check.countries, {"BR-CL-14"}, replace(SOUND, buyer=Party("Fournos", "EL094259216", "EL"))),
    Trouble(Check.countries, {"BR-CL-14"}, replace(SOUND, buyer=Party("Boulangerie", "BE0200362210", "Belgique"))),
    Trouble(Check.vat_codes, {"BR-S-05"}, line(vat_rate=Decimal(0))),
    Trouble(
        Check.outside_scope_alone,
        {"BR-O-11", "BR-O-12", "BR-S-02"},
        replace(SOUND, lines=(LINE, *treated(22).lines)),
        treated(22),
    ),
    Trouble(Check.outside_scope_written, {"BR-O-02"}, treated(22), treated(22), Writing(outside_scope="numbers")),
    Trouble(Check.outside_scope_written, {"BR-O-05"}, treated(22), treated(22), Writing(outside_scope="rate")),
    Trouble(
        Check.reverse_charge_number,
        {"BR-AE-02"},
        treated(21, replace(SOUND, buyer=Party("Startup", "BTW in aanvraag", "BE"))),
        treated(21),
    ),
    Trouble(
        Check.eu_services_number,
        {"BR-IC-02"},
        treated(55, replace(SOUND, buyer=Party("Startup", "", "NL"))),
        treated(55, DUTCH),
    ),
    Trouble(Check.exemption_reasons, {"BR-AE-10"}, treated(21), treated(21), Writing(exemption_reasons=False)),
    Trouble(
        Check.exemption_reasons, {"BR-IC-10"}, treated(55, DUTCH), treated(55, DUTCH), Writing(exemption_reasons=False)
    ),
    Trouble(
        Check.negative_prices,
        {"BR-27"},
        replace(SOUND, lines=(LINE, replace(LINE, unit_price=Decimal("-10.00")))),
        replace(SOUND, lines=(LINE, replace(LINE, quantity=Decimal("-0.10")))),
    ),
)


def fired(document: Document, writing: Writing) -> frozenset[str]:
    """The official rules that the document breaks; that a buyer without number has no address is no fault (R11)."""
    rules = official().fired(billits.e_invoice(billits.stored(document), document, writing))
    return rules - {"PEPPOL-EN16931-R010"}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: f"{trouble.check}-{'-'.join(sorted(trouble.fired))}")
def test_check_fails_where_its_rule_fires(trouble: Trouble) -> None:
    found = failures(trouble.broken, trouble.writing)
    assert [failure.check for failure in found] == [trouble.check]
    assert fired(trouble.broken, trouble.writing) == trouble.fired
    assert trouble.fired <= set(found[0].rules)
    assert failures(trouble.mended, trouble.as_mended) == []
    assert fired(trouble.mended, trouble.as_mended) == set()


def test_every_check_has_its_trouble() -> None:
    assert {trouble.check for trouble in TROUBLES} == set(Check)


def test_hours_are_taken_off_in_the_form_that_billit_turns() -> None:
    off = replace(SOUND, lines=(LINE, replace(LINE, unit_price=Decimal("-10.00"))))
    turning = Writing(turns_prices=True)
    assert failures(off, turning) == []
    assert fired(off, turning) == set()
