"""What each attention reason means to a person, and what to do about it. Pages and admin show these sentences."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invoicing.rules.mapping import Reason
from invoicing.rules.planning import CORRECTION_WAITS, HELD, ROUNDS_TO_ZERO


class Words(NamedTuple):
    """`title`: what is wrong; `todo`: one plain sentence, what to do. Translated when they are shown."""

    title: str | Promise
    todo: str | Promise


WORDS: dict[str, Words] = {
    Reason.no_project: Words(
        _("No project"),
        _("Choose a project for these entries in Toggl; the project leads to the client that is billed."),
    ),
    Reason.no_client: Words(
        _("Project without a client"),
        _("Give the project a client in Toggl."),
    ),
    Reason.unassigned_client: Words(
        _("Client of no dossier"),
        _("Several dossiers share this workspace and none of them bills this client: add the client to one of them."),
    ),
    Reason.no_vat: Words(
        _("Client without a number"),
        _(
            "Write the VAT or enterprise number behind the client's name in Toggl, "
            "or map the client to a customer in the dossier."
        ),
    ),
    Reason.invalid_vat: Words(
        _("Number with a mistake"),
        _("The number of this client fails its check digits: correct it in Toggl or in the client mapping."),
    ),
    Reason.several_vats: Words(
        _("Client with several numbers"),
        _("The client's name holds more than one number: leave one, or choose the customer in a client mapping."),
    ),
    Reason.client_vat_changed: Words(
        _("Client renamed to another number"),
        _(
            "The name now holds another number than the one we bill. If the customer really changed, "
            "change the client mapping; if not, correct the name in Toggl."
        ),
    ),
    Reason.several_customers: Words(
        _("Number known twice in Billit"),
        _("Billit has several customers with this number: merge them there, or map the client to one PartyID."),
    ),
    Reason.unknown_customer: Words(
        _("Customer gone from Billit"),
        _("The client is mapped to a customer that Billit does not have: choose another one in the client mapping."),
    ),
    Reason.no_tag: Words(
        _("No tag"),
        _("Give these entries a tag in Toggl, or set a default product in the dossier."),
    ),
    Reason.unknown_tag: Words(
        _("Tag without a product"),
        _("Map the tag to a product (or to “do not bill”) in the dossier, or use another tag in Toggl."),
    ),
    Reason.unknown_product: Words(
        _("Product unknown to Billit"),
        _(
            "The tag or the default leads to a product that Billit does not have: "
            "correct the reference, or add the product there."
        ),
    ),
    Reason.several_products: Words(
        _("Several products at once"),
        _("The tags lead to more than one product: leave one tag, or give one tag mapping the highest priority."),
    ),
    Reason.no_price: Words(
        _("Product without a price"),
        _("Set a price above 0 for this product in Billit. Map the tag to “do not bill” if the hours are free."),
    ),
    Reason.price_decimals: Words(
        _("Price with too many decimals"),
        _("Billit would cut this price: round it in Billit, or allow more decimals in the dossier."),
    ),
    Reason.vat_rate: Words(
        _("VAT rate that Belgium does not have"),
        _("Set the VAT rate of this product to 0, 6, 12 or 21 % in Billit."),
    ),
    Reason.foreign_vat: Words(
        _("Foreign customer without a VAT treatment"),
        _("Choose the VAT treatment of this customer in the client mapping."),
    ),
    # Not attention, but why a run leaves an entry, or its difference, where it is.
    HELD: Words(
        _("Held"),
        _("A person holds these entries back: release them on the page of the hours to have them billed."),
    ),
    ROUNDS_TO_ZERO: Words(
        _("Rounds to zero"),
        _("By the rounding of the dossier these entries come to 0.00 hours: they wait for more, or are written off."),
    ),
    CORRECTION_WAITS: Words(
        _("Correction that waits"),
        _(
            "These corrections take more off than the customer's next invoice holds: they wait for one that is large "
            "enough, or are taken back and credited."
        ),
    ),
}

# What a run tells of by itself: nobody has to decide, and nothing of it stands under attention.
LEFT_BY_RUNS = (ROUNDS_TO_ZERO, CORRECTION_WAITS)

# What a decision is about: entries with the same reason and the same cause are decided at once.
ABOUT_CLIENT = frozenset(
    {
        Reason.unassigned_client,
        Reason.no_vat,
        Reason.invalid_vat,
        Reason.several_vats,
        Reason.client_vat_changed,
        Reason.several_customers,
        Reason.unknown_customer,
        Reason.foreign_vat,
    }
)
ABOUT_TAGS = frozenset({Reason.unknown_tag, Reason.several_products})
ABOUT_PRODUCT = frozenset({Reason.no_price, Reason.price_decimals, Reason.vat_rate})


def words(reason: str) -> Words:
    """The words for a reason; an unknown one is shown by its name rather than hidden."""
    return WORDS.get(reason) or Words(reason.replace("_", " ").capitalize(), _("Ask whoever runs this site."))
