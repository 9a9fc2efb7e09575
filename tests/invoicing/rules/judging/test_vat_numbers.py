import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.judging.mapping import Reason, customer_number, name_without_number, normalise_number, read_number
from tests.invoicing.strategies import belgian_number, quick

BAKERY = belgian_number(1)  # BE0999000129
GARAGE = belgian_number(2)  # BE0999000228


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("BE0563846944", "BE0563846944"),
        ("Billit BE0563846944", "Billit"),
        ("BE0563846944 Billit", "Billit"),
        ("BE 0563.846.944", "BE0563846944"),
        ("Billit (TVA: BE 0563 846 944)", "Billit"),
        ("0563.846.944 Billit", "Billit"),
        ("be0563846944", "BE0563846944"),
    ],
)
def test_read_number_in_each_notation_of_the_manual(name: str, rest: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == ("BE0563846944", None, ("BE0563846944",))
    assert name_without_number(name) == rest


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("Bakery-BE0999000129", "Bakery"),
        ("Bakery-be0999000129", "Bakery"),
        ("BE-0999-000-129 Bakery", "Bakery"),
        ("Bakery BE999000129", "Bakery"),
        ("Bakery - 0999 000 129 - Ghent", "Bakery - Ghent"),
        ("Bakery; BTW nr. BE0999.000.129", "Bakery"),
        ("Bakery n° 0999 000 129", "Bakery"),
        ("TVA/BTW: BE0999000129 Bakery", "Bakery"),
        ("Bakery TVA (BE0999000129)", "Bakery"),
        ("TVA BE0999000129", "BE0999000129"),
        ("'BE0999000129' Bakery", "Bakery"),
        ('"Bakery" [BE0999000129]', '"Bakery"'),
        ("Bakery #BE0999000129_", "Bakery"),
        ("Bakery N.V. BE0999000129.", "Bakery N.V."),
        ("Bakery (BE0999000129, Ghent)", "Bakery (Ghent)"),
        ("Bakery, BE0999000129, Ghent", "Bakery, Ghent"),
        ("Bakery (BE0999000129", "Bakery"),
        ("(BE) 0999000129 Bakery", "Bakery"),
        ("Bakery\u00a0BE\u202f0999\u00a0000\u00a0129", "Bakery"),
        ("BE0999000129 / 0999.000.129 Bakery", "Bakery"),
        ("BE 0999000129 2026", "2026"),
        ("2 (BE 0999 000 129)", "2"),
        ("Bakery-BE 0999000129", "Bakery-BE"),
        ("be 0999 000 129 Bakery", "be Bakery"),
    ],
)
def test_read_number_in_other_belgian_notations(name: str, rest: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == (BAKERY, None, (BAKERY,))
    assert name_without_number(name) == rest


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("Winery LU99999984", "LU99999984"),
        ("Winery LU 999 999 84", "LU99999984"),
        ("Winery-lu99999984", "LU99999984"),
        ("Weingut ATU99999993", "ATU99999993"),
        ("Weingut DE 999 999 995", "DE999999995"),
        ("Wijnhandel NL999999990B01", "NL999999990B01"),
        ("Wijnhandel NL9999.99.990.B01", "NL999999990B01"),
        ("Vignoble FR 11 999999998", "FR11999999998"),
        ("Winery EL999999993", "EL999999993"),
        ("Winery GR 999999993", "EL999999993"),
        ("Winery XI999990021", "XI999990021"),
    ],
)
def test_read_number_of_another_member_state(name: str, number: str) -> None:
    assert read_number(name).number == number


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("BE0999000129 BE0999000228", (BAKERY, GARAGE)),
        ("Garage 0999.000.228 and Bakery (TVA: BE 0999 000 129)", (GARAGE, BAKERY)),
        ("BE0999000129-BE0999000228", (BAKERY, GARAGE)),
        ("Winery LU99999984, Bakery 999000129", ("LU99999984", BAKERY)),
    ],
)
def test_read_number_with_several_numbers(name: str, numbers: tuple[str, ...]) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == ("", Reason.several_vats, numbers)


@pytest.mark.parametrize(
    "name",
    [
        "Bakery 999000129",
        "Bakery 999.000.129",
        "Bakery 09 99 00 01 29",
        "Bakery 0999.000129",
        "NL 0999000129",
        "Bakery 0999.000.129 CHE",
        "Bakery 0999.000.129 (NL123)",
        "Bakery 0999.000.129 B01",
        "SIREN 0999000129",
        "Bakery T.é.l. 0999.000.129",
        "Mobile: 0999000129",
        "0999 000 129, S.I.R.E.T",
    ],
)
def test_a_bare_number_beside_a_sign_of_another_is_unsure(name: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == ("", Reason.unsure_vat, (BAKERY,))


@pytest.mark.parametrize(
    "name",
    [
        "Bakery 0999000129",
        "Bakery 0999.000.129",
        "Bakery 0999-000-129",
        "Bakery 0999 000 129",
        "Bakery (0999\u00a0000 129)",
        "12 (0999 000 129)",  # what a bracket parts is no run
        "12 - 0999 000 129",  # nor what a dash parts
        "Tel. BE0999000129",
        "SIREN 999000129 BE 0999 000 129",
        "Bakery ch 0999000129",  # a country is meant by capitals
        "CH Bakery 0999000129",  # and beside the number
        "B\u00adE0999000129",
        "Ｂakery ０９９９.０００.１２９",
        "Bakery BE 0999‑000‑129",
    ],
)
def test_a_number_in_a_belgian_form_is_sure(name: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == (BAKERY, None, (BAKERY,))


@pytest.mark.parametrize(
    ("grouped", "sure"),
    [("{}.{}.{}", True), ("{}{}{}", True), ("{} {} {}", False), ("{}-{}-{}", False), ("BE {} {} {}", True)],
)
def test_a_number_that_looks_like_a_mobile_telephone_is_sure_by_its_dots(grouped: str, sure: bool) -> None:
    number = next(f"{first:08d}{97 - first % 97:02d}" for first in range(4750000, 4760000))
    reading = read_number("Bakery " + grouped.format(number[:4], number[4:7], number[7:]))
    assert reading.numbers == (f"BE{number}",)
    assert reading.reason is (None if sure else Reason.unsure_vat)


@pytest.mark.parametrize(
    "name",
    [
        "Bakery BE0999000128",
        "Bakery BE 0999 000 128",
        "Bakery 0999.000.128",
        "Bakery 999000128",
        "Bakery BE0999000129X",
        "Winery LU99999985",
        "Winery lu99999985",
        "Winery FR12999999998",
        "Wijnhandel NL999999991B01",
        "Design DEAB123456",
        "Plumber 0470 00 00 01",
    ],
)
def test_read_number_that_only_looks_like_one(name: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == ("", Reason.invalid_vat, ())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Bakery",
        "Bakery 2026",
        "Bakery 12345678",
        "Bakery 12345678901",
        "Bakery BE",
        "Bakery BE12345",
        "BELGIANBAKER",
        "DESIGN12345",
        "Bakery BE1234567",
        "Wijnhandel NL999999991B01X",
        "12 0999 000 129",  # one longest run of digits, and no part of it counts
        "BE0999 000 129",  # the country code must stand alone before a run
        "lu 999 999 84",  # and in capitals
        "Bakery BE_0999000129",
        "Bakery-ATU99999993",  # no digit right behind the country code
        "Bakery US999000129",
        "Bakery BE٠٩٩٩٠٠٠١٢٩",  # digits of another script are none of a VAT number
    ],
)
def test_read_number_without_any(name: str) -> None:
    reading = read_number(name)
    assert (reading.number, reading.reason, reading.numbers) == ("", Reason.no_vat, ())


def test_name_without_number_keeps_a_name_without_one() -> None:
    assert name_without_number("Bakery (Ghent) - West") == "Bakery (Ghent) - West"


def test_name_without_number_takes_out_all_of_several() -> None:
    assert name_without_number(f"{BAKERY} Bakery / {GARAGE}") == "Bakery"


@given(
    serial=st.integers(0, 999), cut=st.sampled_from([(0,), (4,), (4, 7), (2, 6)]), glue=st.sampled_from([" ", ".", "-"])
)
@quick
def test_read_number_however_it_is_cut(serial: int, cut: tuple[int, ...], glue: str) -> None:
    number = belgian_number(serial)
    digits = number[2:]
    parts = [digits[start:end] for start, end in zip((0, *cut), (*cut, 10), strict=True) if digits[start:end]]
    assert read_number(f"Bakery (BE {glue.join(parts)})").numbers == (number,)


@given(name=st.text(max_size=60))
@quick
def test_read_number_of_any_text_is_one_number_or_one_reason(name: str) -> None:
    reading = read_number(name)
    assert (len(reading.numbers) == 1) == bool(reading.number) == (reading.reason is None)
    assert all(normalise_number(number) == number for number in reading.numbers)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("be 0999.000.129", BAKERY),
        ("0999/000/129", BAKERY),
        ("999000129", BAKERY),
        ("LU 9999 9984", "LU99999984"),
        ("GR999999993", "EL999999993"),
        ("BE0999000128", ""),
        ("CHE-999.999.996", ""),
        ("TVA BE0999000129", ""),
        ("", ""),
    ],
)
def test_normalise_number(text: str, number: str) -> None:
    assert normalise_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("BE 0999 000 129", BAKERY),
        ("CHE-999.999.996 MWST", "CHE999999996MWST"),
        ("GB 999 9999 73", "GB999999973"),
        ("FR12999999998", "FR12999999998"),
        ("BE0999000128", ""),
        ("n/a", ""),
        ("", ""),
    ],
)
def test_customer_number_keeps_a_foreign_form(text: str, number: str) -> None:
    assert customer_number(text) == number
