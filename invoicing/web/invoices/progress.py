"""How far workers are with the invoices that were chosen together, and what is wrong with one, as their rows tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from invoicing.models import Invoice
from invoicing.models.problems import words_of

_Status, _Delivery = Invoice.Status, Invoice.Delivery


@dataclass(frozen=True, slots=True)
class Progress:
    """Of ``total`` invoices, how many arrived where they were to go, are under way, and stand still."""

    verb: str
    total: int
    done: int
    under_way: int

    @property
    def stuck(self) -> int:
        """Those that neither arrived nor move."""
        return self.total - self.done - self.under_way


def of(verb: str, rows: Sequence[Invoice]) -> Progress | None:
    """How far these are with ``verb``; None where nothing moves after it was done."""
    if verb == "post":
        done = sum(row.status == _Status.POSTED for row in rows)
    elif verb == "send":
        done = sum(row.delivery in (_Delivery.SENT, _Delivery.DELIVERED) for row in rows)
    else:
        return None
    return Progress(verb, len(rows), done, sum(row.waits_for_billit for row in rows))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an invoice, and what mends it."""

    what: str
    cure: str


def trouble(invoice: Invoice) -> Trouble | None:
    """What is wrong with the order or its delivery, and the cure; None where nothing is."""
    if invoice.status in (_Status.REFUSED, _Status.IN_DOUBT):
        what = words_of(invoice.problem, invoice.problem_facts) if invoice.problem else ""
        return Trouble(what or _("Billit gave no clear answer."), _cure(invoice))
    if invoice.status == _Status.POSTED and invoice.delivery in (
        _Delivery.FAILED,
        _Delivery.REFUSED,
        _Delivery.IN_DOUBT,
    ):
        said = words_of(invoice.delivery_problem, invoice.delivery_problem_facts) if invoice.delivery_problem else ""
        return Trouble(said or _("Billit gave no clear answer."), _cure_of_delivery(invoice))
    noted = words_of(invoice.attention, invoice.attention_facts) if invoice.attention else ""
    if invoice.delivery == _Delivery.SENT and invoice.delivery_problem:
        # Not there after a working day, beside whatever else was noted.
        return Trouble(words_of(invoice.delivery_problem, invoice.delivery_problem_facts), noted)
    if noted and invoice.status != _Status.VOID:
        return Trouble(noted, "")
    return None


def _cure(invoice: Invoice) -> str:
    if invoice.status == _Status.REFUSED:
        return _("Mend the cause, then approve again.")
    if invoice.needs_person:
        return _("Look for it in Billit. Only if it is not there, post it anew.")
    return _("It is looked up in Billit before anything is posted again; nothing is billed twice.")


def _cure_of_delivery(invoice: Invoice) -> str:
    if invoice.delivery == _Delivery.FAILED:
        return _("Mend the cause, then send it again.")
    if invoice.delivery == _Delivery.REFUSED:
        return _("Agree with the receiver what is wrong, then credit it and bill its hours again.")
    return _("Its state is read in Billit before it is sent again; nothing is sent twice.")
