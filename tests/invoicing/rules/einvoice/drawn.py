"""Invoices as Hypothesis draws them: most parts sound, some broken in a way that data can break them."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from invoicing.rules.einvoice import Document, Line, Party, Writing

BELGIAN = ("BE0403019261", "BE 0403.019.261", "BE0563846944", "be0200362210", "0403.019.261", "BE1000000021")
_ABROAD = (
    "ATU13585627 BG175074752 CY10259033P CZ25123891 DE136695976 DK13585628 EE100931558 EL094259216 ESB58378431 "
    "FI20774740 FR40303265045 HR33392005961 HU12892312 IE6433435F IT00743110157 LT119511515 LU15027442 "
    "LV40003521600 MT11679112 NL810433941B01 PL8567346215 PT501964843 RO18547290 SE556036079301 SI50223054 "
    "SK2022749619 CHE107787577 GB980780684 XI980780684"
)
FOREIGN = tuple(_ABROAD.split())
NO_SCHEME = ("US123456789", "NO995525828")
BROKEN_NUMBERS = ("BE0403019262", "BE403019261", "BE04030192610", "UK980780684", "ZZ12345678")
BROKEN_ABROAD = ("DK1358562",)
GREECE = "EL"
NO_NUMBERS = ("", "BTW in aanvraag", "-")
COUNTRIES = ("", "BE", "NL", "GR", "DE", "US", "1A")
BROKEN_COUNTRIES = ("UK", "be", "Belgique", "XK")
# A blank to the eye that no rule takes for one, and signs that XML escapes, stand among the sound ones.
TEXTS = (
    "Conseil",
    "Advies · 01/10/2026",
    "Überprüfung & <Prüfung>",
    "\u00a0",
    "\u200b",
    "a\nb",
    "x" * 512,
    '"',
    "😀" * 40,
)
BLANK_TEXTS = (" ", "\t", "\n ")
UNREADABLE_TEXTS = ("a\x0bb", "\x00", "\ufffe", "\x1f")
# (rate, code): domestic, reverse charge, EU services, outside scope, and what nobody posts on purpose.
TAXES = ((21, 4), (12, 3), (6, 2), (0, 1), (0, 21), (0, 55), (0, 22), (0, 101), (0, 24))
BROKEN_TAXES = ((0, 4), (0, 2))


def _mostly(sound: SearchStrategy[str], *broken: tuple[str, ...], one_in: int = 25) -> SearchStrategy[str]:
    bad = st.sampled_from([each for group in broken for each in group])
    return st.integers(1, one_in).flatmap(lambda number: bad if number == one_in else sound)


@st.composite
def texts(draw: DrawFn, *, may_lack: bool = True) -> str:
    """A text; "" where it may be left out."""
    sound = st.sampled_from(TEXTS + (("", "") if may_lack else ()))
    free = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc"]), min_size=1)
    return draw(_mostly(sound | free, BLANK_TEXTS, UNREADABLE_TEXTS, one_in=80))


@st.composite
def parties(draw: DrawFn, *, is_seller: bool) -> Party:
    """A party. Buyers are from everywhere; sellers are Belgian: other countries have rules of their own for theirs."""
    sound = st.sampled_from(BELGIAN) if is_seller else st.sampled_from(BELGIAN * 5 + FOREIGN)
    number = draw(_mostly(sound, BROKEN_NUMBERS, NO_NUMBERS, () if is_seller else BROKEN_ABROAD + NO_SCHEME))
    broken = BROKEN_COUNTRIES if is_seller else (*BROKEN_COUNTRIES, GREECE)
    country = draw(_mostly(st.sampled_from(("", "BE") if is_seller else COUNTRIES), broken))
    name = draw(texts(may_lack=False)) if draw(st.integers(1, 60)) < 60 else ""
    return Party(name, number, country)


@st.composite
def lines(draw: DrawFn, tax: tuple[int, int]) -> Line:
    """A line of hours, or one that corrects an earlier invoice."""
    quantity = draw(st.decimals("0.01", "999", places=2))
    price = draw(st.decimals("0.01", "500", places=2))
    kind = draw(st.sampled_from(("hours",) * 8 + ("correction",) * 2 + ("negative_price",)))
    rate, code = tax
    return Line(
        quantity=-quantity if kind == "correction" else quantity,
        unit_price=-price if kind == "negative_price" and draw(st.integers(1, 6)) == 6 else price,
        description=draw(texts(may_lack=False)) if draw(st.integers(1, 80)) < 80 else "",
        description_extended=draw(texts()),
        reference=draw(texts()),
        vat_rate=Decimal(rate),
        code=code,
        discount_reason=draw(texts()) if draw(st.integers(1, 4)) == 4 else "",
    )


@st.composite
def documents(draw: DrawFn) -> Document:
    """An invoice: mostly of one treatment, at times of several."""
    taxes = st.sampled_from(TAXES) if draw(st.integers(1, 40)) < 40 else st.sampled_from(TAXES + BROKEN_TAXES)
    several = draw(st.integers(1, 4)) == 4
    first = draw(taxes)
    count = draw(st.integers(1, 4))
    return Document(
        seller=draw(parties(is_seller=True)),
        buyer=draw(parties(is_seller=False)),
        purchase_order=draw(st.sampled_from(("", "4500012345")) | texts()),
        title=draw(st.sampled_from(("Octobre 2026", "Octobre 2026", "Dept. 7")) | texts()),
        lines=tuple(draw(lines(draw(taxes) if several else first)) for _ in range(count)),
    )


def writings() -> SearchStrategy[Writing]:
    """What Billit may write: as we take it for granted in most, else one of the other readings."""
    usual = st.just(Writing())
    other = st.builds(
        Writing,
        outside_scope=st.sampled_from(("plain", "numbers", "rate")),
        exemption_reasons=st.booleans(),
        turns_prices=st.booleans(),
    )
    return st.integers(1, 4).flatmap(lambda number: other if number == 4 else usual)
