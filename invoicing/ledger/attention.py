"""What needs a decision: each reason in words for a person, and its cause. Pages and admin show these sentences.

Reads only. ``invoicing.attention`` gathers the entries by cause, and decides.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invoicing.models import LedgerRow
from invoicing.models.ledger import LedgerRowQuerySet
from invoicing.rules.agreements.settlement import Kept
from invoicing.rules.judging.mapping import DOUBTS, Reason
from invoicing.rules.planning import BLOCK_WAITS, CORRECTION_WAITS, HELD, NOT_OVER, ROUNDS_TO_ZERO
from toggbill.firms.access import visible
from toggbill.firms.models import Membership


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
    Reason.unsure_vat: Words(
        _("Number that may be another's"),
        _(
            "These digits may be a foreign number or a telephone number: if they are the customer's enterprise number, "
            "take them as such; else map the client to its customer."
        ),
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
    Reason.customer_changed: Words(
        _("Customer changed in Billit"),
        _(
            "The customer that was found for this number is gone from Billit, or has another number there: "
            "map the client to the customer that it is now."
        ),
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
    Reason.treatment_number: Words(
        _("VAT treatment that does not fit the customer"),
        _(
            "Reverse charge needs a Belgian VAT number, EU services one of another EU country: "
            "choose another treatment in the client mapping, or correct the customer's number."
        ),
    ),
    Reason.small_enterprise: Words(
        _("VAT of a company that charges none"),
        _(
            "In Billit this company is a small enterprise, which charges no VAT: "
            "set the VAT rate of the product to zero there, or correct the company's data and connect it again."
        ),
    ),
    Reason.contradicting_mappings: Words(
        _("Mappings that contradict each other"),
        _(
            "The tag was mapped in two spellings that are read as one now, and the mappings differ: open the mapping, "
            "choose what the tag means, and save it."
        ),
    ),
    Reason.several_agreements: Words(
        _("Covered by several agreements"),
        _(
            "Two fee agreements of this customer cover these hours: end one of them, or name the products or projects "
            "that each covers."
        ),
    ),
    Reason.left_agreement: Words(
        _("Not covered any more"),
        _(
            "These hours are listed on an invoice as covered by a fee, and their agreement does not cover them any "
            "more: change them back in Toggl, bill them by the hour, or write them off."
        ),
    ),
    Kept.advance_other_vat: Words(
        _("Advance at another VAT rate"),
        _(
            "The advance has another VAT rate or treatment than the hours that are settled, so it is not deducted: "
            "give it back by a credit note, or correct the product’s rate."
        ),
    ),
    Kept.advance_other_customer: Words(
        _("Advance of another customer"),
        _(
            "The advance was billed to another customer than the one whose hours are settled, so it is not deducted: "
            "give it back by a credit note, or map the Toggl client to that customer."
        ),
    ),
    Kept.advance_finding: Words(
        _("Advance with a difference"),
        _("The order of the advance is not as it was posted: decide on that difference, then draft again."),
    ),
    Reason.implausible: Words(
        _("Very long entry"),
        _(
            "The entry is longer than the dossier expects of one, as when a timer was left running: "
            "correct it in Toggl, or bill it as it stands."
        ),
    ),
    Reason.duplicate_entry: Words(
        _("Entry that stands there twice"),
        _(
            "Another entry has the same person, start, time, project, description and tags: "
            "delete one of them in Toggl, or bill it as it stands."
        ),
    ),
    Reason.billed_elsewhere: Words(
        _("Billed in another workspace"),
        _(
            "These entries were moved here after another dossier put them on an invoice. Decide there: once its draft "
            "is redrawn, or its invoice is replaced or credited, they are billed here. If that invoice stays, write "
            "them off here."
        ),
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
    NOT_OVER: Words(
        _("Not over yet"),
        _("These entries end after this moment: a run after that bills them."),
    ),
    BLOCK_WAITS: Words(
        _("Waits for its block"),
        _(
            "A block of prepaid hours is ordered that shall pay these entries, and Billit does not have it yet: "
            "approve and post its invoice, or drop it to have them billed by the hour."
        ),
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
LEFT_BY_RUNS = (NOT_OVER, ROUNDS_TO_ZERO, CORRECTION_WAITS, BLOCK_WAITS)

# What a decision is about: entries with the same reason and the same cause are decided at once.
ABOUT_CLIENT = frozenset(
    {
        Reason.unassigned_client,
        Reason.no_vat,
        Reason.invalid_vat,
        Reason.several_vats,
        Reason.unsure_vat,
        Reason.client_vat_changed,
        Reason.several_customers,
        Reason.unknown_customer,
        Reason.customer_changed,
        Reason.foreign_vat,
        Reason.treatment_number,
    }
)
ABOUT_TAGS = frozenset({Reason.unknown_tag, Reason.several_products, Reason.contradicting_mappings})
ABOUT_PRODUCT = frozenset({Reason.no_price, Reason.price_decimals, Reason.vat_rate, Reason.small_enterprise})


def words(reason: str) -> Words:
    """The words for a reason; an unknown one is shown by its name rather than hidden."""
    return WORDS.get(reason) or Words(reason.replace("_", " ").capitalize(), _("Ask whoever runs this site."))


class Cause(NamedTuple):
    """What one decision is about: all entries of a dossier with the same reason and the same cause."""

    dossier_id: int
    reason: str
    text: str


def _cause(reason: str, row: dict[str, Any]) -> str:
    if reason in ABOUT_CLIENT:
        return str(row["client_name"])
    if reason in ABOUT_TAGS or (reason == Reason.unknown_product and row["entry__tags"]):
        return ", ".join(sorted(row["entry__tags"], key=str.casefold))
    if reason in ABOUT_PRODUCT:
        return str(row["product_reference"])
    if reason == Reason.no_project or reason in DOUBTS:
        return str(row["entry__person_name"])
    if reason == Reason.no_client:
        return str(row["entry__project_remote_id"] or "")
    return ""


def cause_of(row: LedgerRow) -> str:
    """What the decision on one entry is about, in words of Toggl: a client, tags, a product, a person."""
    return _cause(row.reason, _facts_of(row))


def _facts_of(row: LedgerRow) -> dict[str, Any]:
    return {
        "client_name": row.client_name,
        "product_reference": row.product_reference,
        "entry__tags": row.entry.tags,
        "entry__person_name": row.entry.person_name,
        "entry__project_remote_id": row.entry.project_remote_id,
    }


def _by_key() -> Case:
    """The same as ``_cause`` for the database: a text that is equal for entries of one cause, but for the order of
    tags."""
    tags, project = Cast("entry__tags", TextField()), Cast("entry__project_remote_id", TextField())
    return Case(
        When(reason__in=sorted(ABOUT_CLIENT), then=F("client_name")),
        When(Q(reason__in=sorted({*ABOUT_TAGS, Reason.unknown_product})), then=tags),
        When(reason__in=sorted(ABOUT_PRODUCT), then=F("product_reference")),
        When(reason__in=sorted({Reason.no_project, *DOUBTS}), then=F("entry__person_name")),
        When(reason=Reason.no_client, then=Coalesce(project, Value(""))),
        default=Value(""),
        output_field=TextField(),
    )


def keyed(rows: LedgerRowQuerySet) -> QuerySet[Any]:
    """The entries among these rows that need a decision, with their ``cause_key``."""
    return rows.attention().annotate(cause_key=_by_key())


def tags_of(key: str) -> tuple[str, ...]:
    """The tags of a key of a cause about tags, in the order of the entry."""
    return tuple(map(str, json.loads(key or "[]")))


def text_of(reason: str, key: str) -> str:
    """The cause that a key stands for, as ``cause_of`` gives it."""
    if reason in ABOUT_TAGS or reason == Reason.unknown_product:
        return ", ".join(sorted(tags_of(key), key=str.casefold))
    return key


def causes_of(membership: Membership) -> set[Cause]:
    """The decisions that a member can take, without their entries: one query."""
    rows = keyed(visible(membership, LedgerRow.objects.all()))
    found = rows.order_by().values_list("dossier_id", "reason", "cause_key").distinct()
    return {Cause(dossier, reason, text_of(reason, key)) for dossier, reason, key in found}
