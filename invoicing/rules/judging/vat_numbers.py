"""VAT and enterprise numbers: how they are found in a client's name, checked and compared (design R3).

A number is normalised when it is its EU prefix and what follows, without blanks, dots and hyphens: `BE0563846944`.
Check digits are those of python-stdnum.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from stdnum.be import vat as belgian_vat
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

from invoicing.rules.text import same_case_key

# python-stdnum names Greece by its country code GR; its VAT prefix is EL.
_PREFIXES = frozenset(state.upper() for state in eu_vat.MEMBER_STATES) | {"EL"}
_PREFIX = "(?:" + "|".join(sorted(_PREFIXES)) + ")"
_SEPARATORS = re.compile(rf"""[\s,;:/|=()\[\]"']|-(?={_PREFIX}[0-9])""", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9][0-9.\-]*")
_BARE = re.compile(r"[0-9]{9,10}")
_LOOKS_PREFIXED = re.compile(rf"{_PREFIX}(?=(?:[A-Z]*[0-9]){{6}})[A-Z0-9]{{8,12}}")
_FOREIGN = re.compile(r"(?!BE)[A-Z]{2}(?=(?:[A-Z]*[0-9]){6})[A-Z0-9]+")

# What says that the digits beside it are no Belgian number: another country, or another register or a telephone.
_OTHER_COUNTRIES = (_PREFIXES - {"BE"}) | {"GR", "XI", "GB", "UK", "CH", "CHE", "NO"}
_OTHER_GLUED = re.compile("(?:" + "|".join(sorted(_OTHER_COUNTRIES, key=len, reverse=True)) + ")[0-9]")
_OTHER_SUFFIX = re.compile(r"B[0-9]{2}")
_OTHER_REGISTERS = ("siren", "siret", "kvk", "mwst", "ust", "mva")
_TELEPHONES = ("tel", "tél", "téléphone", "telefoon", "phone", "gsm", "mobile", "mobiel", "fax")
_OTHER_WORDS = frozenset({*_OTHER_REGISTERS, *_TELEPHONES})
# Grouped so, Belgian numbers look like mobile telephones, which are written with blanks, slashes or hyphens.
_LIKE_MOBILES = ("045", "046", "047", "048", "049")

# What may be left around a number that is taken out of a name; \0 marks its place.
_LEFT_OVER = r"[\s,;:/|_#\-–—]"
_LABEL = re.compile(
    r"(?<!\w)(?:(?:tva|btw|vat|mwst|ust|kbo|bce)(?:[\s.\-]*(?:n[°º]|nr|no|numéro|nummer|number))?|n[°º])"
    rf"(?:{_LEFT_OVER}|[.])*\0",
    re.IGNORECASE,
)
_WRAPPED = re.compile(rf"""(?:\({_LEFT_OVER}*\0{_LEFT_OVER}*\)|\[{_LEFT_OVER}*\0{_LEFT_OVER}*\]|(["'])\0\1)""")
_GAP = re.compile(rf"({_LEFT_OVER}*)\0({_LEFT_OVER}*)")

# The names and numbers of a firm's clients and customers are read for each portion of hours that is judged.
_KEPT = lru_cache(maxsize=20_000)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What may be a number: `text` joined, `parts` as they stand in the name, `first` and `last` by their places among
    the words. `country`: that word before it is part of it."""

    text: str
    parts: tuple[str, ...]
    first: int
    last: int
    country: bool = False


def _words(name: str) -> list[_Word]:
    words = []
    start = 0
    for end, following in [*(match.span() for match in _SEPARATORS.finditer(name)), (len(name), len(name))]:
        text = name[start:end].strip(".-_#")
        if text:
            words.append(_Word(text, start, end))
        start = following
    return words


def _candidates(name: str, words: Sequence[_Word]) -> Iterator[_Candidate]:
    for place, word in enumerate(words):
        yield _Candidate(word.text, (word.text,), place, place)
    for first, last in _runs(name, words):
        parts = tuple(word.text for word in words[first : last + 1])
        country = words[first - 1].text if first and words[first - 1].text in _PREFIXES else ""
        if last > first:
            yield _Candidate("".join(parts), parts, first, last)
            if country:
                yield _Candidate(country + "".join(parts), parts, first - 1, last, country=True)
        if country:
            yield _Candidate(country + parts[0], parts[:1], first - 1, first, country=True)


def _runs(name: str, words: Sequence[_Word]) -> Iterator[tuple[int, int]]:
    """First and last of the words of digits, dots and hyphens that nothing but blanks parts."""
    first = 0
    while first < len(words):
        if not _DIGITS.fullmatch(words[first].text):
            first += 1
            continue
        last = first
        while (
            last + 1 < len(words)
            and _DIGITS.fullmatch(words[last + 1].text)
            and name[words[last].end : words[last + 1].start].isspace()
        ):
            last += 1
        yield first, last
        first = last + 1


def _is_sure(candidate: _Candidate, compact: str, words: Sequence[_Word]) -> bool:
    """Whether a valid number is meant as one: with its prefix, or bare in a Belgian form without a sign of another."""
    if not compact.isdigit():
        return True
    joined = " ".join(candidate.parts)
    groups = [len(group) for group in re.split(r"[.\- ]+", joined)]
    by_dots = not re.search(r"[\- ]", joined)
    grouped = groups == [4, 3, 3] and (by_dots or not compact.startswith(_LIKE_MOBILES))
    return (groups == [10] or grouped) and not _another(candidate, words)


def _another(candidate: _Candidate, words: Sequence[_Word]) -> bool:
    beside = [words[place].text for place in (candidate.first - 1, candidate.last + 1) if 0 <= place < len(words)]
    return any(word in _OTHER_COUNTRIES for word in beside) or any(
        _OTHER_GLUED.match(word.text)
        or _OTHER_SUFFIX.fullmatch(word.text)
        or word.text.replace(".", "").casefold() in _OTHER_WORDS
        for word in words
    )


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


@dataclass(frozen=True, slots=True)
class Found:
    """What a name has of numbers: all distinct valid ones, normalised, in its order; those of them that are sure; and
    whether something in it at least looks like a number."""

    numbers: tuple[str, ...]
    sure: frozenset[str]
    looks_like_one: bool


@_KEPT
def numbers_in(name: str) -> Found:
    """The numbers of a client's name, which is read as ``text.same_case_key`` gives it."""
    name = same_case_key(name)
    words = _words(name)
    found = sorted(_candidates(name, words), key=lambda candidate: candidate.first)
    compacts = [_compact(candidate.text) for candidate in found]
    numbers = [_check(compact) for compact in compacts]
    sure = {
        number
        for number, compact, candidate in zip(numbers, compacts, found, strict=True)
        if number and _is_sure(candidate, compact, words)
    }
    distinct = dict.fromkeys(number for number in numbers if number)
    return Found(tuple(distinct), frozenset(sure), any(map(_looks_like_a_number, compacts)))


@_KEPT
def rest_of_name(name: str) -> str:
    """A name without the words that make its numbers, their labels and left-over separators; "" if nothing is left."""
    name = same_case_key(name)
    words = _words(name)
    characters = list(name)
    for candidate in _candidates(name, words):
        if _check(_compact(candidate.text)):
            start, end = words[candidate.first].start, words[candidate.last].end
            characters[start:end] = "\0" * (end - start)
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
    return rest_of_name(name) or next(iter(numbers_in(name).numbers), "")


@_KEPT
def normalise_number(text: str) -> str:
    """A valid EU VAT number or bare Belgian enterprise number as prefix and digits, e.g. `BE0563846944`; else "".

    Blanks, dots, hyphens and slashes do not count, nor does case; read as ``text.same_case_key`` gives it."""
    return _check(_without_separators(text))


def _without_separators(text: str) -> str:
    return _compact(re.sub(r"[\s/]", "", same_case_key(text)))


@_KEPT
def customer_number(text: str) -> str:
    """The number of a Billit customer as the rules compare it, normalised: read as in a name, so that words beside it
    (`BTW BE...`, `BE... RPR Gent`) do not count; else bare when it has the form of a foreign number (Swiss, British,
    mistyped), so that R6 still sees that it is foreign; "" for all else."""
    compact = _without_separators(text)
    if number := _check(compact):
        return number
    found = numbers_in(text)
    if len(found.numbers) == 1 and found.sure:
        return found.numbers[0]
    return compact if _FOREIGN.fullmatch(compact) else ""


def country_code(text: str) -> str:
    """A country as its ISO 3166-1 code, also where its VAT prefix is another (Greece, Northern Ireland); "" for what is
    no code of two letters."""
    code = text.strip().upper()
    return {"EL": "GR", "XI": "GB", "UK": "GB"}.get(code, code) if re.fullmatch("[A-Z]{2}", code) else ""


def country_of(number: str) -> str:
    """The country of a normalised number, as `country_code` gives it."""
    return country_code(number[:2])
