"""What every factory of rows is built on: its type, the moment of all rows, invented numbers."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

_Row = TypeVar("_Row")
if TYPE_CHECKING:

    class DjangoModelFactory(Generic[_Row]):
        """What factory_boy's metaclass does, told to the type checker: calling a factory gives a row."""

        def __new__(cls, **fields: Any) -> _Row:  # type: ignore[misc]  # a row, not a factory
            """A row with these fields."""

        @classmethod
        def create(cls, **fields: Any) -> _Row:
            """The same, said at length."""
else:
    from factory.django import DjangoModelFactory as DjangoModelFactory

# A Friday morning; every row is made as if it were now.
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PASSWORD = "a-long-invented-password"
CENT = Decimal("0.01")


def enterprise_number(serial: int) -> str:
    """A made-up Belgian number with a right check digit, in a range that is not given out: BE0999…"""
    body = 9_990_000 + serial % 10_000
    return f"BE0{body:07d}{97 - body % 97:02d}"
