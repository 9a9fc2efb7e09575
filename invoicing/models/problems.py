"""What is wrong with an invoice, what came of an attempt, why a dossier waits: a code with facts each (design D11).

A row keeps code and facts in two columns (``problem``, ``problem_facts``), an audit event as `{"code", "facts"}`; the
sentence is made when somebody reads it, in the language in force. What the clients report has codes of its own, in
``integrations.clients.http.failures``: they stand in the same columns, and ``words`` knows both.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import and_
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import formats, translation
from django.utils.translation import gettext, gettext_noop

from integrations.clients.http import failures
from integrations.clients.http.failures import Facts, Message


class Code(StrEnum):
    """What the rules and the look-ups of posting, sending, correcting and drafting find."""

    # an invoice needs a person
    PEPPOL_REFUSES = "peppol_refuses"
    NO_WAY_TO_SEND = "no_way_to_send"
    NOT_DELIVERED = "not_delivered"
    SAME_EYES = "same_eyes"
    OTHER_WAY = "other_way"
    SENDING_CLOSED = "sending_closed"
    SEVERAL_CUSTOMERS = "several_customers"
    TOTALS_DIFFER = "totals_differ"
    SENT_MEANWHILE = "sent_meanwhile"
    ORDER_NOWHERE = "order_nowhere"
    ORDER_WAS_DELETED = "order_was_deleted"
    ORDER_WAS_CHANGED = "order_was_changed"
    ORDER_OF_ANOTHER = "order_of_another"
    ORDER_TWICE = "order_twice"
    BROUGHT_IN_QUESTION = "brought_in_question"
    PAID_UNSENT = "paid_unsent"
    CUSTOMER_GONE = "customer_gone"
    CUSTOMER_RENUMBERED = "customer_renumbered"
    CREDIT_TOO_LARGE = "credit_too_large"
    ANNEX_LIBRARY = "annex_library"
    ANNEX_FAILED = "annex_failed"
    ANNEX_TOO_LARGE = "annex_too_large"
    ORDER_TOO_LARGE = "order_too_large"
    # posting and sending are not done, or in doubt
    WORKER_ENDED = "worker_ended"
    NOT_ADOPTED = "not_adopted"
    NOT_SENT_AFTER_ALL = "not_sent_after_all"
    # it was sent, and does not arrive
    RECEIVER_REFUSED = "receiver_refused"
    NOT_DELIVERABLE = "not_deliverable"
    # what came of an attempt
    TAKEN_AS_ORDER = "taken_as_order"
    SENT_OVER_PEPPOL = "sent_over_peppol"
    SENT_BY_EMAIL = "sent_by_email"
    SHOWN_AS_SENT = "shown_as_sent"
    SENT_ELSEWHERE = "sent_elsewhere"
    SHOWN_AS_NOT_SENT = "shown_as_not_sent"
    ORDER_GONE = "order_gone"
    NOT_DELETED = "not_deleted"
    ANSWERS_WERE_SLOW = "answers_were_slow"
    NEVER_LEFT = "never_left"
    # why an invoice is void
    DROPPED = "dropped"
    NO_HOURS_LEFT = "no_hours_left"
    REPLACED = "replaced"
    REDRAWN = "redrawn"


class Detail(StrEnum):
    """Part of a sentence: what a look-up found of an order in doubt, and what stands in the place of a missing fact."""

    KEY_USED = "key_used"
    ORDER_DELETED = "order_deleted"
    SEVERAL_ORDERS = "several_orders"
    OTHER_ORDER = "other_order"
    NO_NUMBER = "no_number"
    # what a check of e-invoices found, by its name in ``rules.einvoice``
    E_CHARACTERS = "e_characters"
    E_BLANK_TEXTS = "e_blank_texts"
    E_NAMES = "e_names"
    E_LINE_TEXTS = "e_line_texts"
    E_BUYERS_REFERENCE = "e_buyers_reference"
    E_SELLER_NUMBER = "e_seller_number"
    E_VAT_PREFIXES = "e_vat_prefixes"
    E_CHECK_DIGITS = "e_check_digits"
    E_COUNTRIES = "e_countries"
    E_VAT_CODES = "e_vat_codes"
    E_OUTSIDE_SCOPE_ALONE = "e_outside_scope_alone"
    E_OUTSIDE_SCOPE_WRITTEN = "e_outside_scope_written"
    E_REVERSE_CHARGE_NUMBER = "e_reverse_charge_number"
    E_EU_SERVICES_NUMBER = "e_eu_services_number"
    E_EXEMPTION_REASONS = "e_exemption_reasons"
    E_NEGATIVE_PRICES = "e_negative_prices"


SENTENCES: Mapping[str, str] = failures.SENTENCES | {
    Code.PEPPOL_REFUSES: gettext_noop(
        "%(why)s Peppol would refuse the invoice (%(rules)s), so it is not posted. "
        "Once that is mended, drop the invoice or redraw the draft."
    ),
    Code.NO_WAY_TO_SEND: gettext_noop(
        "%(customer)s (%(number)s) does not receive invoices over Peppol, and e-mail is not open for it. "
        "Have the customer register at Peppol, or allow e-mail in the dossier and add an address."
    ),
    Code.NOT_DELIVERED: gettext_noop(
        "Sent on %(on_day)s, and not delivered after one working day. Open it in Billit: if it waits in the queue, "
        "let it wait; if not, ask %(customer)s whether its registration at Peppol has changed. An invoice counts as "
        "issued only once it arrives."
    ),
    Code.SAME_EYES: gettext_noop(
        "The dossier wants four eyes: %(who)s approved the invoice and asked for its sending. "
        "Have somebody else send it."
    ),
    Code.SENDING_CLOSED: gettext_noop(
        "Billit does not let %(company)s send yet: sign in to Billit and finish what it asks for, such as proving the "
        "identity of the legal representative (itsme) and the address of e-mail. Then send again."
    ),
    Code.OTHER_WAY: gettext_noop(
        "It was to go to %(to)s, and now only another way is open: %(now)s. Look at it, then send it again."
    ),
    Code.SEVERAL_CUSTOMERS: gettext_noop(
        "Billit has %(n)s customers with number %(number)s (PartyID %(ids)s). "
        "Map the Toggl client to one of them, then draft again."
    ),
    Code.TOTALS_DIFFER: gettext_noop(
        "Billit computed %(excl)s + %(vat)s VAT = %(incl)s, we %(our_excl)s + %(our_vat)s = %(our_incl)s. "
        "Billit's figures are the legal ones; look at the lines in Billit."
    ),
    Code.SENT_MEANWHILE: gettext_noop(
        "Order %(order)s of invoice %(invoice)s was sent from Billit meanwhile: credit it instead."
    ),
    Code.ORDER_NOWHERE: gettext_noop(
        "Billit shows order %(order)s of invoice %(invoice)s neither among its orders nor among the deleted ones. "
        "Find out in Billit what became of it before anything is billed again."
    ),
    Code.ORDER_WAS_DELETED: gettext_noop(
        "Order %(order)s of invoice %(invoice)s was deleted in Billit. Bill its hours anew on the invoice’s page, "
        "or bring the order back in Billit."
    ),
    Code.ORDER_WAS_CHANGED: gettext_noop(
        "Order %(order)s of invoice %(invoice)s was changed in Billit: it amounts to %(incl)s there, to %(our_incl)s "
        "here. Nothing was done. Set the order right in Billit, or decide on the difference first."
    ),
    Code.ORDER_OF_ANOTHER: gettext_noop(
        "Order %(order)s of invoice %(invoice)s has another customer in Billit: party %(theirs)s there, %(ours)s here. "
        "Nothing was done. Give the order its customer back in Billit, or decide on the difference first."
    ),
    Code.ORDER_TWICE: gettext_noop(
        "Billit has another order, %(other)s, with the reference of order %(order)s of invoice %(invoice)s. "
        "Nothing was done. Delete the one that is too many in Billit."
    ),
    Code.BROUGHT_IN_QUESTION: gettext_noop(
        "It deducts invoice %(invoice)s (order %(order)s), which Billit itself made for agreement %(agreement)s, and "
        "Billit has that no more as it was. Nothing was done. Drop this invoice, let the order go on the agreement’s "
        "page, then draft again."
    ),
    Code.PAID_UNSENT: gettext_noop(
        "Order %(order)s of invoice %(invoice)s was paid in Billit before it was sent, so it was not sent. "
        "Send it again if the customer shall still receive it."
    ),
    Code.CUSTOMER_GONE: gettext_noop(
        "Billit does not have customer %(customer)s (PartyID %(party)s) any more: it was deleted or merged there. "
        "Map the Toggl client to the customer that is left, then draft again."
    ),
    Code.CUSTOMER_RENUMBERED: gettext_noop(
        "Customer %(customer)s (PartyID %(party)s) has number %(number)s in Billit by now, and %(ours)s here. "
        "Map the Toggl client to its customer, then draft again."
    ),
    Code.CREDIT_TOO_LARGE: gettext_noop(
        "The credit note comes to %(excl)s excl. VAT, and order %(order)s of invoice %(invoice)s has %(left)s left in "
        "Billit, earlier credit notes taken off. Credit fewer hours, or set the order right in Billit."
    ),
    Code.ANNEX_LIBRARY: gettext_noop(
        "The annex of hours cannot be made on this machine (%(missing)s). Whoever runs the site installs what is "
        "missing (%(packages)s); the invoice is posted afterwards. Or switch the annex off in the dossier."
    ),
    Code.ANNEX_FAILED: gettext_noop(
        "The annex of hours could not be made (%(why)s). It is tried again before the invoice is posted. "
        "Or switch the annex off in the dossier."
    ),
    Code.ANNEX_TOO_LARGE: gettext_noop(
        "The annex of hours has %(megabytes)s MB, and at most %(most)s MB go with an order. Switch the annex off in "
        "the dossier and give it to the customer yourself, then post the invoice."
    ),
    Code.ORDER_TOO_LARGE: gettext_noop(
        "Billit takes no order of this size. Switch the annex of hours off in the dossier and give it "
        "to the customer yourself, then approve the invoice again."
    ),
    Code.WORKER_ENDED: gettext_noop("The worker that posted it ended before it could note Billit's answer."),
    Code.NOT_ADOPTED: gettext_noop("It is not clear whether Billit has the invoice. %(found)s"),
    Code.NOT_SENT_AFTER_ALL: gettext_noop(
        "Billit says that the key was used, but shows the order as not sent. Look there, then send again."
    ),
    Code.RECEIVER_REFUSED: gettext_noop(
        "%(customer)s refused it on %(on_day)s: %(reason)s. Billit has numbered it, so it is not changed any more: "
        "settle the reason with the customer, then credit it and bill its hours again."
    ),
    Code.NOT_DELIVERABLE: gettext_noop(
        "Billit could not deliver it to %(customer)s: %(reason)s. Mend the customer in Billit and send it from there "
        "once more, or credit it and bill its hours again. A PDF by e-mail is no legal invoice between Belgian firms."
    ),
    Code.TAKEN_AS_ORDER: gettext_noop("Billit has it as order %(order)s."),
    Code.SENT_OVER_PEPPOL: gettext_noop("Billit sends it over Peppol."),
    Code.SENT_BY_EMAIL: gettext_noop("Billit sends it by e-mail."),
    Code.SHOWN_AS_SENT: gettext_noop("Billit shows it as sent"),
    Code.SENT_ELSEWHERE: gettext_noop("It was sent in Billit itself, by a person or by its daily run."),
    Code.SHOWN_AS_NOT_SENT: gettext_noop("Billit shows it as not sent"),
    Code.ORDER_GONE: gettext_noop("Billit has the order no more."),
    Code.NOT_DELETED: gettext_noop("Billit still has the order: it was not deleted."),
    Code.ANSWERS_WERE_SLOW: gettext_noop("The answers before it were slow, so it was not sent. It is next."),
    Code.NEVER_LEFT: gettext_noop("The worker that was to send it ended before that. Nothing was sent; it is next."),
    Code.DROPPED: gettext_noop("dropped by a person"),
    Code.NO_HOURS_LEFT: gettext_noop("no hours left on it"),
    Code.REPLACED: gettext_noop("replaced"),
    Code.REDRAWN: gettext_noop("drawn anew for the customer that its hours have now"),
    Detail.KEY_USED: gettext_noop(
        "Billit says that the key was used, but has no order of this reference. Look at Billit: if the invoice is not "
        "there, post it anew."
    ),
    Detail.ORDER_DELETED: gettext_noop(
        "Order %(order)s of this reference was deleted in Billit. Bring it back there, or post the invoice anew."
    ),
    Detail.SEVERAL_ORDERS: gettext_noop(
        "Billit has %(n)s orders of this reference: %(orders)s. Delete in Billit those of them that stand, then post "
        "the invoice anew."
    ),
    Detail.OTHER_ORDER: gettext_noop(
        "Order %(order)s has this reference, but another total or customer than ours. Set it right in Billit, or "
        "delete it there; then post the invoice anew: an order that agrees is taken over, not made twice."
    ),
    Detail.NO_NUMBER: gettext_noop("no number"),
    Detail.E_CHARACTERS: gettext_noop(
        "The text “%(text)s” holds a character that no e-invoice can carry: type it anew in Toggl or Billit."
    ),
    Detail.E_BLANK_TEXTS: gettext_noop(
        "A name, a reference or the text of a line consists of blanks alone: fill it in or empty it."
    ),
    Detail.E_NAMES: gettext_noop("Seller or customer (%(number)s) has no name: give it one in Billit."),
    Detail.E_LINE_TEXTS: gettext_noop("Line %(line)s has no description: give its product one in Billit."),
    Detail.E_BUYERS_REFERENCE: gettext_noop(
        "The invoice has neither a purchase order nor a buyer reference: add one in the client mapping."
    ),
    Detail.E_SELLER_NUMBER: gettext_noop(
        "The company %(party)s has no VAT number in Billit (“%(number)s”): add it to the company's data there."
    ),
    Detail.E_VAT_PREFIXES: gettext_noop(
        "The VAT number %(number)s of %(party)s begins with no country's code: correct it in Billit."
    ),
    Detail.E_CHECK_DIGITS: gettext_noop("The VAT number %(number)s of %(party)s has a mistake: correct it in Billit."),
    Detail.E_COUNTRIES: gettext_noop(
        "“%(country)s” is no country's code (%(party)s): choose the country in Billit, for Greece GR."
    ),
    Detail.E_VAT_CODES: gettext_noop(
        "Line %(line)s bears no VAT, with Billit's VAT code %(vat_code)s, which belongs to a rate: "
        "choose the VAT treatment of the customer anew."
    ),
    Detail.E_OUTSIDE_SCOPE_ALONE: gettext_noop(
        "Lines outside the scope of VAT stand beside others: they need an invoice of their own."
    ),
    Detail.E_OUTSIDE_SCOPE_WRITTEN: gettext_noop(
        "Billit's e-invoice of lines outside the scope of VAT is not valid: "
        "choose another treatment, or have the invoice made in Billit and sent by e-mail."
    ),
    Detail.E_REVERSE_CHARGE_NUMBER: gettext_noop(
        "Reverse charge needs the customer's VAT number, and %(party)s has none (“%(number)s”): add it in Billit."
    ),
    Detail.E_EU_SERVICES_NUMBER: gettext_noop(
        "Services within the EU need the customer's VAT number, and %(party)s has none (“%(number)s”): "
        "add it in Billit."
    ),
    Detail.E_EXEMPTION_REASONS: gettext_noop(
        "Billit's e-invoice gives no reason why no VAT is due: "
        "choose another treatment, or have the invoice made in Billit."
    ),
    Detail.E_NEGATIVE_PRICES: gettext_noop(
        "Line %(line)s has a negative price, which no e-invoice may have: redraw the draft, and it takes hours off."
    ),
}
"""English by code, those of the clients included; what is in the places are facts of the same name."""

CODES = ("", *sorted(str(code) for code in (*failures.Code, *Code)))
"""What a column may hold; "" for nothing."""

_AMOUNTS = frozenset({"excl", "vat", "incl", "our_excl", "our_vat", "our_incl", "left"})


def words(message: Message) -> str:
    """A problem as a sentence in the language in force."""
    return words_of(message.code, message.facts)


def words_of(code: str, facts: Facts) -> str:
    """The same for the columns of a row; "" for no code."""
    return failures.sentence(code, facts, SENTENCES, translate=gettext, write=_written)


def columns(name: str, message: Message | None) -> dict[str, Any]:
    """The two columns of a message, for a write; None empties both."""
    if message is None:
        return {name: "", f"{name}_facts": {}}
    return {name: message.code, f"{name}_facts": dict(message.facts)}


def known_codes(*names: str, constraint: str) -> models.CheckConstraint:
    """The constraint that columns hold a code of the list, or nothing."""
    known = [Q(**{f"{name}__in": list(CODES)}) for name in names]
    return models.CheckConstraint(condition=reduce(and_, known), name=constraint)


def _written(name: str, value: Any) -> str:
    if name in _AMOUNTS and not (translation.get_language() or "en").startswith("en"):
        return formats.number_format(Decimal(value), 2)
    if name == "on_day":
        month = "M" if (translation.get_language() or "en").startswith("en") else "b"
        with suppress(ValueError):
            return formats.date_format(date.fromisoformat(value), f"j {month} Y")
    return str(value)
