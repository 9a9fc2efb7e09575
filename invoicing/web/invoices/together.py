"""Invoices that are approved, posted, sent or dropped many at once: each as it was read, and each for itself.

What a page showed is what may be decided: a row that changed meanwhile, or that is not possible, is left alone and
named, and the others go on. What was chosen last, and what was left alone, is kept in the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from invoicing.deciding import figures
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.tasks import freeze_annexes, post_invoices, send_invoices
from invoicing.web.enqueue import hasten
from toggbill.firms.access import FirmRequest, NotAllowed, actor, may, member_required, visible
from toggbill.firms.audit import Actor
from toggbill.firms.errors import Changed, NotPossible, Unread
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.read import Read

MOST = 200
"""Invoices that one page shows, and one form decides on."""
_CHOSEN = "chosen_invoices"
_Verb = Callable[[Invoice, Actor, datetime, Read], None]


def _approve(invoice: Invoice, by: Actor, now: datetime, read: Read) -> None:
    runs.approve(invoice=invoice, by=by, now=now, read=read)


def _post(invoice: Invoice, by: Actor, now: datetime, read: Read) -> None:
    if invoice.status != Invoice.Status.APPROVED:
        # One in doubt is looked up by itself; here it was not asked for.
        raise NotPossible(
            _("It is %(status)s: only an approved one is posted.") % {"status": invoice.get_status_display()}
        )
    posts.request(invoice=invoice, send=False, by=by, now=now, read=read)


def _send(invoice: Invoice, by: Actor, now: datetime, read: Read) -> None:
    posts.request_send(invoice=invoice, by=by, now=now, read=read)


def _drop(invoice: Invoice, by: Actor, now: datetime, read: Read) -> None:
    runs.void(invoice=invoice, by=by, now=now, read=read)


_VERBS: dict[str, tuple[str, _Verb]] = {
    "approve": ("approve", _approve),
    "post": ("post", _post),
    "drop": ("draft", _drop),
}
"""By the last part of the address: the right that it needs, and the verb."""
_HASTENED: dict[str, Any] = {"approve": freeze_annexes, "post": post_invoices}
"""What workers do next."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a member chose last: row ids by what was done (``verb``), and why some were left alone."""

    verb: str
    done: tuple[int, ...]
    refused: dict[int, str]

    @property
    def ids(self) -> list[int]:
        """Of both."""
        return [*self.done, *self.refused]


def chosen(request: FirmRequest) -> Chosen | None:
    """What the member chose last in this firm, if anything."""
    kept: dict[str, Any] = request.session.get(_CHOSEN, {})
    if kept.get("firm") != request.firm.pk:
        return None
    return Chosen(kept["verb"], tuple(kept["done"]), {int(pk): why for pk, why in kept["refused"].items()})


def _keep(request: FirmRequest, what: Chosen) -> None:
    refused = {str(pk): why for pk, why in what.refused.items()}
    request.session[_CHOSEN] = {"firm": request.firm.pk, "verb": what.verb, "done": what.done, "refused": refused}


@member_required()
@require_POST
def together(request: FirmRequest, verb: str) -> HttpResponse:
    """Approve, post or drop the invoices that `invoice` names (references) as they were read (`read`), each for itself.

    `send` leads to the page on which their way and receiver are read. Leads to what was chosen, or back to `next`.
    """
    if verb == "send":
        return _to_sending(request)
    if verb not in _VERBS:
        raise Http404
    right, do = _VERBS[verb]
    if not may(request.membership, right):
        raise PermissionDenied
    rows = ticked(request, visible(request.membership, Invoice.objects.all()))
    back = page_of_ours(request, request.POST.get("next", "")) or reverse("firm:invoices")
    if not rows:
        messages.error(request, _("Nothing was done: choose at least one invoice."))
        return redirect(back)
    found = each(verb, do, rows, by=actor(request), now=timezone.now(), read=read_of(request, rows, figures.subject))
    next_for = [row for row in rows if row.pk in found.done and (verb == "post" or row.dossier.annex)]
    for part in posts.first_portions(next_for if verb in _HASTENED else []):
        hasten(_HASTENED[verb], invoice_ids=[invoice.pk for invoice in part])
    _keep(request, found)
    tell(request, found)
    return redirect(back if verb == "drop" else f"{reverse('firm:invoices')}?chosen=1")


def send_each(request: FirmRequest, rows: Sequence[Invoice]) -> HttpResponse:
    """Have these sent, each as its way, receiver and amount were read (`read`)."""
    read = read_of(request, rows, lambda row: f"sending {row.reference}")
    found = each("send", _send, rows, by=actor(request), now=timezone.now(), read=read)
    for part in posts.first_portions(row for row in rows if row.pk in found.done):
        hasten(send_invoices, invoice_ids=[invoice.pk for invoice in part])
    _keep(request, found)
    tell(request, found)
    return redirect(f"{reverse('firm:invoices')}?chosen=1")


def _to_sending(request: FirmRequest) -> HttpResponse:
    if not may(request.membership, "post"):
        raise PermissionDenied
    rows = ticked(request, visible(request.membership, Invoice.objects.all()))
    _keep(request, Chosen("to_send", tuple(row.pk for row in rows), {}))
    return redirect(f"{reverse('firm:sending')}?chosen=1" if rows else "firm:invoices")


def ticked(request: FirmRequest, rows: QuerySet[Invoice]) -> list[Invoice]:
    """The invoices that the form names, in their order. Raises ``Http404`` where one is not there."""
    references = set(request.POST.getlist("invoice"))
    found = rows.filter(reference__in=sorted(references)[: MOST + 1]).select_related("dossier", "company", "firm")
    listed = list(found.order_by("customer_name", "pk"))
    if len(listed) != len(references):
        raise Http404
    return listed


def read_of(request: FirmRequest, rows: Iterable[Invoice], subject: Callable[[Invoice], str]) -> Read:
    """What the form says that was read. Raises ``Unread`` where it says nothing of one of these."""
    read = Read.unpack(request.POST.get("read", ""))
    if any(subject(row) not in read.figures for row in rows):
        raise Unread(
            _(
                "Nothing was done: the form does not say which figures it showed, or it was altered on its way. "
                "Open the page again, look at the figures, and decide there."
            )
        )
    return read


def each(verb: str, do: _Verb, rows: Iterable[Invoice], *, by: Actor, now: datetime, read: Read) -> Chosen:
    """Do it to each of these in a transaction of its own; what refuses itself is left alone."""
    done: list[int] = []
    refused: dict[int, str] = {}
    for row in rows:
        try:
            do(row, by, now, read)
        except Changed:
            refused[row.pk] = _("It changed after you opened the page: look at it again, and decide then.")
        except (NotPossible, NotAllowed) as refusal:
            refused[row.pk] = str(refusal)
        else:
            done.append(row.pk)
    return Chosen(verb, tuple(done), refused)


def tell(request: FirmRequest, found: Chosen) -> None:
    """Say how many it was done to, and how many were left alone; why stands with each of them."""
    count = len(found.done)
    words = {
        "approve": ngettext("%(n)d invoice is approved.", "%(n)d invoices are approved.", count),
        "post": ngettext("%(n)d invoice is on its way to Billit.", "%(n)d invoices are on their way to Billit.", count),
        "send": ngettext("Billit is asked to send %(n)d invoice.", "Billit is asked to send %(n)d invoices.", count),
        "drop": ngettext(
            "%(n)d invoice is dropped; its hours are free again.",
            "%(n)d invoices are dropped; their hours are free again.",
            count,
        ),
    }
    if count:
        messages.success(request, words[found.verb] % {"n": count})
    if found.refused:
        left = ngettext(
            "%(n)d invoice was left as it is; it says why below.",
            "%(n)d invoices were left as they are; each says why below.",
            len(found.refused),
        )
        messages.error(request, left % {"n": len(found.refused)})
