"""English sentences that rows of invoicing held before there were codes. Frozen: for migrations only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.migrations import _sentences as calls

FOUND: calls.Table = [
    ("key_used", "Billit says that the key was used, but has no order of this reference."),
    ("order_deleted", "Order %(order)s of this reference was deleted in Billit."),
    ("several_orders", "Billit has %(n)s orders of this reference: %(orders)s."),
    ("other_order", "Order %(order)s has this reference, but another total or customer than ours."),
]

NUMBER: calls.Table = [("no_number", "no number")]

INVOICES: calls.Table = [
    (
        "no_way_to_send",
        (
            "%(customer)s (%(number)s) does not receive invoices over Peppol, and e-mail is not open for it. "
            "Have the customer register at Peppol, or allow e-mail in the dossier and add an address."
        ),
    ),
    (
        "several_customers",
        (
            "Billit has %(n)s customers with number %(number)s (PartyID %(ids)s). "
            "Map the Toggl client to one of them, then draft again."
        ),
    ),
    (
        "totals_differ",
        (
            "Billit computed %(excl)s + %(vat)s VAT = %(incl)s, we %(our_excl)s + %(our_vat)s = %(our_incl)s. "
            "Billit's figures are the legal ones; look at the lines in Billit."
        ),
    ),
    ("sent_meanwhile", "Order %(order)s of invoice %(invoice)s was sent from Billit meanwhile: credit it instead."),
    (
        "order_nowhere",
        (
            "Billit shows order %(order)s of invoice %(invoice)s neither among its orders nor among the deleted ones. "
            "Find out in Billit what became of it before anything is billed again."
        ),
    ),
    ("worker_ended", "The worker that posted it ended before it could note Billit's answer."),
    ("not_adopted", "%(found)s Look at Billit, then adopt it there by hand or post anew."),
    (
        "not_sent_after_all",
        "Billit says that the key was used, but shows the order as not sent. Look there, then send again.",
    ),
    ("shown_as_sent", "Billit shows it as sent"),
    ("shown_as_not_sent", "Billit shows it as not sent"),
    ("not_deleted", "Billit still has the order: it was not deleted."),
    ("answers_were_slow", "The answers before it were slow."),
    (
        "quota_used_up",
        (
            "Toggl's hourly quota for workspace %(workspace)s is used up until %(at)s UTC, so the ledger cannot be "
            "compared with Toggl. Reconcile again then."
        ),
    ),
    ("quota_used_up", "Toggl's hourly quota for workspace %(workspace)s is used up."),
    *calls.CALLS,
]

ANSWERS: calls.Table = [
    ("order_gone", "deleted"),
    ("sent_over_peppol", "Peppol"),
    ("sent_by_email", "SMTP"),
    *INVOICES,
]

_WITHIN = {"found": FOUND, "number": NUMBER}


def message(text: str) -> dict[str, Any]:
    """The code and facts of what a row held."""
    return calls.message(text, INVOICES, _WITHIN)


def answer(text: str) -> dict[str, Any]:
    """The same of an attempt, whose answer was also an order's id or a way of sending."""
    if text.isdecimal():
        return {"code": "taken_as_order", "facts": {"order": int(text)}}
    return calls.message(text, ANSWERS, _WITHIN)


def english(code: str, facts: Mapping[str, Any]) -> str:
    """What the row held before."""
    if code == "taken_as_order":
        return str(facts["order"])
    return calls.english(code, facts, ANSWERS, _WITHIN)
