"""The sandbox's clock: real time, or one fixed moment that a test sets."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")


def moment(text: str) -> datetime:
    """An aware datetime in UTC from ISO text; text without a zone counts as UTC. Raises ValueError."""
    value = datetime.fromisoformat(text)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def zulu(value: datetime) -> str:
    """ISO in UTC with `Z`; the fraction's trailing zeros are left out, as Toggl writes `at`."""
    text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{value.microsecond:06d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


class Clock:
    def __init__(self, fixed: datetime | None = None) -> None:
        self.fixed = fixed

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self.fixed or datetime.now(UTC)

    def local(self) -> datetime:
        """Brussels time without a zone, as Billit writes its times."""
        return self.now().astimezone(BRUSSELS).replace(tzinfo=None)

    def today(self) -> date:
        """The day in Brussels."""
        return self.local().date()
