"""Ordering a block of prepaid hours (design section 11): an invoice of its own, which a person approves and sends."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from invoicing.deciding import figures, rights
from invoicing.drafting import drafts
from invoicing.drafting.news import drafted_news
from invoicing.drafting.sheet import late_through
from invoicing.ledger.agreements import blocks
from invoicing.ledger.attention import words
from invoicing.ledger.facts.books import Facts, known_customers, terms
from invoicing.ledger.locks import mark
from invoicing.models import Agreement, Invoice
from invoicing.rules import planning
from invoicing.rules.agreements.blocks import Ordered, order
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check


@transaction.atomic
def order_block(*, agreement: Agreement, by: Actor, now: datetime, read: Read | None = None) -> Invoice:
    """Draft the next block of a prepaid agreement; its hours draw it once it is an order at Billit.

    Raises ``NotPossible`` for an agreement of another kind or that is over, one of which a block waits already, and
    where its product or its customer cannot be billed; ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(agreement.firm)
    found = Agreement.objects.select_related("firm", "dossier__workspace__firm", "dossier__company").get(
        pk=agreement.pk
    )
    dossier = found.dossier
    rights.demand(by, "draft", dossier)
    check(read, lambda: [figures.of_agreement(found)], by=by)
    today = now.astimezone(found.firm.zone).date()
    if why := why_not(found, now):
        raise NotPossible(why)
    judge = Facts.load(dossier.workspace).judges[dossier.pk]
    (agreed,) = [each for each in judge.agreements if each.id == found.pk]
    of_run = terms(dossier, cut_off=today, late_through=late_through(dossier), now=now)
    ordered = order(judge, of_run, agreed, blocks.stocks([found.pk])[found.pk].made + 1, today)
    if not isinstance(ordered, Ordered):
        raise NotPossible(
            gettext("A block of agreement %(agreement)s cannot be billed: %(reason)s.")
            % {"agreement": found, "reason": words(str(ordered.reason)).title}
        )
    planned = planning.block_invoice(ordered, of_run)
    invoice = drafts.header(
        drafts.new(dossier, now), planned, known_customers(dossier.company, [ordered.buyer.party_id])
    )
    drafts.write([(invoice, planned)], {})
    news = drafted_news(invoice, planned, today, redrawn=False)
    audit.record(firm=found.firm, news=[news], by=by, now=now)
    mark(entries=blocks.undecided(dossier.pk, judge, [found.pk]), now=now)
    return invoice


def why_not(agreement: Agreement, now: datetime) -> str:
    """Why no block of an agreement can be ordered now, "" when one can."""
    today = now.astimezone(agreement.firm.zone).date()
    said = {"agreement": agreement, "until": agreement.end_date}
    if agreement.kind != Agreement.Kind.PREPAID:
        return gettext("Agreement %(agreement)s is not of prepaid hours: it has no blocks to order.") % said
    if agreement.end_date is not None and agreement.end_date < today:
        return gettext("Agreement %(agreement)s ended on %(until)s: let it go on before you order a block.") % said
    waiting = Invoice.objects.waiting().filter(block_of=agreement).first()
    if waiting is not None:
        return gettext(
            "A block of agreement %(agreement)s waits already: approve and post invoice %(invoice)s, or drop it."
        ) % (said | {"invoice": waiting})
    return ""
