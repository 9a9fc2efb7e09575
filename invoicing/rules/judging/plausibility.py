"""Hours that stand there twice (design R4, `duplicate_entry`). Pure."""

from collections.abc import Callable, Hashable, Iterable

from invoicing.rules.judging.mapping import Entry
from invoicing.rules.text import text_key


def says(entry: Entry) -> Hashable:
    """What two entries have alike of which one is a duplicate: person, start, time, project, description to the letter,
    and the set of tags as their text keys."""
    tags = frozenset(key for key in map(text_key, entry.tags) if key)
    return entry.person_id, entry.start, entry.seconds, entry.project_id, entry.description, tags


def twins(entries: Iterable[Entry], lets_through: Callable[[Entry], bool]) -> dict[int, int]:
    """By the id of an entry: the lowest id among those that say the same, where that is lower and one that R1 and R2
    let through (`lets_through`), whatever became of it since."""
    first: dict[Hashable, int] = {}
    found: dict[int, int] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        said = says(entry)
        if said in first:
            found[entry.id] = first[said]
        elif lets_through(entry):
            first[said] = entry.id
    return found
