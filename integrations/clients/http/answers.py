"""Answers of the services: complete, their JSON read with its types and without loss, and what a refusal says.

Both services leave out what is empty, or send null, or 5 decimals where 2 are meant (observed). Every
reader takes that and raises `Unreadable`, naming the field, for what cannot be meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from integrations.clients.http.failures import Detail, Message, english

_LARGEST_EXPONENT = 18
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE = re.compile("-?[0-9]{1,18}")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{0,9}))?\s?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)

LONGEST_REASON = 500


class Unreadable(ValueError):
    """An answer that cannot be meant; `detail` says what is wrong with it."""

    def __init__(self, code: Detail, **facts: Any) -> None:
        self.detail = Message(code, facts)
        super().__init__(english(self.detail))


class Row:
    """One JSON object of an answer; `what`: its path there, such as `client` or `order.Customer`."""

    def __init__(self, value: Any, *, what: str) -> None:
        if not isinstance(value, dict):
            raise Unreadable(Detail.NOT_OBJECT, field=what)
        self._fields: dict[str, Any] = value
        self._what = what

    def has(self, name: str) -> bool:
        """Whether the field is there, null or not."""
        return name in self._fields

    def integer(self, name: str) -> int:
        """A whole number of any size, also one written as a string."""
        number = self.integer_or_none(name)
        if number is None:
            raise self._fault(name, Detail.MISSING)
        return number

    def integer_or_none(self, name: str) -> int | None:
        value = self._fields.get(name)
        if type(value) is int:  # what most are, and True is none
            return value
        if value is None or value == "":
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        raise self._fault(name, Detail.NOT_WHOLE)

    def text(self, name: str) -> str:
        """A string as it was given; "" when it is missing or null. A number is given as its digits.

        What XML 1.0 cannot hold (half of a surrogate pair, a control character) can stand in no e-invoice and is left
        out, a vertical tab or form feed is read as a blank (design R7).
        """
        value = self._fields.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return _readable(value)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return str(value)
        raise self._fault(name, Detail.NOT_TEXT)

    def flag(self, name: str) -> bool | None:
        """True, false, or None when it is missing or null."""
        value = self._fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._fault(name, Detail.NOT_FLAG)

    def amount(self, name: str) -> Decimal | None:
        """An exact number without needless zeros at its end (95.00000 gives 95), None when it is missing or null."""
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", value):
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise self._fault(name, Detail.NOT_NUMBER)
        number = Decimal(value)
        if number and abs(number.adjusted()) > _LARGEST_EXPONENT:
            raise self._fault(name, Detail.TOO_LARGE)
        return without_needless_zeros(number)

    def moment(self, name: str, *, zone: tzinfo | None = None) -> datetime:
        """A timestamp, in UTC; one without offset is a local time of `zone`."""
        moment = self.moment_or_none(name, zone=zone)
        if moment is None:
            raise self._fault(name, Detail.MISSING)
        return moment

    def moment_or_none(self, name: str, *, zone: tzinfo | None = None) -> datetime | None:
        text = self.text(name)
        try:
            return parse_timestamp(text, zone) if text else None
        except ValueError as error:
            raise self._fault(name, Detail.NOT_MOMENT) from error

    def day_or_none(self, name: str, *, zone: tzinfo) -> date | None:
        """A local day, given as `YYYY-MM-DD` or as a timestamp; one with an offset counts as the day in `zone`."""
        text = self.text(name)
        if not text:
            return None
        try:
            if len(text) == len("YYYY-MM-DD"):
                return date.fromisoformat(text)
            return parse_timestamp(text, zone).astimezone(zone).date()
        except ValueError as error:
            raise self._fault(name, Detail.NOT_DAY) from error

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty when it is missing or null."""
        values = listed(self._fields.get(name), what=f"{self._what}.{name}")
        if not all(isinstance(value, str) for value in values):
            raise self._fault(name, Detail.NOT_TEXTS)
        return tuple(map(_readable, values))

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers; empty when it is missing or null."""
        values = listed(self._fields.get(name), what=f"{self._what}.{name}")
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise self._fault(name, Detail.NOT_WHOLE_NUMBERS)
        return tuple(values)

    def rows(self, name: str) -> list[Row]:
        """A list of objects; empty when it is missing or null."""
        what = f"{self._what}.{name}"
        return [Row(value, what=what) for value in listed(self._fields.get(name), what=what)]

    def row_or_none(self, name: str) -> Row | None:
        value = self._fields.get(name)
        return None if value is None else Row(value, what=f"{self._what}.{name}")

    def _fault(self, name: str, detail: Detail) -> Unreadable:
        return Unreadable(detail, field=f"{self._what}.{name}")


def _readable(text: str) -> str:
    if text.isprintable():
        return text
    return _NOT_XML.sub("", text.replace("\x0b", " ").replace("\x0c", " "))


def listed(value: Any, *, what: str) -> Sequence[Any]:
    """A list; null stands for an empty one at both services."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Unreadable(Detail.NOT_LIST, field=what)
    return value


def without_needless_zeros(number: Decimal) -> Decimal:
    """The same number without zeros at the end of its decimals and without an exponent; 0 for every zero."""
    if not number:
        return Decimal(0)
    text = format(number, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def parse_timestamp(text: str, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 timestamp with `Z` or an offset, with 0 to 9 digits of a fraction, as a moment in UTC.

    One without an offset is a local time of `zone` (UTC when not given). Digits past microseconds are cut, as both
    services send up to nanoseconds (observed). ValueError when it is no timestamp.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a timestamp")
    clock, fraction, offset = match.groups()
    if fraction:
        clock = f"{clock}.{fraction[:6]:0<6}"
    try:
        moment = datetime.fromisoformat(f"{clock}{(offset or '').upper()}")
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a timestamp") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} lies outside the calendar") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: its status, its headers (names in lower case) and the bytes of its body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body, numbers with a point as `Decimal`. ValueError when it is not JSON (an empty body is not)."""
        try:
            return json.loads(self.content, parse_float=Decimal, parse_constant=_no_constant)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def header_number(self, name: str) -> int | None:
        """A header that holds a whole number, None when it is absent or holds something else."""
        text = self.headers.get(name.lower(), "").strip()
        return int(text) if _WHOLE.fullmatch(text) else None

    def said(self) -> tuple[str, str]:
        """The vendor's (code, reason) of a refusal, each "" when there is none; a page of HTML is no reason.

        Toggl sends a JSON string, bare text or nothing (observed), Billit `{"errors": [...]}`, a bare
        string or `{"Message"}` (Billit docs: 400). Of several errors the first code and all texts are given.
        """
        try:
            body = self.json()
        except ValueError:
            text = self.content.decode("utf-8", "replace").strip()
            return "", "" if text.startswith("<") else capped(text)
        codes, texts = _complaints(body)
        return (codes[0] if codes else ""), capped("; ".join(texts))

    def codes(self) -> tuple[str, ...]:
        """All of the vendor's error codes in the body, in lower case (their case varies)."""
        try:
            return tuple(code.lower() for code in _complaints(self.json())[0])
        except ValueError:
            return ()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def capped(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _complaints(body: Any) -> tuple[list[str], list[str]]:
    """The codes and the texts of an error body, whatever its shape."""
    if isinstance(body, str):
        return [], [body.strip()] if body.strip() else []
    if isinstance(body, list):
        pairs = [_complaints(element) for element in body]
        return [code for codes, _ in pairs for code in codes], [text for _, texts in pairs for text in texts]
    if not isinstance(body, dict):
        return [], []
    fields = {str(name).lower(): value for name, value in body.items()}
    if isinstance(fields.get("errors"), (list, dict, str)):
        return _complaints(fields["errors"])
    code = fields.get("code")
    codes = [code.strip()] if isinstance(code, str) and code.strip() else []
    for name in ("description", "message", "error"):
        deeper_codes, texts = _complaints(fields.get(name))
        if texts:
            return codes + deeper_codes, texts
    return codes, list(codes)
