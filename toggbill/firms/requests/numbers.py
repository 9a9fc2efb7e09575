"""Numbers of rows that a request brings along: in the address, and ticked in a form.

Columns hold 64 bits, signed. A longer number is that of no row, and a database fails at it rather than find nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.urls.converters import IntConverter

BIGGEST = 2**63 - 1
_DIGITS = len(str(BIGGEST))


class IdConverter(IntConverter):
    """``<id:pk>``: the number of a row, or an id of Toggl or Billit. A longer one is no address (404)."""

    def to_python(self, value: str) -> int:
        """The number. Raises ValueError, which Django takes for "does not match"."""
        number = row_id(value)
        if number is None:
            raise ValueError("no row has such a number")
        return number


def row_id(text: str) -> int | None:
    """The number that a text is; None when no row can have it."""
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > _DIGITS:
        return None
    number = int(text)
    return number if number <= BIGGEST else None


def row_ids(texts: Iterable[str]) -> set[int]:
    """Those of the texts that may be numbers of rows."""
    return {number for text in texts if (number := row_id(text)) is not None}
