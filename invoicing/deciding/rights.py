"""Who may decide, asked by every verb whatever calls it (design section 5, R9; the table is ``firms.access.RIGHTS``).

A member acts by the role of that moment, the schedule by the dossier's mode; whoever runs the site or its commands is
held back by neither. Who has no authority may decide nothing.
"""

from __future__ import annotations

from decimal import Decimal

from django.utils import formats
from django.utils.translation import gettext

from invoicing.deciding import guards
from invoicing.models import Dossier, Invoice
from toggbill.firms.access import RIGHTS, NotAllowed, holds
from toggbill.firms.audit import Actor, Authority

_MEMBERS_RIGHT = {"send": "post"}
"""Where the table has one right for two verbs; the modes of a dossier tell them apart."""
_BY_MODE: dict[str, frozenset[str]] = {
    Dossier.Mode.REVIEW: frozenset({"draft"}),
    Dossier.Mode.POST: frozenset({"draft", "approve", "post"}),
    Dossier.Mode.SEND: frozenset({"draft", "approve", "post", "send"}),
}


def demand(by: Actor, what: str, dossier: Dossier) -> None:
    """Raises ``NotAllowed`` unless who acts may draft, approve, approve_any, post, send or hold in the dossier."""
    if by.authority == Authority.SCHEDULE:
        # As it is now: a mode that was changed while the run read Toggl holds.
        if what in _BY_MODE[Dossier.objects.values_list("mode", flat=True).get(pk=dossier.pk)]:
            return
    elif holds(by, _MEMBERS_RIGHT.get(what, what), firm=dossier.firm, dossier=dossier.pk):
        return
    raise NotAllowed(
        gettext("%(who)s may not do this in dossier “%(dossier)s”: %(right)s. Ask an owner or a manager of the firm.")
        % {"who": by.name, "dossier": dossier, "right": RIGHTS[_MEMBERS_RIGHT.get(what, what)].label}
    )


def demand_approval(by: Actor, invoice: Invoice) -> None:
    """Raises ``NotAllowed`` unless who acts may approve this invoice, its amount included."""
    dossier = invoice.dossier
    demand(by, "approve", dossier)
    if by.authority == Authority.SCHEDULE and guards.deviation(invoice) is not None:
        raise NotAllowed(
            gettext("Invoice %(invoice)s lies too far above the customer’s latest ones: a person approves it.")
            % {"invoice": invoice}
        )
    if not passes_limit(by, invoice):
        raise NotAllowed(
            gettext(
                "Invoice %(invoice)s comes to %(amount)s excl. VAT, above the limit of %(limit)s of dossier "
                "“%(dossier)s”: an owner or a manager approves it."
            )
            % {
                "invoice": invoice,
                "amount": formats.number_format(invoice.total_excl, 2),
                "limit": formats.number_format(dossier.auto_limit or 0, 2),
                "dossier": dossier,
            }
        )


def demand_drop(by: Actor, invoice: Invoice) -> None:
    """Raises ``NotAllowed`` unless who acts may drop this invoice.

    Who drafts drops what waits; an approval is taken back by who may give it, its amount included.
    """
    dossier = invoice.dossier
    demand(by, "draft", dossier)
    if invoice.status != Invoice.Status.APPROVED:
        return
    demand(by, "approve", dossier)
    if not passes_limit(by, invoice):
        raise NotAllowed(
            gettext(
                "Invoice %(invoice)s is approved and comes to %(amount)s excl. VAT, above the limit of %(limit)s of "
                "dossier “%(dossier)s”. Who may approve it may drop it: ask an owner or a manager."
            )
            % {
                "invoice": invoice,
                "amount": formats.number_format(invoice.total_excl, 2),
                "limit": formats.number_format(dossier.auto_limit or 0, 2),
                "dossier": dossier,
            }
        )


def within_limit(invoice: Invoice) -> bool:
    """R9: whether the dossier's limit (amount excluding VAT) lets this invoice pass without a person."""
    limit: Decimal | None = invoice.dossier.auto_limit
    return limit is None or invoice.total_excl <= limit


def may_approve(by: Actor, invoice: Invoice) -> bool:
    """Whether who acts may approve this invoice, its amount included."""
    try:
        demand_approval(by, invoice)
    except NotAllowed:
        return False
    return True


def passes_limit(by: Actor, invoice: Invoice) -> bool:
    """Whether the limit of its dossier holds this invoice back from who acts."""
    return within_limit(invoice) or holds(by, "approve_any", firm=invoice.dossier.firm, dossier=invoice.dossier_id)
