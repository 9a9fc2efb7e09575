"""``moves``: prints every declared move of invoices and entries (Markdown, for people)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from invoicing.models.moves import BEGIN, DELIVERY, PAYMENT, STATE, STATUS, Move, Table, Who

_TITLES = {
    STATUS: "Status of an invoice",
    DELIVERY: "Delivery of an invoice",
    PAYMENT: "Payment of an invoice",
    STATE: "State of an entry",
}


class Command(BaseCommand):
    """The moves of ``invoicing.models.moves``. As ``roles`` it prints no JSON: it is pasted, not read by a machine."""

    help = "Print the picture of an invoice's life for the README, or every move for docs/moves.md."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """The picture, or the tables."""
        parser.add_argument("--tables", action="store_true", help="print every move instead of the picture")

    def handle(self, *args: Any, **options: Any) -> None:
        """In English: the tables know no other language."""
        lines = tables() if options["tables"] else picture()
        self.stdout.write("\n".join(lines))


def picture() -> Iterator[str]:
    """Status and delivery as diagrams in Mermaid, without what only comes late."""
    for table in (STATUS, DELIVERY):
        if table is not STATUS:
            yield ""
        yield f"{_TITLES[table]}:"
        yield ""
        yield "```mermaid"
        yield "stateDiagram-v2"
        labels: dict[tuple[str, str], list[str]] = {}
        for move in table.moves:
            if move.who != Who.LATE:
                labels.setdefault((move.origin, move.target), []).append(move.why)
        for (origin, target), whys in labels.items():
            yield f"    {origin or '[*]'} --> {target}: {' / '.join(whys)}"
        for state in _in_order(table, table.ends):
            yield f"    {state} --> [*]"
        yield "```"


def tables() -> Iterator[str]:
    """Every move of every table, those together that differ in their states only."""
    for table, title in _TITLES.items():
        yield f"## {title}"
        yield ""
        yield f"It may rest in {_listed(_in_order(table, table.ends))}."
        yield ""
        yield "| from | to | event in the audit log | caused by | why |"
        yield "|---|---|---|---|---|"
        for moves in _alike(table):
            origins = _listed(dict.fromkeys(move.origin for move in moves))
            targets = _listed(dict.fromkeys(move.target for move in moves))
            first = moves[0]
            event = f"`{first.event}`" if first.event else "none"
            yield f"| {origins} | {targets} | {event} | {first.who.value} | {first.why} |"
        if table is not STATE:
            yield ""


def _alike(table: Table) -> list[list[Move]]:
    groups: dict[tuple[object, ...], list[Move]] = {}
    for move in table.moves:
        begins = move.origin == BEGIN
        groups.setdefault((begins, move.event, move.who, move.why), []).append(move)
    # From some states to some others is said as each to each, so it must be that.
    return [part for moves in groups.values() for part in _each_to_each(moves)]


def _each_to_each(moves: list[Move]) -> list[list[Move]]:
    origins, targets = {move.origin for move in moves}, {move.target for move in moves}
    pairs = {(origin, target) for origin in origins for target in targets if origin != target}
    return [moves] if len(pairs) == len(moves) else [[move] for move in moves]


def _in_order(table: Table, states: Iterable[str]) -> list[str]:
    order = list(dict.fromkeys(move.target for move in table.moves))
    return sorted(states, key=order.index)


def _listed(states: Iterable[str]) -> str:
    return ", ".join(f"`{state}`" if state else "new" for state in states)
