"""Every declared move of an entry is made by the verbs, with the event that the table says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from integrations.mirror.sync import sync_workspace
from integrations.models import Entry
from invoicing.corrections import decide, replace
from invoicing.drafting import blocks, runs, sheet
from invoicing.ledger.states import decisions
from invoicing.models import Agreement, Correction, Invoice
from invoicing.models.moves import STATE
from tests.factories import AgreementFactory, PrepaidFactory, enterprise_number
from tests.invoicing.scene import BY, Scene, ids, many
from tests.proof.moves.recording import Recorder, declared, during, of
from tests.worlds import entry

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
Make = Callable[..., Scene]
NO: dict[str, Any] = {"status": 400, "body": {"errors": [{"Code": "X", "Description": "No."}]}}
SEND = "/v1/orders/commands/send"
ORDERS: dict[str, Any] = {"method": "GET", "path": "^/v1/orders$"}


JUDGED = ("running", "not_billable", "open", "attention", "covered", "on_account", "deleted")
NOT_TO_BILL = ("running", "not_billable", "covered", "deleted")
TAGS_OF = {"not_billable": ["Gift"], "attention": [], "covered": ["CPT"], "on_account": ["FIS"]}
TAGS = [{"tag": "Advice", "product": "ADV"}, {"tag": "Gift", "bill": False}]


def test_every_move_of_an_entry_is_made_by_the_verbs(recorder: Recorder, scene: Make) -> None:
    books = scene(**many(5) | {"entries": [], "tags": TAGS, "peppol": [{"number": enterprise_number(103)}]})
    for customer in range(5):
        AgreementFactory(dossier=books.dossier, client_remote_id=1000 + customer, products=["CPT"])
        on_account = {"kind": "advance", "products": ["FIS"]}
        AgreementFactory(dossier=books.dossier, client_remote_id=1000 + customer, **on_account)
    PrepaidFactory(dossier=books.dossier, client_remote_id=1004, products=["ADV"], hours=Decimal(20))
    walk = Entries(books, recorder)
    walks = (
        walk.judged,
        walk.decided,
        walk.drafted,
        walk.changed_meanwhile,
        walk.replaced,
        walk.credited,
        walk.prepaid,
    )
    for step in (*walks, walk.confirmed):
        step()
        recorder.take()
    assert of(recorder, STATE) == declared(STATE)


class Entries:
    """Ways through an entry's states, each with entries and a customer of its own."""

    def __init__(self, books: Scene, recorder: Recorder) -> None:
        self.books, self.recorder = books, recorder
        self.serial = 0
        books.control.switch(toggl_running_in_reports=True)

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
            serial,
            running=state == "running",
            tags=TAGS_OF.get(state, ["Advice"]),
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
        held, written_off = self.made(count=4), self.made(count=4)
        once = {state: self.made(state)[0] for state in ("open", "attention", "on_account")}
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
        serials = self.made(customer=1, count=7)
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
        serials = self.made(customer=1, count=6)
        self.sync(dict.fromkeys(serials, "open"))

        def meanwhile() -> None:
            for serial, state in zip(serials, later, strict=True):
                self.turned(serial, state)
            self.sync(dict(zip(serials, later, strict=True)))

        with during(sheet.Sheet, "standing", before=meanwhile):
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
        """An invoice of seven entries; without Billit's answer it is looked up and found."""
        serials = self.made(customer=customer, count=7)
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
        states = ["running", "not_billable", "drafted", "attention", "covered", "on_account", "deleted"]
        self.at(dict(zip(serials, states, strict=True)))

    def credited(self) -> None:
        invoice, serials = self.posted(customer=3, answered=False)
        self.books.send(invoice)
        rows = list(Entry.objects.filter(remote_id__in=ids(*serials)))
        note = decide.credit(entries=rows, rebill=False, by=BY, now=timezone.now())
        self.books.approve(note)
        self.books.post(note)
        self.recorder.take()
        self.at(dict.fromkeys(serials, "credited"))
        self.to_and_fro(serials[:4], "credited")
        self.turned(serials[4], "attention")
        self.turned(serials[6], "on_account")
        self.sync({serials[4]: "credited", serials[6]: "credited"})
        self.decide(decisions.reopen, serials[4], state="attention")
        self.decide(decisions.reopen, serials[5], state="open")
        self.decide(decisions.reopen, serials[6], state="on_account")

    def prepaid(self) -> None:
        """Hours draw a block, and are judged anew where they are no more what drew it."""
        agreement = Agreement.objects.get(kind="prepaid")
        blocks.order_block(agreement=agreement, by=BY, now=timezone.now())
        for invoice in self.books.approve(*self.books.invoices(status="draft", block_of=agreement)):
            self.books.post(invoice)
        serials = self.made(customer=4, count=len(JUDGED))
        self.sync(dict.fromkeys(serials, "open"))
        self.books.draft()
        self.recorder.take()
        self.at(dict.fromkeys(serials, "prepaid"))
        for serial, state in zip(serials, JUDGED, strict=True):
            self.turned(serial, state)
        # What is of another length draws anew.
        for serial in (serials[2], serials[4], serials[5]):
            self.books.control.put_entries({"id": ids(serial)[0], "stop": entry(serial, seconds=7200)["stop"]})
        self.sync(dict(zip(serials, JUDGED, strict=True)))
        self.turned(serials[3], "open")
        self.sync({serials[3]: "prepaid"})

    def confirmed(self) -> None:
        """A person has a very long entry billed as it stands (R4); last, since what it leaves open is drafted."""
        for state in ("open", "on_account"):
            (serial,) = self.made(state, customer=1)
            self.books.control.put_entries({"id": ids(serial)[0], "stop": entry(serial, seconds=17 * 3600)["stop"]})
            self.sync({serial: "attention"})
            self.decide(decisions.bill, serial, state=state)
