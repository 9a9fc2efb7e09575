"""What must hold in the books of the month: states, Toggl's total, what is billed of each entry, amounts."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from invoicing.evidence.offline.pack import Pack, Row, _, amount

CENT = Decimal("0.01")
HALF_A_CENT = Decimal("0.005")
# Kinds of claims: those that hold an entry, of which there is one, and those whose seconds a line bills.
HOLDING = {"entry", "covered", "prepaid", "on_account"}
BILLING = {"entry", "difference", "credit"}
WAITING = {"draft", "approved", "posting", "refused", "in_doubt"}


def states(pack: Pack) -> None:
    """What stands in each state adds up to what the ledger has of the month, and the month is balanced."""
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in pack.rows("entries.jsonl"):
        if pack.in_month(row):
            found[row["state"]][0] += 1
            found[row["state"]][1] += row["seconds"]
    kept = pack.files.json("month.json")
    for state in sorted({*found, *kept["states"]}):
        told = kept["states"].get(state, {"entries": 0, "seconds": 0})
        entries, seconds = found[state]
        if (entries, seconds) != (told["entries"], told["seconds"]):
            differs = _(
                "State %(state)s: entries.jsonl has %(entries)s entries of %(seconds)s s, the month %(count)s of "
                "%(total)s s."
            )
            facts = {"state": state, "entries": entries, "seconds": seconds}
            pack.fault("states", differs, count=told["entries"], total=told["seconds"], **facts)
    for broken in kept["broken"]:
        pack.faults.append((f"month {broken['rule']}", broken["sentence"]))


def toggl(pack: Pack) -> None:
    """The entries make what Toggl itself reported of the days that it was asked for."""
    told = pack.files.json("month.json")["toggl"]
    if told is None:
        pack.fault("toggl", _("Toggl’s own total of the month was not read: compare, then make a new pack."))
        return
    rows = (row for row in pack.entries.values() if row["state"] != "deleted")
    own = sum(row["seconds"] for row in rows if told["since"] <= row["day"] <= told["through"])
    theirs = told["toggl_seconds"]
    if own != told["own_seconds"] or (theirs != own and not told["running_seconds"]):
        differs = _(
            "Toggl reported %(theirs)s s from %(since)s to %(through)s when it was asked on %(read)s; the entries make "
            "%(own)s s. If hours changed since then, compare, then make a new pack."
        )
        read = f"{str(told['read_at'])[:16].replace('T', ' ')} UTC"
        facts = {"since": told["since"], "through": told["through"], "read": read}
        pack.fault("toggl", differs, theirs=theirs, own=own, **facts)


def billed(pack: Pack) -> None:
    """No entry is billed twice, its state fits to the invoice that holds it, and what is billed explains its time."""
    holding: defaultdict[int, list[Row]] = defaultdict(list)
    seconds: Counter[int] = Counter()
    for claim in pack.claims:
        if claim["released_at"] is None:
            if claim["kind"] in HOLDING:
                holding[claim["entry_remote_id"]].append(claim)
            if claim["kind"] in BILLING - {"credit"} and pack.status(claim["line"][0]) == "posted":
                seconds[claim["entry_remote_id"]] += claim["seconds"]
    for entry, claims in sorted(holding.items()):
        if len(claims) > 1:
            places = ", ".join(_place(claim["line"]) for claim in claims)
            pack.fault("billed", _("Entry %(entry)s is billed twice: on %(places)s."), entry=entry, places=places)
    for entry, row in sorted(pack.entries.items()):
        _fits(pack, row, [claim for claim in holding[entry] if claim["kind"] == "entry"])
        explained = seconds[entry] + row["accepted_seconds"] + row["correction_seconds"]
        if row["state"] == "invoiced" and row["seconds"] != explained:
            differs = _(
                "Entry %(entry)s of %(day)s has %(seconds)s s; what is billed, accepted and left open makes "
                "%(explained)s s."
            )
            facts = {"entry": entry, "day": row["day"], "seconds": row["seconds"]}
            pack.fault("billed", differs, explained=explained, **facts)


def _fits(pack: Pack, row: Row, claims: list[Row]) -> None:
    status = pack.status(claims[0]["line"][0]) if claims else ""
    fitting = {"invoiced": status == "posted", "drafted": status in WAITING}
    if not fitting.get(row["state"], not claims):
        facts = {"entry": row["toggl"]["remote_id"], "day": row["day"], "state": row["state"]}
        if claims:
            astray = _("Entry %(entry)s of %(day)s is %(state)s, and %(place)s holds it.")
            pack.fault("billed", astray, place=_place(claims[0]["line"]), **facts)
        else:
            pack.fault("billed", _("Entry %(entry)s of %(day)s is %(state)s, and no invoice holds it."), **facts)


def amounts(pack: Pack) -> None:
    """A line is its quantity times its price less its discount; an invoice is its lines, and VAT once per rate."""
    sums: defaultdict[str, defaultdict[Decimal, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (reference, position), line in sorted(pack.lines.items()):
        exact = amount(line["quantity"]) * amount(line["unit_price"]) - amount(line.get("discount") or 0)
        total = amount(line["total"])
        sums[reference][amount(line["vat_rate"])] += total
        if pack.status(reference) != "void" and not abs(total - exact) <= HALF_A_CENT:
            wrong = _("Line %(line)s of invoice %(invoice)s is %(total)s; %(quantity)s at %(price)s make %(exact)s.")
            facts = {"line": position, "invoice": reference, "quantity": line["quantity"], "price": line["unit_price"]}
            pack.fault("amounts", wrong, total=total, exact=exact.quantize(CENT, ROUND_HALF_UP), **facts)
    for reference, row in sorted(pack.invoices.items()):
        rates = sums[reference]
        excl = sum(rates.values(), Decimal("0.00"))
        vats = [(base * rate / 100).quantize(CENT, ROUND_HALF_UP) for rate, base in rates.items()]
        vat = sum(vats, Decimal("0.00"))
        own = [amount(row[name]) for name in ("total_excl", "total_vat", "total_incl")]
        if row["status"] != "void" and own != [excl, vat, excl + vat]:
            wrong = _("Invoice %(invoice)s comes to %(own)s; its lines make %(made)s.")
            facts = {"own": f"{own[0]} + {own[1]} = {own[2]}", "made": f"{excl} + {vat} = {excl + vat}"}
            pack.fault("amounts", wrong, invoice=reference, **facts)


def seconds_of_lines(pack: Pack) -> None:
    """A line has the seconds of the entries on it, and of those that a credit note at Billit took back since."""
    taken_back = {
        tuple(claim["takes_back"])
        for claim in pack.claims
        if claim["takes_back"] and claim["released_at"] is None and pack.status(claim["line"][0]) == "posted"
    }
    found: Counter[tuple[str, int]] = Counter()
    for claim in pack.claims:
        own: tuple[Any, ...] = (*claim["line"], claim["entry_remote_id"], claim["kind"])
        if claim["kind"] in BILLING and (claim["released_at"] is None or own in taken_back):
            found[claim["line"][0], claim["line"][1]] += claim["seconds"]
    for place, line in sorted(pack.lines.items()):
        if pack.status(place[0]) != "void" and found[place] != line["seconds"]:
            differs = _("Line %(line)s of invoice %(invoice)s bills %(own)s s; its entries make %(made)s s.")
            facts = {"line": place[1], "invoice": place[0], "own": line["seconds"]}
            pack.fault("seconds", differs, made=found[place], **facts)


def agreements(pack: Pack) -> None:
    """What is billed of an agreement has its agreement, and none of its periods is billed twice."""
    known = {row["key"] for row in pack.rows("agreements.jsonl")}
    periods: dict[tuple[Any, ...], str] = {}
    for place, line in sorted(pack.lines.items()):
        key = line["agreement"]
        if key is not None and key not in known:
            unknown = _("Agreement %(key)s is missing; line %(line)s of invoice %(invoice)s bills it.")
            pack.fault("agreements", unknown, key=key, line=place[1], invoice=place[0])
        if key is not None and line["released_at"] is None and line["takes_back"] is None:
            what = (key, line["kind"], line["period"], line["part"])
            if line["period"] is not None and what in periods:
                twice = _("The period from %(period)s of agreement %(key)s is billed twice: on %(places)s.")
                places = f"{periods[what]}, {_place(place)}"
                pack.fault("agreements", twice, period=line["period"], key=key, places=places)
            periods[what] = _place(place)


def deductions(pack: Pack) -> None:
    """No more is taken off an advance, or given back of it, than it amounts to."""
    taken: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
    off_orders: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in pack.rows("deductions.jsonl"):
        if row["released_at"] is None and row["advance"] is not None:
            taken[row["advance"][0], row["advance"][1]] += amount(row["amount"])
        elif row["released_at"] is None:
            off_orders[row["brought"]] += amount(row["amount"])
    for place, off in sorted(taken.items()):
        line = pack.lines.get(place)
        if line is None:
            gone = _("Something is taken off line %(line)s of invoice %(invoice)s, which is not in the pack.")
            pack.fault("agreements", gone, line=place[1], invoice=place[0])
        elif off > amount(line["total"]):
            more = _("Line %(line)s of invoice %(invoice)s is an advance of %(total)s; %(taken)s is taken off it.")
            pack.fault("agreements", more, line=place[1], invoice=place[0], total=line["total"], taken=off)
    brought = {row["order_id"]: row for row in pack.rows("brought.jsonl") if row["released_at"] is None}
    for order, off in sorted(off_orders.items()):
        total = brought[order]["total_excl"] if order in brought else "0"
        if off > amount(total):
            more = _("Order %(order)s was brought in as an advance of %(total)s; %(taken)s is taken off it.")
            pack.fault("agreements", more, order=order, total=total, taken=off)


def _place(line: Any) -> str:
    return _("invoice %(invoice)s line %(line)s") % {"invoice": line[0], "line": line[1]}
