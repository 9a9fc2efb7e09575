"""Every declared move of an invoice is made by the verbs, with the event that the table says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from integrations.clients import billit
from integrations.clients.http.transport import ServiceError
from invoicing.corrections import replace
from invoicing.drafting import runs
from invoicing.due import deliveries
from invoicing.models import Correction, Invoice
from invoicing.models.moves import DELIVERY, PAYMENT, STATUS
from invoicing.posting import post, recover
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, many
from tests.proof.moves.recording import Recorder, declared, during, of
from tests.worlds import entry

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
Make = Callable[..., Scene]
NO: dict[str, Any] = {"status": 400, "body": {"errors": [{"Code": "X", "Description": "No."}]}}
SEND = "/v1/orders/commands/send"
ORDERS: dict[str, Any] = {"method": "GET", "path": "^/v1/orders$"}


def test_every_move_of_an_invoice_is_made_by_the_verbs(recorder: Recorder, scene: Make) -> None:
    count = 34
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
        with during(post, "leaves", after=lambda: self.given_up(invoice)):
            self.books.post(invoice)
        self.at(invoice)

    def walk_late_answer_after_a_refusal(self) -> None:
        invoice = self.approved()
        with during(post, "leaves", after=lambda: self.refused_meanwhile(invoice)):
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

    # --- what becomes of it -------------------------------------------------------------------------------------------

    def walk_delivered_refused_and_delivered_after_all(self) -> None:
        first, second = self.sent(), self.sent()
        self.answered(second, DocumentDeliveryStatus="Error")
        self.at(second, delivery="refused")
        self.at(first, delivery="delivered")
        self.answered(first, DocumentDeliveryStatus="Error")
        self.at(first, delivery="refused")
        self.answered(second, IsDocumentDelivered=True)
        self.at(second, delivery="delivered")

    def sent(self) -> Invoice:
        return self.at(self.books.send(self.posted()), delivery="sent")

    def answered(self, invoice: Invoice, **details: object) -> None:
        """The receiver answers, and a worker looks at it a day later."""
        self.books.control.change_order(invoice.order_id or 0, CurrentDocumentDeliveryDetails=details)
        self.books.later(days=1)
        deliveries.read(company=invoice.company, now=timezone.now())
