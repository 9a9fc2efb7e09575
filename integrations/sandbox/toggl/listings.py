"""Reports in their order, kept from one page to the next: a report of 300 pages is filtered and sorted once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_MOST = 4
Listing = TypeVar("Listing")


class Listings(Generic[Listing]):
    """The last few listings by what was asked; whoever changes anything at Toggl calls `forget`."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Listing] = {}

    def get(self, asked: Hashable, draw: Callable[[], Listing]) -> Listing:
        listing = self._kept.pop(asked, None)
        if listing is None:
            listing = draw()
        # The newest stands last, the oldest goes first.
        self._kept[asked] = listing
        if len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return listing

    def forget(self) -> None:
        self._kept.clear()
