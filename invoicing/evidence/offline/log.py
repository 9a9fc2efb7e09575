"""Whether the audit log of the pack holds, and tells of its invoices what they say."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from typing import Any

from invoicing.evidence.offline.pack import Pack, Row, _, amount
from invoicing.evidence.offline.signatures import signed

AT_BILLIT = {"invoice_posted", "invoice_adopted"}


def canonical(value: Row) -> str:
    """JSON as it is hashed and signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Told:
    """What the log says of one invoice."""

    def __init__(self) -> None:
        self.drafted: Row | None = None
        self.total: tuple[int, Any] | None = None
        self.order: tuple[int, Any] | None = None


def log(pack: Pack) -> None:
    """No event is missing, changed or moved, from the head where the log begins to its end; each signed head is one of
    them; and they tell of each invoice what it says."""
    after, head = pack.manifest["log"]["after"], pack.manifest["log"]["head"]
    expected, previous = after["number"] + 1, after["hash"]
    heads = {expected - 1: previous}
    told: defaultdict[str, Told] = defaultdict(Told)
    wanted = {row["number"] for row in pack.rows("anchors.jsonl")}
    for event in pack.rows("audit.jsonl"):
        claimed, number = event.pop("hash"), event["number"]
        if number != expected:
            gone = _(
                "Event %(number)s is missing from audit.jsonl, or stands elsewhere in it: event %(found)s follows."
            )
            pack.fault("log", gone, number=expected, found=number)
        elif hashlib.sha256((previous + canonical(event)).encode()).hexdigest() != claimed:
            changed = _("Event %(number)s (%(type)s of %(subject)s) is not the one that was written: it was changed.")
            pack.fault("log", changed, number=number, type=event["type"], subject=event["subject"])
        # From here on the log is held against what it says itself, so that one breach is told once.
        expected, previous = number + 1, claimed
        if number in wanted:
            heads[number] = claimed
        _hear(told, event)
    if (expected - 1, previous) != (head["number"], head["hash"]):
        ends = _("audit.jsonl ends with event %(number)s, and the log ended with event %(head)s and another hash.")
        pack.fault("log", ends, number=expected - 1, head=head["number"])
    _signed_heads(pack, heads)
    _invoices(pack, told)


def _hear(told: defaultdict[str, Told], event: Row) -> None:
    kind, _blank, reference = str(event["subject"]).partition(" ")
    if kind != "invoice":
        return
    of, data = told[reference], event["data"]
    if event["type"] == "invoice_drafted":
        of.drafted = event
    if "total_excl" in data:
        of.total = (event["number"], data["total_excl"])
    if event["type"] in AT_BILLIT:
        of.order = (event["number"], data.get("order_id"))


def _signed_heads(pack: Pack, heads: dict[int, Any]) -> None:
    for row in pack.rows("anchors.jsonl"):
        facts = {"at": row["at"], "number": row["number"]}
        statement = {name: row[name] for name in ("at", "firm", "hash", "number")}
        if row["firm"] != pack.firm or not signed(row["key"], row["signature"], canonical(statement).encode()):
            pack.fault("anchors", _("The signature of %(at)s over event %(number)s does not hold."), **facts)
        elif heads.get(row["number"]) != row["hash"]:
            pack.fault("anchors", _("Event %(number)s is not the one that was signed on %(at)s."), **facts)
        pack.keys.add(str(row["key"]))


def _invoices(pack: Pack, told: defaultdict[str, Told]) -> None:
    claimed: defaultdict[str, set[int]] = defaultdict(set)
    for claim in pack.claims:
        claimed[claim["line"][0]].add(claim["entry_remote_id"])
    for reference, row in sorted(pack.invoices.items()):
        of = told[reference]
        if of.drafted is None:
            pack.fault("log", _("No event tells that invoice %(invoice)s was drafted."), invoice=reference)
        if of.total is not None and amount(of.total[1]) != amount(row["total_excl"]):
            differs = _("Invoice %(invoice)s is %(own)s excl. VAT; by event %(number)s it is %(told)s.")
            facts = {"invoice": reference, "own": row["total_excl"], "number": of.total[0]}
            pack.fault("log", differs, told=of.total[1], **facts)
        order = None if of.order is None else of.order[1]
        if row["order_id"] != order:
            differs = _("Invoice %(invoice)s is order %(own)s at Billit; by the log it is %(told)s.")
            pack.fault("log", differs, invoice=reference, own=row["order_id"] or "–", told=order or "–")
    for reference, of in sorted(told.items()):
        _hours(pack, reference, of, claimed[reference])


def _hours(pack: Pack, reference: str, of: Told, claimed: set[int]) -> None:
    """What the log says that an order bills, the pack has."""
    if of.order is None or of.drafted is None:
        return
    entries = set(of.drafted["data"].get("entries", []))
    facts = {"invoice": reference, "number": of.drafted["number"]}
    if reference in pack.invoices:
        for entry in sorted(entries - claimed):
            gone = _("Invoice %(invoice)s bills entry %(entry)s by event %(number)s; claims.jsonl does not say so.")
            pack.fault("log", gone, entry=entry, **facts)
    elif entries & set(pack.entries):
        pack.fault(
            "log", _("Invoice %(invoice)s is missing; it bills hours of the month by event %(number)s."), **facts
        )


def annexes(pack: Pack) -> None:
    """The annexes of hours are those whose hashes stand in the log."""
    frozen: dict[str, Row] = {}
    for event in pack.rows("audit.jsonl"):
        if event["type"] == "annex_frozen":
            frozen[str(event["subject"])] = event["data"]
    for row in pack.rows("annexes.jsonl"):
        reference = row["invoice"]
        for kind in ("pdf", "csv"):
            name = f"annexes/{reference}.{kind}"
            if name in pack.names and pack.files.digest(name)[0] != frozen.get(f"invoice {reference}", {}).get(kind):
                pack.fault("annexes", _("%(file)s is not the annex that was frozen by the log."), file=name)


def _sent(pack: Pack, attempt: Row) -> str:
    """What was sent: the kept body names the annexes by their hashes, and they are put back in."""
    body = str(attempt["body"])
    for kind in ("pdf", "csv"):
        name = f"annexes/{attempt['invoice']}.{kind}"
        if name in pack.names and "sha256:" in body:
            with pack.files.open(name) as file:
                content = file.read()
            body = body.replace(f"sha256:{hashlib.sha256(content).hexdigest()}", base64.b64encode(content).decode())
    return body


def attempts(pack: Pack) -> None:
    """What was sent to Billit is what was put on record before it left, under a key that the log has."""
    keys: set[str] = set()
    for event in pack.rows("audit.jsonl"):
        if event["type"] in {"invoice_posting", "invoice_sending"}:
            keys.add(str(event["data"].get("key")))
    for row in pack.rows("attempts.jsonl"):
        facts = {"key": row["key"], "invoice": row["invoice"]}
        if hashlib.sha256(_sent(pack, row).encode()).hexdigest() != row["body_hash"]:
            changed = _("What was sent to Billit under key %(key)s for invoice %(invoice)s was changed.")
            pack.fault("attempts", changed, **facts)
        if row["intent"] in {"post", "send"} and row["key"] not in keys:
            pack.fault("attempts", _("No event tells of key %(key)s of invoice %(invoice)s."), **facts)
