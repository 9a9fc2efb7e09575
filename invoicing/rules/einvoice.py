"""What Peppol would refuse, seen before an invoice is posted (design R11).

Each check is named, and foresees official rules: those of EN 16931 (BR-...) and those of Peppol BIS Billing 3.0
(PEPPOL-...). Checks and rules are held against each other by the tests, over drawn documents; docs/einvoice.md says
where they differ on purpose. A check looks at what we and the mirror know, never at the document that Billit makes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, auto

from invoicing.rules.text import NOT_XML

XML = "XML 1.0"
"""Named as a rule where the document could not be read at all."""

_BLANK = " \t\r\n"
# ISO 3166-1, and 1A for Kosovo, as the code list of EN 16931 has it.
_CODES = (
    "1A AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM "
    "FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT "
    "JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN "
    "MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT "
    "PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL "
    "TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
_COUNTRIES = frozenset(_CODES.split())
# Prefixes of VAT numbers that are no country's code: Greece, and Northern Ireland.
_OTHER_PREFIXES = frozenset({"EL", "XI"})
# Billit docs: ventilation-codes. What is not among them is a rate above 0.
_CATEGORIES = {1: "Z", 21: "AE", 22: "O", 24: "E", 51: "K", 55: "K", 70: "G", 101: "E", 102: "E", 104: "E"}
_NUMBER_RULES = ("BR-S-02", "BR-Z-02", "BR-E-02", "BR-AE-02", "BR-IC-02")
_REASON_RULES = {"AE": "BR-AE-10", "E": "BR-E-10", "G": "BR-G-10", "K": "BR-IC-10", "O": "BR-O-10"}


class Check(StrEnum):
    """What is looked at, in this order."""

    characters = auto()
    blank_texts = auto()
    names = auto()
    line_texts = auto()
    buyers_reference = auto()
    seller_number = auto()
    vat_prefixes = auto()
    check_digits = auto()
    countries = auto()
    vat_codes = auto()
    outside_scope_alone = auto()
    outside_scope_written = auto()
    reverse_charge_number = auto()
    eu_services_number = auto()
    exemption_reasons = auto()
    negative_prices = auto()


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer. `vat_number` and `country` as they stand at Billit; "" where it has none (a country is then
    read from the number)."""

    name: str
    vat_number: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is posted; `vat_rate` in per cent, `code` is Billit's VentilationCode, which counts at 0 % only.
    `discount_reason`: why something is taken off it or put on (BR-42, BR-44), "" where nothing is."""

    quantity: Decimal
    unit_price: Decimal
    description: str
    description_extended: str
    reference: str
    vat_rate: Decimal
    code: int
    discount_reason: str = ""

    @property
    def category(self) -> str:
        """The VAT category of the e-invoice: S, or one of those at 0 %."""
        return "S" if self.vat_rate else _CATEGORIES.get(self.code, "S")


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice or a credit note; `title` becomes the buyer reference (design R10)."""

    seller: Party
    buyer: Party
    purchase_order: str
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Writing:
    """What Billit writes where its documents leave it open (docs/unknowns.md has a switch for each).

    `outside_scope`: "plain" without numbers and rate, as EN 16931 wants it, or with "numbers", or with a "rate";
    `exemption_reasons`: whether 0 % is given a reason; `turns_prices`: a negative price becomes a negative quantity."""

    outside_scope: str = "plain"
    exemption_reasons: bool = True
    turns_prices: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that fails: the official rules that would, and what its sentence names."""

    check: Check
    rules: tuple[str, ...]
    facts: Mapping[str, str]


_Found = Failure | None


def failures(document: Document, writing: Writing) -> list[Failure]:
    """What Peppol would refuse in a document; empty when nothing."""
    found = (check(document, writing) for check in _CHECKS)
    return [failure for failure in found if failure is not None]


def vat_number_of(party: Party) -> str:
    """A party's VAT number without blanks and signs, in capitals, with the prefix that ten digits lack; "" where the
    field holds none ("in aanvraag")."""
    compact = re.sub(r"[^A-Z0-9]", "", party.vat_number.upper())
    if re.fullmatch("[0-9]{10}", compact):
        return f"BE{compact}"
    return compact if compact[:2].isalpha() and any(map(str.isdigit, compact[2:])) else ""


def _texts(document: Document) -> list[str]:
    lines = [text for line in document.lines for text in (line.description, line.description_extended, line.reference)]
    reasons = [line.discount_reason for line in document.lines]
    return [document.seller.name, document.buyer.name, document.purchase_order, document.title, *lines, *reasons]


def _characters(document: Document, writing: Writing) -> _Found:
    broken = next((text for text in _texts(document) if NOT_XML.search(text)), None)
    return None if broken is None else Failure(Check.characters, (XML,), {"text": NOT_XML.sub("", broken)[:80]})


def _blank_texts(document: Document, writing: Writing) -> _Found:
    blank = any(text and not text.strip(_BLANK) for text in _texts(document))
    rules = ("PEPPOL-EN16931-R008", "BR-06", "BR-07", "BR-25")
    return Failure(Check.blank_texts, rules, {}) if blank else None


def _names(document: Document, writing: Writing) -> _Found:
    nameless = {
        rule: party for rule, party in (("BR-06", document.seller), ("BR-07", document.buyer)) if not party.name
    }
    return Failure(Check.names, tuple(nameless), _named(next(iter(nameless.values())))) if nameless else None


def _line_texts(document: Document, writing: Writing) -> _Found:
    bare = next((place for place, line in enumerate(document.lines, start=1) if not line.description), None)
    return None if bare is None else Failure(Check.line_texts, ("BR-25",), {"line": str(bare)})


def _buyers_reference(document: Document, writing: Writing) -> _Found:
    given = document.title or document.purchase_order
    return None if given else Failure(Check.buyers_reference, ("PEPPOL-EN16931-R003",), {})


def _seller_number(document: Document, writing: Writing) -> _Found:
    rules = ("PEPPOL-EN16931-R020", "BR-CO-26", *_NUMBER_RULES)
    return None if vat_number_of(document.seller) else Failure(Check.seller_number, rules, _named(document.seller))


def _vat_prefixes(document: Document, writing: Writing) -> _Found:
    """A prefix that is no country's. Outside scope no number is written, but a country may be read from it, and the
    seller's address at Peppol."""
    is_plain = writing.outside_scope != "numbers" and any(line.category == "O" for line in document.lines)
    for party in (document.seller, document.buyer):
        number = vat_number_of(party)
        is_unread = is_plain and bool(party.country) and party is document.buyer
        if number and number[:2] not in _COUNTRIES | _OTHER_PREFIXES and not is_unread:
            rules = ("BR-CO-09", "BR-CL-14", "BR-CO-26", "PEPPOL-EN16931-R020")
            return Failure(Check.vat_prefixes, rules, _named(party))
    return None


def _check_digits(document: Document, writing: Writing) -> _Found:
    broken: dict[str, Party] = {}
    for party in (document.seller, document.buyer):
        number = vat_number_of(party)
        if number.startswith("BE") and not _is_belgian(number[2:]):
            broken.setdefault("PEPPOL-COMMON-R043", party)
        if number.startswith("DK") and not re.fullmatch("DK[0-9]{8}", number):
            broken.setdefault("PEPPOL-COMMON-R042", party)
    # The seller's first: the sentence names one at a time.
    return Failure(Check.check_digits, tuple(broken), _named(next(iter(broken.values())))) if broken else None


def _is_belgian(digits: str) -> bool:
    """The rule asks nothing of the first digit, as the register does."""
    return bool(re.fullmatch("[0-9]{10}", digits)) and 97 - int(digits[:8]) % 97 == int(digits[8:])


def _countries(document: Document, writing: Writing) -> _Found:
    for party in (document.seller, document.buyer):
        if party.country and party.country not in _COUNTRIES:
            return Failure(
                Check.countries, ("BR-CL-14", "BR-11", "BR-IC-12"), {**_named(party), "country": party.country}
            )
    return None


def _vat_codes(document: Document, writing: Writing) -> _Found:
    for place, line in enumerate(document.lines, start=1):
        if line.category == "S" and not line.vat_rate:
            return Failure(Check.vat_codes, ("BR-S-05",), {"line": str(place), "vat_code": str(line.code)})
    return None


def _outside_scope_alone(document: Document, writing: Writing) -> _Found:
    categories = {line.category for line in document.lines}
    # Beside hours outside scope either no VAT number may stand, which the others need, or one that those forbid.
    rules = ("BR-O-11", "BR-O-12", "BR-O-02", *_NUMBER_RULES)
    return Failure(Check.outside_scope_alone, rules, {}) if "O" in categories and len(categories) > 1 else None


def _outside_scope_written(document: Document, writing: Writing) -> _Found:
    if writing.outside_scope == "plain" or not any(line.category == "O" for line in document.lines):
        return None
    rules = ("BR-O-02",) if writing.outside_scope == "numbers" else ("BR-O-05",)
    return Failure(Check.outside_scope_written, rules, {})


def _reverse_charge_number(document: Document, writing: Writing) -> _Found:
    return _needs_number(document, "AE", Check.reverse_charge_number, "BR-AE-02")


def _eu_services_number(document: Document, writing: Writing) -> _Found:
    return _needs_number(document, "K", Check.eu_services_number, "BR-IC-02")


def _needs_number(document: Document, category: str, check: Check, rule: str) -> _Found:
    if vat_number_of(document.buyer) or not any(line.category == category for line in document.lines):
        return None
    return Failure(check, (rule,), _named(document.buyer))


def _exemption_reasons(document: Document, writing: Writing) -> _Found:
    rules = {_REASON_RULES[line.category] for line in document.lines if line.category in _REASON_RULES}
    if writing.exemption_reasons or not rules:
        return None
    return Failure(Check.exemption_reasons, tuple(sorted(rules)), {})


def _negative_prices(document: Document, writing: Writing) -> _Found:
    for place, line in enumerate(document.lines, start=1):
        if line.unit_price < 0 and not writing.turns_prices:
            return Failure(Check.negative_prices, ("BR-27",), {"line": str(place)})
    return None


def _named(party: Party) -> dict[str, str]:
    return {"party": party.name, "number": party.vat_number}


_CHECKS: tuple[Callable[[Document, Writing], _Found], ...] = (
    _characters,
    _blank_texts,
    _names,
    _line_texts,
    _buyers_reference,
    _seller_number,
    _vat_prefixes,
    _check_digits,
    _countries,
    _vat_codes,
    _outside_scope_alone,
    _outside_scope_written,
    _reverse_charge_number,
    _eu_services_number,
    _exemption_reasons,
    _negative_prices,
)
