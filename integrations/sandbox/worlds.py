"""Worlds by name: what both services hold when a sandbox starts.

A world is a JSON-able record {"name", "now" (None = the real clock), "firm", "toggl", "billit", "dossiers"}; optional
"connections" names the credentials of the onboarding file.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from integrations.sandbox import world_demo, world_plain
from integrations.sandbox.wire import Record, loads

NAMES = ("demo", "month", "bench:ENTRIES:CUSTOMERS", "empty")
_PARTS = ("toggl", "billit")


class WorldError(Exception):
    """A world that cannot be built; the text is for the person who asked for it."""


def load(source: str | Path, now: datetime) -> Record:
    """The world of a name or a file, as of `now` (aware UTC). Raises WorldError."""
    name = str(source)
    if name == "demo":
        return world_demo.demo(now)
    if name == "month":
        return world_plain.month(now)
    if name == "empty":
        return world_plain.empty()
    if name.split(":")[0] == "bench":
        return _bench(name, now)
    return _from_file(Path(source))


def _bench(name: str, now: datetime) -> Record:
    numbers = name.split(":")[1:]
    if len(numbers) != 2 or not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise WorldError(f"The world {name!r} is not of the form bench:ENTRIES:CUSTOMERS, e.g. bench:10000:200.")
    entries, customers = (int(number) for number in numbers)
    if customers > 9000:
        raise WorldError(f"The world {name!r} asks for {customers} customers; there are at most 9000.")
    return world_plain.bench(entries, customers, now)


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
