"""Sentences that stand in rows: written once in English, as commands print them, and read in the reader's language.

A row keeps a sentence of ours as text. What it says is known again by its shape, so that a page can say it in French
or Dutch; words of Billit's or Toggl's own are nobody's to translate and stay as they came.
"""

from __future__ import annotations

import re
from functools import cached_property

from django.utils.translation import gettext, gettext_noop

_PLACE = re.compile(r"%\((\w+)\)s")


class Sentence:
    """A sentence with places (``%(name)s``). A message id of the translations: wrap it in ``gettext_noop``."""

    def __init__(self, template: str) -> None:
        self.template = template

    def english(self, **words: object) -> str:
        """As it stands in a row."""
        return self.template % words

    def local(self, **words: object) -> str:
        """As the person at the page reads it."""
        return gettext(self.template) % words

    @cached_property
    def shape(self) -> re.Pattern[str]:
        """What a text of this sentence looks like."""
        parts = _PLACE.split(self.template)
        found = "".join(
            f"(?P<{part}>.*?)" if place % 2 else re.escape(part.replace("%%", "%")) for place, part in enumerate(parts)
        )
        return re.compile(found, re.DOTALL)


# --- on invoices ------------------------------------------------------------------------------------------------------

NO_WAY_TO_SEND = Sentence(
    gettext_noop(
        "%(customer)s (%(number)s) does not receive invoices over Peppol, and e-mail is not open for it. "
        "Have the customer register at Peppol, or allow e-mail in the dossier and add an address."
    )
)
NO_NUMBER = Sentence(gettext_noop("no number"))
SEVERAL_CUSTOMERS = Sentence(
    gettext_noop(
        "Billit has %(n)s customers with number %(number)s (PartyID %(ids)s). "
        "Map the Toggl client to one of them, then draft again."
    )
)
NOT_SENT_AFTER_ALL = Sentence(
    gettext_noop(
        "Billit says that the key was used, but shows the order as not sent. Look there, then send again.",
    )
)
SHOWN_AS_SENT = Sentence(gettext_noop("Billit shows it as sent"))
SHOWN_AS_NOT_SENT = Sentence(gettext_noop("Billit shows it as not sent"))
SENT_MEANWHILE = Sentence(
    gettext_noop("Order %(order)s of invoice %(invoice)s was sent from Billit meanwhile: credit it instead."),
)
ORDER_NOWHERE = Sentence(
    gettext_noop(
        "Billit shows order %(order)s of invoice %(invoice)s neither among its orders nor among the deleted ones. "
        "Find out in Billit what became of it before anything is billed again."
    )
)
NOT_DELETED = Sentence(gettext_noop("Billit still has the order: it was not deleted."))
BY_CREDIT_NOTE = Sentence(gettext_noop("credit note %(reference)s"))

# --- on dossiers ------------------------------------------------------------------------------------------------------

QUOTA_USED_UP = Sentence(gettext_noop("Toggl's hourly quota for workspace %(workspace)s is used up."))
NOT_COMPARED = Sentence(
    gettext_noop(
        "Toggl's hourly quota for workspace %(workspace)s is used up until %(moment)s UTC, so the ledger cannot be "
        "compared with Toggl. Reconcile again then."
    )
)

# --- what posting says (known by shape alone) -------------------------------------------------------------------------

_OF_POSTING = [
    Sentence(template)
    for template in (
        gettext_noop(
            "Billit computed %(excl)s + %(vat)s VAT = %(incl)s, we %(our_excl)s + %(our_vat)s = %(our_incl)s. "
            "Billit's figures are the legal ones; look at the lines in Billit."
        ),
        gettext_noop("The worker that posted it ended before it could note Billit's answer."),
        gettext_noop("%(found)s Look at Billit, then adopt it there by hand or post anew."),
        gettext_noop("Billit says that the key was used, but has no order of this reference."),
        gettext_noop("Order %(order)s of this reference was deleted in Billit."),
        gettext_noop("Billit has %(n)s orders of this reference: %(orders)s."),
        gettext_noop("Order %(order)s has this reference, but another total or customer than ours."),
        gettext_noop("Invoice %(invoice)s is not one that a person has to decide on."),
    )
]

# --- what the clients say of a call that did not work (integrations knows no translations: known by shape alone) ------

_OF_CALLS = [
    Sentence(template)
    for template in (
        gettext_noop(
            "%(service)s answered %(what)s with something that toggbill cannot read: %(detail)s. Nothing was changed; "
            "it will be asked again, and if this stays, tell the maintainers of toggbill."
        ),
        gettext_noop(
            "%(service)s did not clearly answer %(what)s: %(detail)s. It may have been done all the same: "
            "look in %(place)s before it is tried again."
        ),
        gettext_noop("%(service)s refused %(what)s (HTTP %(status)s): %(reason)s. Mend what it names, then try again."),
        gettext_noop(
            "The %(service)s credential holds blanks or characters that no credential has. "
            "Copy it again and enter it anew for this connection."
        ),
        gettext_noop(
            "%(service)s led to another address for %(what)s. Nothing was sent there. "
            "If this stays, tell the maintainers of toggbill."
        ),
        gettext_noop(
            "%(service)s asks for fewer requests (HTTP 429) and did not take %(what)s. "
            "Nothing was changed; it will be tried again later."
        ),
        gettext_noop(
            "%(service)s could not answer %(what)s (HTTP %(status)s). "
            "Nothing was changed; it will be tried again later."
        ),
        gettext_noop(
            "%(service)s could not be reached for %(what)s. Nothing was sent; it will be tried again later. "
            "If this stays, check the network and the service's address in the settings."
        ),
        gettext_noop(
            "%(service)s was asked for %(what)s, but %(detail)s. Nothing was changed; it will be tried again later."
        ),
        gettext_noop(
            "Toggl does not accept the API token (HTTP %(status)s). Copy the token from the Toggl profile page again "
            "and enter it for this connection."
        ),
        gettext_noop(
            "Toggl's hourly budget of requests for %(whose)s is used up, so it did not give %(what)s. "
            "It opens again in %(n)s seconds; toggbill goes on then."
        ),
        gettext_noop(
            "Toggl's plan does not include what is needed for %(what)s (HTTP 402): %(reason)s. "
            "Upgrade the plan at Toggl, or do without."
        ),
        gettext_noop(
            "Billit's access token ended before %(what)s was asked. Nothing was changed; it is renewed and asked again."
        ),
        gettext_noop(
            "Billit does not accept the credential of this connection (HTTP 401). "
            "Enter a new key, or sign in to Billit again."
        ),
        gettext_noop(
            "Billit no longer accepts the sign-in of this connection. Sign in to Billit again. (HTTP %(status)s)"
        ),
        gettext_noop("The connection %(connection)s was removed. Connect it again on the page Connections."),
        gettext_noop("The connection %(connection)s is paused. Resume it on the page Connections."),
        gettext_noop(
            "The sign-in of %(connection)s could not be renewed: %(detail)s It is tried again; "
            "if it stays, sign in to Billit again on the page Connections."
        ),
        gettext_noop(
            "The sign-in of %(connection)s has ended: an answer of Billit was lost on %(moment)s UTC, and Billit gives "
            "each only once. Sign in to Billit again: %(page)s"
        ),
        gettext_noop("The sign-in of %(connection)s has ended. Sign in to Billit again: %(page)s"),
        gettext_noop(
            "%(connection)s failed %(n)s times in a row and is tried again at %(moment)s UTC.",
        ),
        gettext_noop("%(what)s is being read by another process at this moment. Try again in a minute."),
        gettext_noop(
            "The token of %(connection)s is no longer an admin's in Toggl workspace %(workspace)s, so it shows only "
            "part of the hours. Make its owner an admin there, or connect an admin's token; nothing was deleted."
        ),
        gettext_noop("no answer came in time"),
        gettext_noop("the connection broke before the answer was complete"),
        gettext_noop("HTTP 409, this was asked before"),
        gettext_noop("it is not JSON"),
        gettext_noop("no reason given"),
        gettext_noop("the organisation"),
        gettext_noop("the profile of the token's owner"),
        gettext_noop("the list of workspaces"),
        gettext_noop("the list of organisations"),
        gettext_noop("the list of companies"),
        gettext_noop("the list of products"),
        gettext_noop("the list of customers"),
        gettext_noop("the clients of workspace %(id)s"),
        gettext_noop("the tags of workspace %(id)s"),
        gettext_noop("the projects of workspace %(id)s"),
        gettext_noop("the total of workspace %(id)s"),
        gettext_noop("the time entries of workspace %(id)s"),
        gettext_noop("the customers with number %(number)s"),
        gettext_noop("the search for company %(words)s"),
        gettext_noop("the Peppol registration of %(number)s"),
        gettext_noop("the new order %(order)s"),
        gettext_noop("the sending of order %(order)s"),
        gettext_noop("the deletion of order %(order)s"),
        gettext_noop("order %(order)s"),
        gettext_noop("the new webhook of workspace %(id)s"),
        gettext_noop("the webhooks of workspace %(id)s"),
        gettext_noop("the end of a webhook of workspace %(id)s"),
        gettext_noop("the end of the sign-in"),
        gettext_noop("the sign-in"),
        gettext_noop("the renewal of the sign-in"),
        gettext_noop("the token's owner"),
    )
]

KNOWN = [sentence for sentence in list(globals().values()) if isinstance(sentence, Sentence)] + _OF_POSTING + _OF_CALLS


def told(text: str) -> str:
    """A text of a row as the person at the page reads it; one that is not a sentence of ours stays as it is."""
    for sentence in KNOWN:
        if found := sentence.shape.fullmatch(text):
            return sentence.local(**{name: told(words) for name, words in found.groupdict().items()})
    return text
