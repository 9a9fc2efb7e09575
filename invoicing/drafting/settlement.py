"""Settling the hours on account of an agreement by a person (design section 11): they are billed less the advances."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext

from invoicing.deciding import figures, rights
from invoicing.drafting import runs
from invoicing.drafting.runs import Drafting
from invoicing.drafting.trying import WhatIf
from invoicing.ledger.facts.books import Facts
from invoicing.ledger.states import derive
from invoicing.models import Agreement, Dossier, Invoice, InvoiceLine
from invoicing.rules.judging.judge import Judge
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

_INVOICE = Invoice.Kind.INVOICE


def settle(*, agreement: Agreement, through: date, by: Actor, now: datetime, read: Read | None = None) -> Drafting:
    """Draft what settles an agreement up to and including a local day, on its customer's invoice; what else of the
    customer is open up to that day goes along. It holds for later runs, too.

    Raises ``NotPossible`` for an agreement without advances, and for a day after today or before its first one;
    ``NotAllowed``; ``Changed`` and ``Unread`` where the terms (``figures.of_agreement``) or what it drafts
    (``figures.of_settlement``) are not as read.
    """
    _refuse(agreement, through, now)
    rights.demand(by, "draft", agreement.dossier)
    derive.derive(workspace=agreement.dossier.workspace, now=now)
    return _settle(agreement=agreement, through=through, by=by, now=now, read=read)


def preview(*, agreement: Agreement, through: date, now: datetime) -> Drafting:
    """What ``settle`` would draft, without doing it. Raises ``NotPossible`` as it does."""
    _refuse(agreement, through, now)
    derive.derive(workspace=agreement.dossier.workspace, now=now)
    return foresee(agreement=agreement, through=through, now=now)


def foresee(*, agreement: Agreement, through: date, now: datetime) -> Drafting:
    """The same of the hours as the books have judged them; nothing is written. Raises ``NotPossible``, too."""
    _refuse(agreement, through, now)
    books = Facts.load(agreement.dossier.workspace)
    only = _customer(agreement, books)
    cut_off = _through_the_drafts(agreement.dossier, only, through)

    def settled(_dossier: Dossier, judge: Judge) -> Judge:
        agreed = [
            replace(each, settled_through=max(through, each.settled_through or through))
            if each.id == agreement.pk
            else each
            for each in judge.agreements
        ]
        return judge.under(agreements=tuple(agreed))

    tried = WhatIf(settled)
    return runs.foresee(dossier=agreement.dossier, cut_off=cut_off, now=now, what_if=tried, only=only, books=books)


@transaction.atomic
def _settle(*, agreement: Agreement, through: date, by: Actor, now: datetime, read: Read | None) -> Drafting:
    lock_firm(agreement.firm)
    rows = Agreement.objects.select_related("firm", "dossier__workspace__firm", "dossier__firm", "dossier__company")
    found = rows.get(pk=agreement.pk)
    rights.demand(by, "draft", found.dossier)
    check(read, lambda: [figures.of_agreement(found)], by=by)
    _refuse(found, through, now)
    found.settled_through = max(through, found.settled_through or through)
    found.save(update_fields=["settled_through"])
    news = News("agreement_settled", f"dossier {found.dossier.key}", {"agreement": found.key, "through": str(through)})
    audit.record(firm=found.firm, news=[news], by=by, now=now)
    books = Facts.load(found.dossier.workspace)
    only = _customer(found, books)
    cut_off = _through_the_drafts(found.dossier, only, through)
    return runs.draft_derived(
        dossier=found.dossier,
        cut_off=cut_off,
        by=by,
        now=now,
        read=read,
        only=only,
        books=books,
        figures_of=lambda plan: figures.of_settlement(found, through, plan),
    )


def _through_the_drafts(dossier: Dossier, buyer_key: str, through: date) -> date:
    """The day itself, or the latest one of what is on the customer's waiting drafts: that stays on them."""
    lines = InvoiceLine.objects.filter(invoice__in=Invoice.objects.drafts().filter(dossier=dossier, kind=_INVOICE))
    lines = lines.filter(invoice__buyer_key=buyer_key)
    found: dict[str, date | None] = lines.aggregate(hours=Max("claims__day"), due=Max("due_on"))
    return max([through, *(day for day in found.values() if day is not None)])


def _customer(agreement: Agreement, books: Facts) -> str:
    """What tells its customer from others. Raises ``NotPossible`` where there is none."""
    judge = books.judges[agreement.dossier_id]
    for each in judge.agreements:
        if each.id == agreement.pk and (key := judge.customer_key(each)):
            return key
    raise NotPossible(
        gettext("Agreement %(agreement)s has no customer that can be billed: map its Toggl client to one first.")
        % {"agreement": agreement}
    )


def _refuse(agreement: Agreement, through: date, now: datetime) -> None:
    said = {"agreement": agreement, "start": agreement.start_date.isoformat()}
    if agreement.kind != Agreement.Kind.ADVANCE:
        raise NotPossible(gettext("Agreement %(agreement)s has no advances: there is nothing to settle.") % said)
    if through < agreement.start_date:
        raise NotPossible(
            gettext("Agreement %(agreement)s begins on %(start)s: settle it up to that day or a later one.") % said
        )
    runs.refuse_future(agreement.dossier, through, now)
