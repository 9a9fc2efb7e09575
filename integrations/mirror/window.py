"""How far a whole reading of a workspace has come, so that it can be taken up there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from integrations.clients import toggl


@dataclass(slots=True)
class Window:
    """``first``: the day from which it reads; ``began``: when; ``judged``: up to where it was judged what is gone;
    ``seen``: what was seen after that, Toggl's ids with their starts."""

    first: date
    began: datetime
    judged: datetime
    seen: dict[int, datetime] = field(default_factory=dict)
    latest: datetime | None = None
    in_order: bool = True

    def add(self, entries: Sequence[toggl.Entry]) -> None:
        """These came next."""
        for entry in entries:
            latest = self.latest or entry.start
            self.in_order = self.in_order and entry.start >= latest - timedelta(days=1)
            self.latest = max(latest, entry.start)
            self.seen[entry.id] = entry.start

    def complete_before(self) -> datetime | None:
        """The moment before which everything was seen, where that is known and later than what is judged already.

        An answer that is not in the order of starts is read to its end.
        """
        if not self.in_order or self.latest is None:
            return None
        through = datetime.combine(self.latest.astimezone(UTC).date() - timedelta(days=1), time(0, tzinfo=UTC))
        return through if through > self.judged else None

    def forget_before(self, moment: datetime) -> None:
        """What starts before it is judged, and need not be remembered."""
        self.seen = {pk: start for pk, start in self.seen.items() if start >= moment}
