"""The columns of files in people's words: what each is called, what belongs in it, and an example.

In a file a column may be named by the word of the onboarding file (design section 10), or by its name here in any of
the languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from invoicing.dossiers.sheets.cells import AgreementRow, ClientRow, DossierRow, Row, TagRow
from invoicing.rules.text import text_key


@dataclass(frozen=True, slots=True)
class Column:
    """English texts, for ``gettext``. ``example``: as it is typed, see ``example_of``."""

    name: str
    meaning: str
    example: str = ""


_YES = _("yes")
_WORDS = frozenset(
    {_("bakery"), _("bakery-fee"), _("Bookkeeping"), _("Advice"), _("Dept. 7"), _("The bakery"), _YES, _("no")}
)
_DOSSIER = Column(_("dossier"), _("Short name of the dossier, which stands in the address of its page."), "bakery")

COLUMNS: Mapping[type[Row], Mapping[str, Column]] = {
    TagRow: {
        "dossier": _DOSSIER,
        "tag": Column(_("tag"), _("The tag, as it is in Toggl; may be empty beside a person."), "Advice"),
        "person": Column(
            _("person"), _("Id of the Toggl user for whom alone it is mapped; without a tag: the person's product.")
        ),
        "bill": Column(_("bill it"), _("yes or no; no: hours with this tag are not billed."), _YES),
        "product": Column(
            _("product"), _("Reference of the product in Billit; empty for a tag that is not billed."), "ADV"
        ),
        "priority": Column(
            _("priority"), _("A whole number; of several tags that lead to products the highest one counts."), "10"
        ),
    },
    ClientRow: {
        "dossier": _DOSSIER,
        "client": Column(_("Toggl client"), _("Id of the client in Toggl, a whole number."), "501"),
        "vat": Column(
            _("VAT number"), _("VAT or enterprise number of the customer; empty: the one in the client's name counts.")
        ),
        "customer": Column(
            _("Billit customer"), _("Id (PartyID) of the customer in Billit, instead of the VAT number."), "88001"
        ),
        "vat_treatment": Column(
            _("VAT treatment"),
            _("domestic, reverse_charge, eu_services or outside_scope; empty: by the customer's number."),
            "domestic",
        ),
        "po": Column(_("purchase order"), _("Number of the customer's purchase order, for the invoice."), "4500012345"),
        "buyer_reference": Column(_("buyer reference"), _("The customer's own reference, for the invoice."), "Dept. 7"),
    },
    DossierRow: {
        "key": Column(_("short name"), _("Letters, digits, hyphens and underscores; never changes."), "bakery"),
        "name": Column(_("name"), _("Name of the dossier; empty: its short name."), "The bakery"),
        "workspace": Column(_("Toggl workspace"), _("Id of the workspace in Toggl, a whole number."), "4001"),
        "company": Column(_("Billit company"), _("Id (PartyID) of the company in Billit that bills."), "7001"),
        "start": Column(_("start"), _("First day that is billed."), "2026-09-01"),
        "clients": Column(
            _("Toggl clients"), _("Ids of the clients that the dossier bills, with blanks between; empty: all."), ""
        ),
        "billable": Column(_("billable"), _("all, or flagged: only hours with Toggl's billable flag."), "all"),
        "group_by": Column(_("lines by"), _("product, project, person, day, description or entry."), "product"),
        "rounding_minutes": Column(_("rounding, minutes"), _("Rounded to so many minutes; 0: not at all."), "15"),
        "rounding_direction": Column(_("rounding, direction"), _("up, nearest or down."), "up"),
        "rounding_level": Column(_("rounding, level"), _("entry: each entry is rounded; line: their sum."), "entry"),
        "rounding_minimum": Column(_("rounding, minimum"), _("The least number of minutes of an entry."), "0"),
        "every": Column(_("schedule"), _("manual, daily, weekly or monthly."), "monthly"),
        "day": Column(_("day of the schedule"), _("weekly: 1 (Monday) to 7; monthly: 1 to 28."), "1"),
        "mode": Column(
            _("mode"), _("review: drafts wait for a person; post: made in Billit; send: sent, too."), "review"
        ),
        "email_allowed": Column(_("e-mail allowed"), _("yes or no; where Peppol does not reach the customer."), "no"),
        "annex": Column(_("annex of hours"), _("yes: each invoice carries a list of its hours, PDF and CSV."), "yes"),
        "auto_limit": Column(
            _("limit"), _("Amount excl. VAT above which a person decides; empty: no limit."), "5000.00"
        ),
        "no_limit": Column(
            _("no limit"), _("yes: an invoice of any amount goes out by itself; else a limit is given."), "no"
        ),
        "longest_hours": Column(_("longest hours"), _("Of a longer entry a person is asked; 0: never."), "16"),
        "four_eyes": Column(_("four eyes"), _("yes: who approved an invoice does not send it."), "no"),
        "deviation": Column(
            _("deviation"), _("Per cent above the customer's usual from which a person looks; 0: never."), "0"
        ),
        "price_decimals": Column(_("decimals of prices"), _("2 to 5."), "2"),
        "price_day": Column(
            _("price of"),
            _("draft: today's price when the draft is made; work: the price of the day of the hours."),
            "draft",
        ),
        "payment_days": Column(_("days until due"), _("Days from the invoice date, 0 to 365."), "30"),
        "default_product": Column(
            _("default product"), _("Reference of the product of hours whose tags lead to none; may be empty.")
        ),
        "billed_tag": Column(
            _("tag of billed hours"), _("Given to billed hours in Toggl; empty: nothing is written there.")
        ),
    },
    AgreementRow: {
        "dossier": _DOSSIER,
        "key": Column(
            _("short name"),
            _("Letters, digits, hyphens and underscores; once in the firm, never changes."),
            "bakery-fee",
        ),
        "client": Column(
            _("Toggl client"), _("Id of the client in Toggl with whom it is agreed; else give the VAT number."), "501"
        ),
        "vat": Column(_("VAT number"), _("VAT or enterprise number of the customer, where no Toggl client is named.")),
        "title": Column(_("title"), _("In the customer's language: it is on the invoice."), "Bookkeeping"),
        "kind": Column(_("kind"), _("fixed (fee), advance (advances and settlement) or prepaid (hours)."), "fixed"),
        "from": Column(_("from"), _("First day that it covers."), "2026-01-01"),
        "until": Column(_("until"), _("Last day that it covers; empty: it goes on.")),
        "products": Column(
            _("products in its scope"),
            _("References of the products whose hours it covers, with ; between; empty: those of all."),
        ),
        "projects": Column(
            _("projects in its scope"),
            _("Ids of the Toggl projects whose hours it covers, with blanks between; empty: those of all."),
        ),
        "product": Column(_("product"), _("Reference of the product in Billit by which it is billed."), "FORF"),
        "amount": Column(
            _("amount"), _("Excl. VAT, of each period; advances with a plan and prepaid hours have none."), "250.00"
        ),
        "every": Column(_("period"), _("month, quarter, year or once."), "month"),
        "in_advance": Column(
            _("in advance"), _("yes: a fee is billed on the first day of its period; no: on the last."), "no"
        ),
        "included_hours": Column(
            _("hours included"), _("Of a fee: hours of a period beyond these are billed; empty: all are covered.")
        ),
        "extra_product": Column(
            _("product of further hours"), _("Reference of the product by which hours beyond are billed.")
        ),
        "part_periods": Column(
            _("part periods"), _("A fee's first or last period that is cut: billed in full, or by days."), "full"
        ),
        "plan": Column(
            _("plan of advances"),
            _("Days with amounts and ; between, such as 2026-01-01 250.00; 2026-02-01 250.00."),
        ),
        "settle_on": Column(
            _("settled each year on"), _("Of advances: month and day, such as 12-31, in a cell of text; may be empty.")
        ),
        "hours": Column(_("hours of a block"), _("Of prepaid hours: how many a block has.")),
        "price": Column(_("price of an hour"), _("Of prepaid hours: what each costs, excl. VAT.")),
        "refill_at": Column(
            _("refill below"), _("Of prepaid hours: with fewer left the next block is drafted; empty: a person orders.")
        ),
        "budget_hours": Column(
            _("budget in hours"), _("Hours planned of a period: at 80 and 100 % of them somebody is told; empty: none.")
        ),
        "budget_amount": Column(
            _("budget excl. VAT"), _("Value planned of a period: at 80 and 100 % of it somebody is told; empty: none.")
        ),
    },
}


def example_of(row: type[Row], column: str) -> str:
    """What may stand in a column, in the reader's language; the words of the onboarding file are the same in each."""
    example = COLUMNS[row][column].example
    return gettext(example) if example in _WORDS else example


def name_of(row: type[Row], column: str) -> str:
    """What a column is called, in the reader's language."""
    return gettext(COLUMNS[row][column].name)


@cache
def headings(row: type[Row]) -> Mapping[str, str]:
    """The columns by every heading that they may have, as ``text_key`` gives it."""
    found = {text_key(column): column for column in row.columns()}
    for language, _name in settings.LANGUAGES:
        with override(language):
            found |= {text_key(name_of(row, column)): column for column in row.columns()}
    return found
