"""Worlds by name: what both services hold when a sandbox starts.

The generated ones hold 1 to 1,000,000 entries; a third part, as in bench:5000:50:SEED, gives others of the same make.
The same name on the same local day gives the same world.

A world is a JSON-able record {"name", "now" (None = the real clock), "firm", "toggl", "billit", "dossiers"}; optional
"connections" names the credentials of the onboarding file, and "switches" holds the knobs that the world turns. The
entries of a generated world are `Hours`.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from integrations.sandbox.http.wire import Record, loads
from integrations.sandbox.worlds import demo, plain, troubles
from integrations.sandbox.worlds.hours import LARGEST_WORLD

NAMES = ("demo", "month", "bench:ENTRIES:CUSTOMERS", "troubles:ENTRIES:SHARE", "empty")
_PARTS = ("toggl", "billit")


class WorldError(Exception):
    """A world that cannot be built; the text is for the person who asked for it."""


def load(source: str | Path, now: datetime) -> Record:
    """The world of a name or a file, as of `now` (aware UTC). Raises WorldError."""
    name = str(source)
    if name == "demo":
        return demo.demo(now)
    if name == "month":
        return plain.month(now)
    if name == "empty":
        return plain.empty()
    if name.split(":")[0] == "bench":
        return _bench(name, now)
    if name.split(":")[0] == "troubles":
        return _troubles(name, now)
    return _from_file(Path(source))


def _bench(name: str, now: datetime) -> Record:
    numbers = name.split(":")[1:3]
    if len(numbers) != 2 or name.count(":") > 3 or not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise WorldError(f"The world {name!r} is not of the form bench:ENTRIES:CUSTOMERS, e.g. bench:10000:200.")
    entries, customers = _within(name, int(numbers[0])), int(numbers[1])
    if customers > 9000:
        raise WorldError(f"The world {name!r} asks for {customers} customers; there are at most 9000.")
    return plain.bench(entries, customers, now, seed="".join(name.split(":")[3:]))


def _troubles(name: str, now: datetime) -> Record:
    match = re.fullmatch(r"troubles:(\d+):(\d+(?:\.\d+)?)(?::(\w+))?", name)
    if match is None or int(match[1]) == 0 or float(match[2]) > 100:
        raise WorldError(
            f"The world {name!r} is not of the form troubles:ENTRIES:SHARE, with the share of troubled entries in per "
            "cent, e.g. troubles:5000:20."
        )
    return troubles.troubles(name, _within(name, int(match[1])), Decimal(match[2]), now)


def _within(name: str, entries: int) -> int:
    if entries > LARGEST_WORLD:
        raise WorldError(f"The world {name!r} asks for {entries} entries; there are at most {LARGEST_WORLD}.")
    return entries


def _from_file(path: Path) -> Record:
    try:
        world = loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorldError(f"There is no world or file {str(path)!r}; the worlds are {', '.join(NAMES)}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(f"The world file {str(path)!r} cannot be read: {error}.") from None
    except ValueError as error:
        raise WorldError(f"The world file {str(path)!r} is no JSON: {error}.") from None
    return checked(world)


def checked(world: Any) -> Record:
    """The world when it has both services. Raises WorldError."""
    if not isinstance(world, dict) or not all(isinstance(world.get(part), dict) for part in _PARTS):
        raise WorldError('A world is a JSON object with at least the objects "toggl" and "billit".')
    return {"name": "given", "now": None, **world}
