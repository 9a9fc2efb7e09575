"""Every declared move is made by the verbs, as the database itself notes it, with the event that the table says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from integrations.clients import billit
from integrations.clients.transport import ServiceError
from integrations.mirror.sync import sync_workspace
from integrations.models import Entry
from invoicing.corrections import decide, replace
from invoicing.drafting import runs
from invoicing.ledger import decisions
from invoicing.models import Correction, Invoice
from invoicing.models.moves import DELIVERY, PAYMENT, STATE, STATUS, TABLES, Table
from invoicing.posting import post, recover
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, ids, many
from tests.worlds import entry
from toggbill.firms.models import AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
Make = Callable[..., Scene]
# A row of a table: column, from, to, event.
Made = tuple[str, str, str, str | None]
NO: dict[str, Any] = {"status": 400, "body": {"errors": [{"Code": "X", "Description": "No."}]}}
SEND = "/v1/orders/commands/send"
ORDERS: dict[str, Any] = {"method": "GET", "path": "^/v1/orders$"}


class Recorder:
    """Notes by triggers of its own what moves; each must be declared, and its event be in the audit log."""

    def __init__(self) -> None:
        self.seen: set[Made] = set()
        with connection.cursor() as cursor:
            for statement in _recording():
                cursor.execute(statement)

    def take(self) -> None:
        """What moved since it was asked last, with the events that came along."""
        events = set(AuditEvent.objects.values_list("type", "number", "firm"))
        types = {type for type, *_ in events - getattr(self, "_events", set())}
        self._events = events
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT moved_column, origin, target FROM moved")
            moved = cursor.fetchall()
            cursor.execute("DELETE FROM moved")
        for column, origin, target in moved:
            table = next(table for table in TABLES if table.column == column)
            declared = {move.event for move in table.moves if (move.origin, move.target) == (origin, target)}
            said = declared & types or declared & {None}
            assert said, f"{column} moved from {origin} to {target} without an event of {declared}: {types}"
            self.seen |= {(column, origin, target, event) for event in said}


def _recording() -> Iterator[str]:
    yield "CREATE TABLE moved (moved_column varchar(20), origin varchar(20), target varchar(20))"
    for table in TABLES:
        rows, column = table.model._meta.db_table, table.column
        notes = {
            "update": (f"UPDATE OF {column}", f"WHEN (OLD.{column} <> NEW.{column})", f"OLD.{column}"),
            "insert": ("INSERT", "", "''"),
        }
        for name, (event, when, origin) in notes.items():
            note = f"INSERT INTO moved VALUES ('{column}', {origin}, NEW.{column});"
            trigger, body = f"note_{name}_{column}", f"BEGIN {note} END"
            create = f"CREATE TRIGGER {trigger} AFTER {event} ON {rows} FOR EACH ROW {when}"
            if connection.vendor == "postgresql":
                body = body.replace(" END", " RETURN NULL; END")
                yield f"CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
                yield f"{create} EXECUTE FUNCTION {trigger}()"
            else:
                yield f"{create} {body}"


@pytest.fixture
def recorder(db: None) -> Recorder:
    return Recorder()


def declared(*tables: Table) -> set[Made]:
    return {(table.column, move.origin, move.target, move.event) for table in tables for move in table.moves}


def of(recorder: Recorder, *tables: Table) -> set[Made]:
    """What was made of the moves of these tables."""
    return {made for made in recorder.seen if made[0] in {table.column for table in tables}}


# --- invoices ---------------------------------------------------------------------------------------------------------


def test_every_move_of_an_invoice_is_made_by_the_verbs(recorder: Recorder, scene: Make) -> None:
    count = 30
    books = scene(**many(count) | {"peppol": [{"number": enterprise_number(100 + n)} for n in range(count)]})
    books.draft()
    recorder.take()
    walk = Invoices(books, recorder, iter(list(books.invoices(status="draft"))))
    for name in [name for name in dir(walk) if name.startswith("walk_")]:
        getattr(walk, name)()
        recorder.take()
    assert of(recorder, STATUS, DELIVERY, PAYMENT) == declared(STATUS, DELIVERY, PAYMENT)


class Invoices:
    """Ways through an invoice's life, each with invoices of its own."""

    def __init__(self, books: Scene, recorder: Recorder, drafts: Iterator[Invoice]) -> None:
        self.books, self.recorder, self.drafts = books, recorder, drafts

    def approved(self) -> Invoice:
        (invoice,) = self.books.approve(next(self.drafts))
        self.recorder.take()
        return invoice

    def posted(self) -> Invoice:
        return self.books.post(self.approved())

    def at(self, invoice: Invoice, *, status: str = "posted", delivery: str = "not_sent") -> Invoice:
        """It is there; what moved it there is taken."""
        self.recorder.take()
        found = post.fresh(invoice)
        assert (found.status, found.delivery) == (status, delivery), found.problem
        return found

    def replace(self, invoice: Invoice) -> list[Invoice]:
        """Its hours changed in Toggl, and a person has it replaced."""
        claim = invoice.lines.get().claims.get()
        stop = entry(0, claim.started_at.isoformat(), seconds=claim.seconds + 600)["stop"]
        self.books.control.put_entries({"id": claim.entry.remote_id, "stop": stop})
        self.books.sync()
        self.recorder.take()
        correction = Correction.objects.get(invoice=invoice, decision="open")
        return replace.replace(correction=correction, by=BY, now=timezone.now())

    def void(self, invoice: Invoice) -> None:
        runs.void(invoice=invoice, by=BY, now=timezone.now())
        self.at(invoice, status="void")

    # --- until it is at Billit ----------------------------------------------------------------------------------------

    def walk_dropped(self) -> None:
        self.void(next(self.drafts))
        self.void(self.approved())

    def walk_posted_and_paid(self) -> None:
        invoice = self.at(self.posted())
        self.books.control.change_order(invoice.order_id or 0, Paid=True, PaidDate="2026-11-19T00:00:00.00")
        self.books.read_back()
        assert self.at(invoice).payment == "paid"

    def walk_refused(self) -> None:
        invoice = self.approved()
        for _ in range(2):
            with self.books.fault("status", **NO):
                self.books.post(invoice)
            self.at(invoice, status="refused")
            self.books.approve(invoice)
            self.at(invoice, status="approved")
        with self.books.fault("status", **NO):
            self.books.post(invoice)
        self.void(self.at(invoice, status="refused"))

    def walk_later(self) -> None:
        invoice = self.approved()
        with self.books.fault("status", status=429), suppress(ServiceError):
            self.books.post(invoice)
        self.at(invoice, status="approved")

    def walk_in_doubt(self) -> None:
        there, absent, used = self.approved(), self.approved(), self.approved()
        for invoice, kind in ((there, "cut_after"), (absent, "cut_before"), (used, "status")):
            with self.books.fault(kind, status=409):
                self.books.post(invoice)
            self.at(invoice, status="in_doubt")
        self.books.later(hours=3)
        self.books.recover(there)
        self.at(there)
        self.books.recover(absent)
        self.at(absent, status="approved")
        assert self.books.recover(used).needs_person
        recover.post_anew(invoice=used, by=BY, now=timezone.now())
        self.at(used, status="approved")

    def walk_worker_died(self) -> None:
        invoice = self.approved()
        self.books.die_posting(invoice, done=True)
        self.at(invoice, status="posting")
        self.books.later(minutes=10)
        self.books.recover(invoice)
        self.at(invoice)

    def walk_replaced(self) -> None:
        never_sent, failed = self.at(self.posted()), self.at(self.posted())
        with self.books.fault("status", path=SEND, **NO):
            self.books.send(failed)
        self.at(failed, delivery="failed")
        for invoice in (never_sent, failed):
            (made,) = self.replace(invoice)
            self.at(invoice, status="void")
            self.at(made, status="approved")

    # --- answers that come late ---------------------------------------------------------------------------------------

    def walk_late_answer_to_a_post_in_doubt(self) -> None:
        def meanwhile() -> None:
            self.books.later(minutes=10)
            with self.books.fault("status", **ORDERS, status=503), suppress(ServiceError):
                self.books.recover(invoice)
            self.at(invoice, status="in_doubt")

        invoice = self.approved()
        with during(billit.Api, "create_order", after=meanwhile):
            self.books.post(invoice)
        self.at(invoice)

    def walk_late_answer_to_a_post_that_was_given_up(self) -> None:
        invoice = self.approved()
        with during(billit.Api, "create_order", before=lambda: self.given_up(invoice)):
            self.books.post(invoice)
        self.at(invoice)

    def walk_late_answer_after_a_refusal(self) -> None:
        invoice = self.approved()
        with during(billit.Api, "create_order", before=lambda: self.refused_meanwhile(invoice)):
            self.books.post(invoice)
        self.at(invoice)

    def walk_late_look_up(self) -> None:
        for meanwhile in (self.given_up, self.refused_meanwhile, self.posting_meanwhile):
            invoice = self.approved()
            with self.books.fault("cut_after"):
                self.books.post(invoice)
            self.at(invoice, status="in_doubt")
            self.books.later(minutes=10)
            with during(billit.Api, "find_deleted_orders", before=partial(meanwhile, invoice)):
                self.books.recover(invoice)
            self.at(invoice)

    def given_up(self, invoice: Invoice) -> None:
        """Another worker took this one for dead, and did not find the order (yet)."""
        self.books.later(minutes=10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(billit.Api, "find_orders", lambda *_: [])
            self.books.recover(invoice)
        self.at(invoice, status="approved")

    def refused_meanwhile(self, invoice: Invoice) -> None:
        self.given_up(invoice)
        with self.books.fault("status", **NO):
            self.books.post(invoice)
        self.at(invoice, status="refused")

    def posting_meanwhile(self, invoice: Invoice) -> None:
        self.given_up(invoice)
        self.books.die_posting(invoice, done=False)
        self.at(invoice, status="posting")

    # --- sending ------------------------------------------------------------------------------------------------------

    def walk_sent(self) -> None:
        invoice = self.posted()
        with self.books.fault("status", path=SEND, **NO):
            self.books.send(invoice)
        self.books.send(self.at(invoice, delivery="failed"))
        self.at(invoice, delivery="sent")

    def walk_sent_later(self) -> None:
        invoice = self.posted()
        with self.books.fault("status", path=SEND, status=429), suppress(ServiceError):
            self.books.send(invoice)
        self.at(invoice)

    def walk_sent_in_doubt(self) -> None:
        there, absent, used = self.posted(), self.posted(), self.posted()
        for invoice, kind in ((there, "cut_after"), (absent, "cut_before"), (used, "status")):
            with self.books.fault(kind, path=SEND, status=409):
                self.books.send(invoice)
            self.at(invoice, delivery="in_doubt")
        self.books.later(hours=3)
        self.books.send(there)
        self.at(there, delivery="sent")
        self.books.send(absent)
        self.at(absent, delivery="sent")
        self.books.send(used)
        self.at(used, delivery="failed")

    def walk_sent_by_hand(self) -> None:
        never_sent, failed = self.posted(), self.posted()
        with self.books.fault("status", path=SEND, **NO):
            self.books.send(failed)
        for invoice in (never_sent, failed):
            self.books.control.change_order(invoice.order_id or 0, IsSent=True)
            with pytest.raises(Exception, match="sent"):
                self.replace(invoice)
            self.at(invoice, delivery="sent")


@contextmanager
def during(
    owner: type, name: str, *, before: Callable[[], object] | None = None, after: Callable[[], object] | None = None
) -> Iterator[None]:
    """The first call of a method takes so long that others get ahead of it, before it does its work or after."""
    original = getattr(owner, name)
    left = [before, after]

    def slow(*args: Any, **keywords: Any) -> Any:
        first, last = left
        left[:] = [None, None]
        if first is not None:
            first()
        answer = original(*args, **keywords)
        if last is not None:
            last()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, slow)
        yield
    assert left == [None, None], f"{name} was not called"


# --- entries ----------------------------------------------------------------------------------------------------------

JUDGED = ("running", "not_billable", "open", "attention", "deleted")
NOT_TO_BILL = ("running", "not_billable", "deleted")
TAGS = [{"tag": "Advice", "product": "ADV"}, {"tag": "Gift", "bill": False}]


def test_every_move_of_an_entry_is_made_by_the_verbs(recorder: Recorder, scene: Make) -> None:
    books = scene(**many(4) | {"entries": [], "tags": TAGS, "peppol": [{"number": enterprise_number(103)}]})
    walk = Entries(books, recorder)
    for step in (walk.judged, walk.decided, walk.drafted, walk.changed_meanwhile, walk.replaced, walk.credited):
        step()
        recorder.take()
    assert of(recorder, STATE) == declared(STATE)


class Entries:
    """Ways through an entry's states, each with entries and a customer of its own."""

    def __init__(self, books: Scene, recorder: Recorder) -> None:
        self.books, self.recorder = books, recorder
        self.serial = 0

    def made(self, state: str = "open", customer: int = 0, count: int = 1) -> list[int]:
        """New entries (serials) of Toggl that the rules find to be so."""
        serials = list(range(self.serial + 1, self.serial + count + 1))
        self.serial += count
        for serial in serials:
            self.books.control.put_entries(entry(serial, project_id=2000 + customer))
            self.turned(serial, state)
        return serials

    def turned(self, serial: int, state: str) -> None:
        """Toggl's entry is such that the rules find it to be so."""
        if state == "deleted":
            self.books.control.delete_entries(*ids(serial))
            return
        there = entry(
            serial, running=state == "running", tags={"not_billable": ["Gift"], "attention": []}.get(state, ["Advice"])
        )
        fields = {name: there[name] for name in ("id", "stop", "tags")}
        self.books.control.put_entries(fields | {"server_deleted_at": None})

    def sync(self, expected: dict[int, str]) -> None:
        """Toggl is read, and these entries are in these states by now."""
        self.books.later(minutes=1)
        self.books.sync()
        self.recorder.take()
        self.at(expected)

    def at(self, expected: dict[int, str]) -> None:
        states = self.books.states()
        assert {serial: states[ids(serial)[0]] for serial in expected} == expected

    def decide(self, verb: Callable[..., object], *serials: int, state: str, **fields: str) -> None:
        rows = list(Entry.objects.filter(remote_id__in=ids(*serials)))
        verb(entries=rows, by=BY, now=timezone.now(), **fields)
        self.recorder.take()
        self.at(dict.fromkeys(serials, state))

    def to_and_fro(self, serials: list[int], decided: str) -> None:
        """What was decided holds again, once the rules let it be billed again."""
        for serial, state in zip(serials, NOT_TO_BILL, strict=True):
            self.turned(serial, state)
        self.sync(dict(zip(serials, NOT_TO_BILL, strict=True)))
        for serial in serials:
            self.turned(serial, "open")
        self.sync(dict.fromkeys(serials, decided))

    # --- steps --------------------------------------------------------------------------------------------------------

    def judged(self) -> None:
        pairs = [(origin, target) for origin in JUDGED for target in JUDGED if origin != target]
        serials = [self.made("open" if origin == "deleted" else origin)[0] for origin, _ in pairs]
        # Mirrored, and gone before the ledger knew them.
        sync_workspace(workspace=self.books.dossier.workspace, now=timezone.now(), full=True)
        for serial, (origin, _) in zip(serials, pairs, strict=True):
            if origin == "deleted":
                self.turned(serial, "deleted")
        self.sync(dict(zip(serials, [origin for origin, _ in pairs], strict=True)))
        for serial, (_, target) in zip(serials, pairs, strict=True):
            self.turned(serial, target)
        self.sync(dict(zip(serials, [target for _, target in pairs], strict=True)))
        for serial in serials:
            self.turned(serial, "deleted")
        self.sync({})

    def decided(self) -> None:
        held, written_off = self.made(count=3), self.made(count=3)
        once = {state: self.made(state)[0] for state in ("open", "attention")}
        self.sync({serial: state for state, serial in once.items()})
        for state, serial in once.items():
            self.decide(decisions.hold, serial, state="held", reason="why")
            self.decide(decisions.release, serial, state=state)
            self.decide(decisions.write_off, serial, state="written_off", reason="why")
            self.decide(decisions.reopen, serial, state=state)
        self.decide(decisions.hold, *held, state="held", reason="why")
        self.to_and_fro(held, "held")
        self.decide(decisions.write_off, *written_off, state="written_off", reason="why")
        self.to_and_fro(written_off, "written_off")
        self.decide(decisions.write_off, *held, state="written_off", reason="why")
        self.decide(decisions.write_off, *once.values(), state="written_off", reason="why")

    def drafted(self) -> None:
        serials = self.made(customer=1, count=5)
        self.sync(dict.fromkeys(serials, "open"))
        self.books.draft()
        (invoice,) = self.books.invoices(status="draft")
        self.recorder.take()
        for serial, state in zip(serials, JUDGED, strict=True):
            self.turned(serial, state)
        self.sync(dict.fromkeys(serials, "drafted"))
        runs.void(invoice=invoice, by=BY, now=timezone.now())
        self.recorder.take()
        self.at(dict(zip(serials, JUDGED, strict=True)))
        for serial in serials:
            self.turned(serial, "deleted")
        self.sync({})

    def changed_meanwhile(self) -> None:
        """Toggl is read by another worker while a run plans: the draft has them as the run read them."""
        later = [state for state in JUDGED if state != "open"]
        serials = self.made(customer=1, count=4)
        self.sync(dict.fromkeys(serials, "open"))

        def meanwhile() -> None:
            for serial, state in zip(serials, later, strict=True):
                self.turned(serial, state)
            self.sync(dict(zip(serials, later, strict=True)))

        with during(runs._Sheet, "standing", before=meanwhile):
            self.books.draft()
        self.recorder.take()
        self.at(dict.fromkeys(serials, "drafted"))
        (invoice,) = self.books.invoices(status="draft")
        runs.void(invoice=invoice, by=BY, now=timezone.now())
        self.at(dict(zip(serials, later, strict=True)))
        for serial in serials:
            self.turned(serial, "deleted")
        self.sync({})

    def posted(self, customer: int, *, answered: bool) -> tuple[Invoice, list[int]]:
        """An invoice of five entries; without Billit's answer it is looked up and found."""
        serials = self.made(customer=customer, count=5)
        self.sync(dict.fromkeys(serials, "open"))
        invoice = self.books.approved()
        with nullcontext() if answered else self.books.fault("cut_after"):
            self.books.post(invoice)
        self.books.recover(invoice)
        self.recorder.take()
        self.at(dict.fromkeys(serials, "invoiced"))
        return invoice, serials

    def replaced(self) -> None:
        invoice, serials = self.posted(customer=2, answered=True)
        for serial, state in zip(serials, JUDGED, strict=True):
            self.turned(serial, state)
        # What stays open is drafted anew at once: it changed in its hours.
        self.books.control.put_entries({"id": ids(serials[2])[0], "stop": entry(serials[2], seconds=7200)["stop"]})
        self.sync(dict.fromkeys(serials, "invoiced"))
        correction = Correction.objects.filter(invoice=invoice, decision="open").earliest("pk")
        replace.replace(correction=correction, by=BY, now=timezone.now())
        self.recorder.take()
        self.at(dict(zip(serials, ["running", "not_billable", "drafted", "attention", "deleted"], strict=True)))

    def credited(self) -> None:
        invoice, serials = self.posted(customer=3, answered=False)
        self.books.send(invoice)
        rows = list(Entry.objects.filter(remote_id__in=ids(*serials)))
        note = decide.credit(entries=rows, rebill=False, by=BY, now=timezone.now())
        self.books.approve(note)
        self.books.post(note)
        self.recorder.take()
        self.at(dict.fromkeys(serials, "credited"))
        self.to_and_fro(serials[:3], "credited")
        self.turned(serials[3], "attention")
        self.sync({serials[3]: "credited"})
        self.decide(decisions.reopen, serials[3], state="attention")
        self.decide(decisions.reopen, serials[4], state="open")
