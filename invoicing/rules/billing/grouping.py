"""What makes a line of an invoice, and what the line says (design R7)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from invoicing.rules.judging.mapping import Entry

# Billit docs: create-first-invoice (Description and DescriptionExtended). Counted as .NET does: in units of UTF-16.
LONGEST_TEXT = 512

_JOINT = " · "


@dataclass(frozen=True, slots=True)
class Group:
    """One group of entries: what tells it from others, the text that it adds to the line, its place among the lines of
    one product. Orders compare only within one `group_by`."""

    key: tuple[int | str | date, ...]
    shown: str
    order: tuple[int | str | date, ...]


_ALL = Group((), "", ())


def _by_product(_entry: Entry) -> Group:
    return _ALL


def _by_project(entry: Entry) -> Group:
    # An entry without a project is attention and stands on no line.
    return _named(entry.project_id or 0, entry.project_name)


def _by_person(entry: Entry) -> Group:
    return _named(entry.person_id, entry.person_name)


def _named(key: int, name: str) -> Group:
    return Group((key,), name.strip(), (name.strip().casefold(), key))


def _by_day(entry: Entry) -> Group:
    return Group((entry.day,), _written(entry.day), (entry.day,))


def _by_description(entry: Entry) -> Group:
    text = entry.description.strip()
    return Group((text,), text, (text.casefold(), text))


def _by_entry(entry: Entry) -> Group:
    text = entry.description.strip()
    shown = _JOINT.join(part for part in (_written(entry.day), text) if part)
    return Group((entry.id,), shown, (entry.day, text.casefold(), entry.id))


def _written(day: date) -> str:
    return f"{day:%d/%m}/{day.year:04}"


_GROUPINGS: dict[str, Callable[[Entry], Group]] = {
    "product": _by_product,
    "project": _by_project,
    "person": _by_person,
    "day": _by_day,
    "description": _by_description,
    "entry": _by_entry,
}


def group_of(entry: Entry, group_by: str) -> Group:
    """The group that an entry belongs to: projects and people by id, days by the firm's local day, descriptions trimmed
    with their case kept. Days order by date, all else by the text shown, case folded.

    Raises ValueError for an unknown way of grouping."""
    if group_by not in _GROUPINGS:
        raise ValueError(f"Unknown grouping {group_by!r}: write one of {', '.join(_GROUPINGS)}.")
    return _GROUPINGS[group_by](entry)


def line_texts(product_description: str, addition: str) -> tuple[str, str]:
    """A line's Description and DescriptionExtended, each at most 512 units of UTF-16: the product's description, then
    what the group adds. What does not fit in the second either is cut with an ellipsis."""
    text = _JOINT.join(part for part in (product_description.strip(), addition.strip()) if part)
    description, rest = _parted(text, LONGEST_TEXT)
    extended, more = _parted(rest, LONGEST_TEXT)
    return description, extended if not more else _parted(rest, LONGEST_TEXT - 1)[0] + "…"


def _parted(text: str, most: int) -> tuple[str, str]:
    """A text of at most so many units of UTF-16, and the rest; a character of two units is never parted."""
    if len(text) * 2 <= most or (text.isascii() and len(text) <= most):
        return text, ""
    units = 0
    for place, character in enumerate(text):
        units += 2 if character > "\uffff" else 1
        if units > most:
            return text[:place], text[place:]
    return text, ""
