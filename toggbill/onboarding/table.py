"""Taking values out of a TOML table, so that every fault is named with its place and none hides another.

A taker that meets a fault notes it and gives a stand-in of the right type, so that reading goes on to the next one.
What was read is worth something only when no fault was noted.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

BIGGEST_ID: Final = 2**63 - 1
"""Ids of both services go beyond 32 bits; the columns hold 64, signed."""

_MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")
# A name that shouts is a variable's; anything else might be the secret itself, put in the wrong place.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_MISSING: Final = object()


class Table:
    """One table of the file. ``place`` is its name in sentences, such as ``dossiers[1].rounding``; "" for the root."""

    def __init__(self, values: Mapping[str, Any], place: str, faults: list[str]) -> None:
        self._values = values
        self._place = place
        self._faults = faults
        self._known: list[str] = []
        self._faulty: set[str] = set()

    def fault(self, key: str, sentence: str) -> None:
        """Note what is wrong with a key."""
        self._faulty.add(key)
        self._faults.append(f"{self.at(key)}: {sentence}")

    def at(self, key: str) -> str:
        """The place of a key."""
        return f"{self._place}.{key}" if self._place else key

    def has(self, key: str) -> bool:
        """Whether the key is there, whatever its value."""
        return key in self._values

    def sound(self, key: str) -> bool:
        """Whether nothing was noted of the key, so that what was taken is what the file says (or the default)."""
        return key not in self._faulty

    def text(self, key: str, *, default: str | None = None, longest: int = 200) -> str:
        """A text of one line, stripped, with at most so many characters; one without a default must not be empty."""
        value = self._take(key, str, "a text in quotes", required=default is None)
        if value is None:
            return default or ""
        text: str = value.strip()
        if not text and default is None:
            self.fault(key, "must not be empty.")
        elif len(text) > longest:
            self.fault(key, f"has {len(text)} characters; the longest is {longest}.")
        elif not text.isprintable():
            self.fault(key, "holds control characters, such as a line break; write it on one line.")
        else:
            return text
        return ""

    def slug(self, key: str) -> str:
        """A short name: letters, digits, hyphens and underscores, at most 50."""
        text = self.text(key, longest=50)
        if text:
            try:
                validate_slug(text)
            except ValidationError:
                self.fault(key, f"{shown(text)} will not do; use letters, digits, hyphens and underscores only.")
                return ""
        return text

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of these words."""
        text = self.text(key, default=default)
        if not self.has(key) or not self.sound(key) or text in choices or text == default:
            return text
        self.fault(key, f"{shown(text)} is not known; use {_either(choices)}.")
        return default or ""

    def number(self, key: str, *, least: int = 1, most: int = BIGGEST_ID, default: int | None = None) -> int:
        """A whole number from ``least`` to ``most``."""
        value = self._take(key, int, "a whole number", required=default is None)
        if value is None:
            return default or 0
        if not least <= value <= most:
            span = f"from {least} to {most}" if most != BIGGEST_ID else f"from {least} on"
            self.fault(key, f"{shown(value)} is out of range; use a whole number {span}.")
            return default or 0
        number: int = value
        return number

    def number_or_none(self, key: str, *, least: int = 1, most: int = BIGGEST_ID) -> int | None:
        """A whole number, None when the key is absent."""
        return self.number(key, least=least, most=most, default=0) if self._optional(key) else None

    def numbers(self, key: str) -> frozenset[int]:
        """A list of ids, each once; empty when the key is absent."""
        values = self._take(key, list, "a list of whole numbers", required=False) or []
        found: set[int] = set()
        for index, value in enumerate(values):
            place = f"{key}[{index}]"
            if type(value) is not int:
                self.fault(place, f"needs a whole number, not {_kind(value)}.")
            elif not 1 <= value <= BIGGEST_ID:
                self.fault(place, f"{shown(value)} is out of range; use a whole number from 1 on.")
            elif value in found:
                self.fault(place, f"{value} stands there twice.")
            else:
                found.add(value)
        return frozenset(found)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, bool, "true or false", required=False)
        return default if value is None else bool(value)

    def day(self, key: str) -> date:
        """A TOML date."""
        value = self._take(key, date, "a date without quotes, such as 2026-09-01", required=True)
        return date.min if value is None else value

    def money_or_none(self, key: str) -> Decimal | None:
        """An amount in euro as a text, so that no floating point touches it; None when the key is absent."""
        if not self._optional(key):
            return None
        text = self._take(key, str, 'an amount in quotes, such as "5000.00"', required=False)
        if text is None:
            return None
        if not _MONEY.fullmatch(text):
            self.fault(key, f'{shown(text)} is not an amount; write it such as "5000.00".')
            return None
        return Decimal(text).quantize(Decimal("0.01"))

    def variable(self, key: str, environ: Mapping[str, str]) -> str | None:
        """The value of the variable that the key names, blanks and all; None when the key is absent or at fault."""
        if not self._optional(key):
            return None
        value = self._take(key, str, "the name of an environment variable, in quotes", required=False)
        if value is None:
            return None
        content = environ.get(value, "") if "\0" not in value else ""
        if not content.strip():
            name = value if _VARIABLE.fullmatch(value) else "that it names"
            self.fault(key, f"the environment variable {name} is not set. Set it, then run this again.")
            return None
        return content

    def secret(self, key: str, environ: Mapping[str, str]) -> str | None:
        """A secret from ``<key>`` or from the variable that ``<key>_env`` names; None when neither is there."""
        inline = self._take(key, str, "a text in quotes", required=False)
        by_name = self.variable(f"{key}_env", environ)
        if self.has(key) and self.has(f"{key}_env"):
            self.fault(key, f"is given twice; write either {key} or {key}_env.")
        if inline is not None and not inline.strip():
            self.fault(key, "must not be empty.")
        # Copied with the line's end, neither service takes it; a password is another matter.
        return (inline or by_name or "").strip() or None

    def table(self, key: str) -> Table:
        """A table; an empty one when the key is absent."""
        values = self._take(key, dict, "a table, such as { … }", required=False)
        return Table(values or {}, self.at(key), self._faults)

    def tables(self, key: str, *, written: str) -> list[Table]:
        """A list of tables, empty when the key is absent; ``written`` shows how it is spelt."""
        values = self._take(key, list, f"a list of tables; write {written}", required=False) or []
        found = []
        for index, value in enumerate(values):
            if isinstance(value, dict):
                found.append(Table(value, f"{self.at(key)}[{index}]", self._faults))
            else:
                self.fault(f"{key}[{index}]", f"needs a table, not {_kind(value)}; write {written}.")
        return found

    def close(self) -> None:
        """Note every key that was never asked for."""
        for key in self._values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(self._known)}."
                # A key may be anything, a pasted secret among them.
                name = key if len(key) <= 30 and key.isprintable() else "…"
                self._faults.append(f"{self.at(name)}: unknown key; {hint}")

    def _optional(self, key: str) -> bool:
        if key not in self._known:
            self._known.append(key)
        return key in self._values

    def _take(self, key: str, wanted: type, words: str, *, required: bool) -> Any:
        if not self._optional(key):
            if required:
                self.fault(key, f"missing; it needs {words}.")
            return None
        value = self._values[key]
        # Exactly that type: true is no number, and a moment is no day.
        if type(value) is not wanted:
            self.fault(key, f"needs {words}, not {_kind(value)}.")
            return None
        return value


def once(tables: Collection[tuple[Table, Any]], key: str, show: Callable[[Any], str] = str) -> None:
    """Note every table whose value for ``key`` an earlier one has already."""
    seen: dict[Any, str] = {}
    for table, value in tables:
        if not value:
            continue
        if value in seen:
            table.fault(key, f"{show(value)} stands there twice; {seen[value]} has it already.")
        else:
            seen[value] = table.at(key)


def shown(value: Any) -> str:
    """A value as a sentence quotes it, cut when it is long."""
    text = str(value)
    return f"“{text if len(text) <= 60 else text[:59] + '…'}”"


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {
        str: "a text",
        bool: "true or false",
        int: "a whole number",
        float: "a number with a point",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "a date or time")
