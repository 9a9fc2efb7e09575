"""The part of OData that Billit's lists understand: $filter, $orderby, $top, $skip, and pages of at most 120 rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from integrations.sandbox.http.wire import Record

PAGE = 120

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<date>datetime(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"))
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<number>-?\d+(?:\.\d+)?)[mMdDfFlL]?(?![\w/])
      | (?P<name>[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*)
      | (?P<bracket>[()])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPARISONS = {"eq", "ne", "gt", "ge", "lt", "le"}

Condition = Callable[[Record], bool]


class ODataError(ValueError):
    """A filter or order that Billit would refuse; the text is for the answer's Description."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # date, text, number, name, bracket, end
    text: str
    value: Any = None


def _tokens(text: str) -> list[Token]:
    tokens = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise ODataError(f"Syntax error at position {position} in '{text}'.")
        position = match.end()
        tokens.append(_token(match))
    return [*tokens, Token("end", "the end")]


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup if match.lastgroup in {"text", "number", "name", "bracket"} else "date"
    text = match[kind]
    if kind == "date":
        literal = match["single"] if match["single"] is not None else match["double"]
        try:
            moment = datetime.fromisoformat(literal)
        except ValueError:
            raise ODataError(f"Unrecognized 'Edm.DateTime' literal '{text}'.") from None
        return Token(kind, text, moment.replace(tzinfo=None))
    if kind == "text":
        return Token(kind, text, text[1:-1].replace(text[0] * 2, text[0]))
    if kind == "number":
        return Token(kind, text, Decimal(text))
    return Token(kind, text)


class _Parser:
    """or binds weaker than and; a comparison is property, operator, literal (in either order)."""

    def __init__(self, text: str, properties: Collection[str], type_name: str, either: str) -> None:
        self._text = text
        self._or = either
        self._tokens = _tokens(text)
        self._index = 0
        self._properties = properties
        self._type_name = type_name

    def parse(self) -> Condition:
        condition = self._either()
        if self._peek().kind != "end":
            raise self._syntax_error()
        return condition

    def _peek(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _word(self, word: str) -> bool:
        token = self._peek()
        if token.kind == "name" and token.text.lower() == word:
            self._index += 1
            return True
        return False

    def _syntax_error(self) -> ODataError:
        return ODataError(f"Syntax error at '{self._peek().text}' in '{self._text}'.")

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._word("or"):
            if self._or == "refuse":
                raise self._syntax_error()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 or self._or == "first" else lambda row: any(part(row) for part in parts)

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._word("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _single(self) -> Condition:
        if self._peek().text == "(":
            self._take()
            inner = self._either()
            if self._peek().text != ")":
                raise self._syntax_error()
            self._take()
            return inner
        left = self._operand()
        token = self._take()
        operator = token.text.lower()
        if token.kind != "name" or operator not in _COMPARISONS:
            self._index -= 1
            raise self._syntax_error()
        right = self._operand()
        return lambda row: _compare(left(row), operator, right(row))

    def _operand(self) -> Callable[[Record], Any]:
        token = self._take()
        if token.kind in {"date", "text", "number"}:
            return lambda row: token.value
        if token.kind == "name" and token.text.lower() in {"true", "false", "null"}:
            literal = {"true": True, "false": False, "null": None}[token.text.lower()]
            return lambda row: literal
        if token.kind == "name":
            known_property(token.text, self._properties, self._type_name)
            return lambda row: read(row, token.text)
        self._index -= 1
        raise self._syntax_error()


def known_property(name: str, properties: Collection[str], type_name: str) -> None:
    """Raises ODataError with Billit's documented sentence."""
    if name not in properties:
        raise ODataError(f"Could not find a property named '{name}' on type '{type_name}'.")


def read(row: Record, path: str) -> Any:
    """The value of a property, nested by `/`; dates as datetime without zone, whole numbers as Decimal."""
    value: Any = row
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT\d\d:", value):
        return datetime.fromisoformat(value)
    return value


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator == "eq":
        return bool(left == right)
    if operator == "ne":
        return bool(left != right)
    if left is None or right is None:
        return False
    if type(left) is not type(right):
        return False
    return bool({"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[operator])


def filtered(
    rows: list[Record], text: str, properties: Collection[str], type_name: str, *, either: str = "accept"
) -> list[Record]:
    """The rows that meet a $filter. Raises ODataError. `either`: what becomes of `or` (accept, refuse, first)."""
    if not text.strip():
        return rows
    condition = _Parser(text, properties, type_name, either).parse()
    return [row for row in rows if condition(row)]


def ordered(rows: list[Record], text: str, properties: Collection[str], type_name: str) -> list[Record]:
    """The rows in the order of $orderby; several properties, each `asc` or `desc`. Raises ODataError."""
    for part in reversed([part.strip() for part in text.split(",") if part.strip()]):
        name, _, direction = part.partition(" ")
        known_property(name, properties, type_name)
        if direction.strip().lower() not in {"", "asc", "desc"}:
            raise ODataError(f"Syntax error at '{direction.strip()}' in '{text}'.")
        present = [row for row in rows if read(row, name) is not None]
        absent = [row for row in rows if read(row, name) is None]
        descending = direction.strip().lower() == "desc"
        present.sort(key=lambda row: read(row, name), reverse=descending)
        rows = [*present, *absent] if descending else [*absent, *present]
    return rows


def page(rows: list[Record], *, query: dict[str, str], url: str, past_top: bool) -> Record:
    """One page: {Items, NextPageLink?, Count?}. The link is absolute and only there while more remains.
    Raises ODataError for a $top or $skip that is no number."""
    skip, top = _count(query, "$skip", 0), _count(query, "$top", PAGE)
    size = min(top, PAGE)
    part = rows[skip : skip + size]
    answer: Record = {"Items": part}
    reached = skip + len(part)
    # Rows beyond a $top that the page could not hold always follow; those beyond a $top that is reached, by switch.
    if reached < len(rows) and part and (past_top or top > PAGE):
        following = {**query, "$skip": str(reached)}
        if top > PAGE and not past_top:
            following["$top"] = str(top - len(part))
        answer["NextPageLink"] = f"{url}?{urlencode(following, quote_via=quote)}"
    if query.get("$inlinecount") == "allpages":
        answer["Count"] = len(rows)
    return answer


def _count(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise ODataError(f"Invalid value '{text}' for {name} query option found.")
    return int(text)
