"""Cells of a file that a spreadsheet opens. Pure.

A cell that begins with = + - @, a tab or a line end may be run as a formula by the spreadsheet of whoever opens the
file, and what stands in it may be anybody's: the text of a Toggl entry, the name of a customer. It goes out behind an
apostrophe, which a spreadsheet takes for "this is text", and comes back in without it; so does one that begins with
such an apostrophe already, so that what comes back in is what went out.
"""

import re
from dataclasses import dataclass

_STARTS = re.compile(r"'*[=+\-@\t\r\n]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How spreadsheets of a language write CSV: what stands between cells, and before the decimals of a number."""

    separator: str
    decimal_mark: str


def dialect(language: str) -> Dialect:
    """By the language's code, such as ``fr``: of those that toggbill speaks, all but English write 1500,00."""
    return Dialect(",", ".") if language.partition("-")[0] == "en" else Dialect(";", ",")


def neutral(value: object) -> str:
    """The text of a cell, harmless; None is empty."""
    text = "" if value is None else str(value)
    return f"'{text}" if _STARTS.match(text) else text


def plain(value: object) -> str:
    """What ``neutral`` was given; blanks at both ends gone. None, from an empty cell, is empty."""
    text = "" if value is None else str(value).strip()
    return text[1:].strip() if text.startswith("'") and _STARTS.match(text) else text
