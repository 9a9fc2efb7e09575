"""The product bills drawn worlds as the second reckoning does: exact hours, cents, texts, states and reasons.

Each world is billed up to October; where that is approved, its hours are done with. Then hours and names change, and it
is billed up to today. All worlds go through the rules, the first of them through the whole product, from Toggl's HTTP
to the tables. More: PROOF_WORLDS=5000 pytest tests/proof/reckoning. One of them: PROOF_FIRST=317 PROOF_WORLDS=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.models import Claim, Dossier, Invoice, Run
from invoicing.rules import planning
from tests.invoicing.scene import BY, Scene
from tests.proof.reckoning import planner, product, worlds
from tests.worlds import NOW, Record
from toggbill.firms.errors import NotPossible

WORLDS = int(os.environ.get("PROOF_WORLDS", "500"))
FIRST = int(os.environ.get("PROOF_FIRST", "0"))
AT_ONCE = min(WORLDS, 125)
WHOLE = min(WORLDS, 12)
OCTOBER = date(2026, 10, 31)


@pytest.mark.parametrize("first", range(FIRST, FIRST + WORLDS, AT_ONCE))
def test_rules_find_what_the_second_reckoning_finds(first: int) -> None:
    faults = list[str]()
    for number in range(first, min(first + AT_ONCE, FIRST + WORLDS)):
        made = worlds.draw(number)
        known: Record = {"held": _held(made)}
        pins = [product.read_from_names(made, table) for table in made.dossiers]
        billed = list[int]()
        for table, pinned in zip(made.dossiers, pins, strict=True):
            states, plan = product.planned(made, table, OCTOBER, NOW, pinned=pinned, **known)
            faults += _differences(made, table, OCTOBER, known, states, plan)
            billed += [entry.id for invoice in plan.invoices for line in invoice.lines for entry in line.entries]
        if number % 2:
            known |= {"claimed": billed, "late_through": OCTOBER}
        read = _read_from_names(made)
        worlds.change(made)
        for table, pinned in zip(made.dossiers, pins, strict=True):
            kept = product.read_from_names(made, table) | pinned
            states, plan = product.planned(made, table, worlds.TODAY, NOW, pinned=kept, **known)
            faults += _differences(made, table, worlds.TODAY, known | {"pinned": read}, states, plan)
    assert faults == [], "\n".join(faults)


@pytest.mark.django_db
@pytest.mark.slow
def test_whole_product_finds_what_the_second_reckoning_finds(scene: Callable[..., Scene]) -> None:
    drawn = [worlds.draw(number) for number in range(FIRST, FIRST + WHOLE)]
    books = scene(worlds.firm_of(drawn))
    held = {entry for made in drawn for entry in _held(made)}
    rows = Entry.objects.filter(remote_id__in=held, ledger_row__state__in=["open", "attention"])
    decisions.hold(entries=rows, reason="Later", by=BY, now=timezone.now())
    held = set(Entry.objects.filter(ledger_row__state="held").values_list("remote_id", flat=True))
    known: dict[str, dict[str, Any]] = {table["key"]: {"held": held} for made in drawn for table in made.dossiers}
    faults = list(_of_tables(drawn, OCTOBER, known))
    _bill_october(known)
    for made in drawn:
        for table in made.dossiers:
            known[table["key"]]["pinned"] = _read_from_names(made)
        rows_of = worlds.change(made)
        books.control.put_toggl("clients", *rows_of["clients"])
        books.control.put_toggl("projects", *rows_of["projects"])
        books.control.put_entries(*rows_of["entries"])
    books.later(minutes=5)
    books.sync()
    faults += _of_tables(drawn, worlds.TODAY, known)
    assert faults == [], "\n".join(faults)


def _held(made: worlds.Drawn) -> set[int]:
    """A person holds an hour of each third world."""
    return set() if made.number % 3 else {made.toggl["entries"][made.number % 5]["id"]}


def _read_from_names(made: worlds.Drawn) -> dict[int, str]:
    """What the second reckoning reads from the names of clients; it keeps what their names say later, too."""
    read = {client["id"]: planner.numbers(client["name"]) for client in made.toggl["clients"]}
    return {client: valid[0] for client, (valid, sure, _) in read.items() if len(valid) == 1 and sure}


def _of_tables(drawn: list[worlds.Drawn], through: date, known: Mapping[str, Record]) -> Iterator[str]:
    """The differences between what the product has in its tables, or would draft, and the second reckoning."""
    claims = Claim.objects.live()
    for made in drawn:
        for table in made.dossiers:
            dossier = Dossier.objects.select_related("firm", "workspace", "company").get(key=table["key"])
            plan = runs.preview(dossier=dossier, cut_off=through, now=timezone.now()).plan
            states, own = product.states_of(dossier), known[dossier.key]
            now, drafted = timezone.now(), set(claims.values_list("entry__remote_id", flat=True))
            yield from _differences(made, table, through, own, states, plan, now=now, drafted=drafted)


def _bill_october(known: dict[str, dict[str, Any]]) -> None:
    """October is drafted everywhere and approved in each second dossier; notes what each may not bill any more.

    An hour on a draft that waits is its own dossier's to draw anew, whoever has it by now.
    """
    for place, key in enumerate(sorted(known)):
        dossier = Dossier.objects.select_related("firm", "workspace", "company").get(key=key)
        runs.draft(dossier=dossier, cut_off=OCTOBER, by=BY, now=timezone.now())
        for invoice in Invoice.objects.filter(dossier=dossier, status="draft") if place % 2 else ():
            with suppress(NotPossible):
                runs.approve(invoice=invoice, by=BY, now=timezone.now())
    claims = Claim.objects.live().select_related("entry", "line__invoice__dossier")
    waiting = set(Run.objects.filter(invoices__status="draft").values_list("dossier__key", flat=True))
    for key, own in known.items():
        own["claimed"] = {
            claim.entry.remote_id
            for claim in claims
            if claim.line.invoice.status != "draft" or claim.line.invoice.dossier.key != key
        }
        if key not in waiting:
            own["late_through"] = OCTOBER


def _differences(
    made: worlds.Drawn,
    table: Record,
    through: date,
    known: Record,
    states: Mapping[int, tuple[str, str]],
    plan: planning.Plan,
    *,
    now: datetime = NOW,
    drafted: Collection[int] = (),
) -> Iterator[str]:
    """What only one of both has, as sentences. Of what is ``drafted`` no states are compared."""
    second = planner.Reckoning(table, made.dossiers, made.toggl | made.billit, through=through, now=now, **known)
    reckoned = {entry: state for entry, state in second.states.items() if entry not in drafted}
    pairs: dict[str, tuple[Collection[Any], Collection[Any]]] = {
        "states": (states.items(), reckoned.items()),
        "invoices": (product.as_reckoned(plan), [_as_billit_takes_it(invoice) for invoice in second.invoices]),
        "skipped": ([(each.entry, str(each.reason)) for each in plan.skipped], second.skipped),
        "not over": (plan.not_over, second.not_over),
    }
    for what, (ours, theirs) in pairs.items():
        if sorted(ours) != sorted(theirs):
            mine, other = (sorted(set(one) - set(two)) for one, two in ((ours, theirs), (theirs, ours)))
            yield f"{table['key']} through {through}, {what}: the product {mine}, the second reckoning {other}"


def _as_billit_takes_it(invoice: planner.Invoice) -> planner.Invoice:
    """With texts of no more than twice 512 characters."""
    texts = [line.text if len(line.text) <= 1024 else line.text[:1023] + "…" for line in invoice.lines]
    return invoice._replace(
        lines=tuple(line._replace(text=text) for line, text in zip(invoice.lines, texts, strict=True))
    )
