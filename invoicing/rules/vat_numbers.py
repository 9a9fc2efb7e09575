"""VAT and enterprise numbers: how they are found in a client's name, checked and compared (design R3).

A number is normalised when it is its EU prefix and what follows, without blanks, dots and hyphens: `BE0563846944`.
Check digits are those of python-stdnum.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stdnum.be import vat as belgian_vat
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

# python-stdnum names Greece by its country code GR; its VAT prefix is EL.
_PREFIXES = frozenset(state.upper() for state in eu_vat.MEMBER_STATES) | {"EL"}
_PREFIX = "(?:" + "|".join(sorted(_PREFIXES)) + ")"
_SEPARATORS = re.compile(rf"""[\s,;:/|()\[\]"']|-(?={_PREFIX}[0-9])""", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9][0-9.\-]*")
_BARE = re.compile(r"[0-9]{9,10}")
_LOOKS_PREFIXED = re.compile(rf"{_PREFIX}(?=(?:[A-Z]*[0-9]){{6}})[A-Z0-9]{{8,12}}")
_FOREIGN = re.compile(r"(?!BE)[A-Z]{2}(?=(?:[A-Z]*[0-9]){6})[A-Z0-9]+")

# What may be left around a number that is taken out of a name; \0 marks its place.
_LEFT_OVER = r"[\s,;:/|_#\-–—]"
_LABEL = re.compile(
    r"(?<!\w)(?:(?:tva|btw|vat|mwst|ust|kbo|bce)(?:[\s.\-]*(?:n[°º]|nr|no|numéro|nummer|number))?|n[°º])"
    rf"(?:{_LEFT_OVER}|[.])*\0",
    re.IGNORECASE,
)
_WRAPPED = re.compile(rf"""(?:\({_LEFT_OVER}*\0{_LEFT_OVER}*\)|\[{_LEFT_OVER}*\0{_LEFT_OVER}*\]|(["'])\0\1)""")
_GAP = re.compile(rf"({_LEFT_OVER}*)\0({_LEFT_OVER}*)")


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


def _words(name: str) -> list[_Word]:
    words = []
    start = 0
    for end, following in [*(match.span() for match in _SEPARATORS.finditer(name)), (len(name), len(name))]:
        text = name[start:end].strip(".-_#")
        if text:
            words.append(_Word(text, start, end))
        start = following
    return words


def _candidates(words: Sequence[_Word]) -> Iterator[_Word]:
    yield from words
    first = 0
    while first < len(words):
        last = first
        while last < len(words) and _DIGITS.fullmatch(words[last].text):
            last += 1
        if last == first:
            first += 1
            continue
        run = words[first:last]
        joined = "".join(word.text for word in run)
        if len(run) > 1:
            yield _Word(joined, run[0].start, run[-1].end)
        if first and words[first - 1].text in _PREFIXES:
            country = words[first - 1]
            yield _Word(country.text + run[0].text, country.start, run[0].end)
            if len(run) > 1:
                yield _Word(country.text + joined, country.start, run[-1].end)
        first = last


def _compact(candidate: str) -> str:
    return candidate.replace(".", "").replace("-", "").upper() if candidate.isascii() else ""


def _check(compact: str) -> str:
    """The normalised number, or "" when its check digit or its form is wrong."""
    try:
        if _BARE.fullmatch(compact):
            return "BE" + belgian_vat.validate(compact)
        if compact.isalnum() and compact[:2] in _PREFIXES and not compact.isalpha():
            number = eu_vat.validate(compact)
            return "EL" + number[2:] if number.startswith("GR") else number
    except ValidationError:
        return ""
    return ""


def _looks_like_a_number(compact: str) -> bool:
    return bool(_BARE.fullmatch(compact) or _LOOKS_PREFIXED.fullmatch(compact))


def numbers_in(name: str) -> tuple[tuple[str, ...], bool]:
    """All distinct numbers in a name, normalised, in its order, and whether something in it at least looks like one."""
    found = sorted(_candidates(_words(name)), key=lambda candidate: candidate.start)
    compacts = [_compact(candidate.text) for candidate in found]
    numbers = dict.fromkeys(number for compact in compacts if (number := _check(compact)))
    return tuple(numbers), any(map(_looks_like_a_number, compacts))


def rest_of_name(name: str) -> str:
    """A name without the words that make its numbers, their labels and left-over separators; "" if nothing is left."""
    characters = list(name)
    for word in _candidates(_words(name)):
        if _check(_compact(word.text)):
            characters[word.start : word.end] = "\0" * (word.end - word.start)
    rest, before = re.sub("\0+", "\0", "".join(characters)), ""
    while rest != before:
        before, rest = rest, _WRAPPED.sub("\0", _LABEL.sub("\0", rest))
    rest = _GAP.sub(_gap, rest)
    for opening, closing in ("()", "[]"):
        if rest.count(opening) != rest.count(closing):
            rest = rest.replace(opening, " ").replace(closing, " ")
    return " ".join(rest.split()) if any(map(str.isalnum, rest)) else ""


def _gap(match: re.Match[str]) -> str:
    """What stays where a number was taken out: one separator; none at an end of the name or beside a bracket."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    if not before or not after or before[-1] in "([" or after[0] in ")]":
        return ""
    left, right = match.group(1), match.group(2)
    return left if left.strip() else right if right.strip() else " "


def name_without_number(name: str) -> str:
    """What `rest_of_name` leaves of a client's name, else its number: the name of a customer that Billit does not have
    yet (design R3)."""
    return rest_of_name(name) or next(iter(numbers_in(name)[0]), "")


def normalise_number(text: str) -> str:
    """A valid EU VAT number or bare Belgian enterprise number as prefix and digits, e.g. `BE0563846944`; else "".

    Blanks, dots, hyphens and slashes do not count, nor does case."""
    return _check(_compact(re.sub(r"[\s/]", "", text)))


def customer_number(text: str) -> str:
    """The number of a Billit customer as the rules compare it: normalised when it is valid, else bare when it has the
    form of a foreign number (Swiss, British, mistyped), so that R6 still sees that it is foreign; "" for all else."""
    compact = _compact(re.sub(r"[\s/]", "", text))
    return _check(compact) or (compact if _FOREIGN.fullmatch(compact) else "")


def country_code(text: str) -> str:
    """A country as its ISO 3166-1 code, also where its VAT prefix is another (Greece, Northern Ireland); "" for what is
    no code of two letters."""
    code = text.strip().upper()
    return {"EL": "GR", "XI": "GB", "UK": "GB"}.get(code, code) if re.fullmatch("[A-Z]{2}", code) else ""


def country_of(number: str) -> str:
    """The country of a normalised number, as `country_code` gives it."""
    return country_code(number[:2])
