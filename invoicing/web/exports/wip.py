"""Work in progress and realisation as the rows of a file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext as _

from invoicing.rules.wip import BANDS
from invoicing.web.exports.tables import Cell, Table, in_hours
from invoicing.web.wip.sums import LABELS
from invoicing.wip.as_of import Row
from invoicing.wip.realisation import Realisation, Realised


def in_progress(rows: Iterable[Row], day: date) -> Table:
    """Unbilled hours at the end of a day, by dossier, customer, product and person."""
    heading = [
        _("As of"),
        _("Dossier"),
        _("Customer"),
        _("VAT number"),
        _("Toggl client"),
        _("Product"),
        _("Person"),
        _("Seconds"),
        _("Hours"),
        _("Value excl. VAT"),
        *(str(LABELS[band.name]) for band in BANDS),
        _("Entries"),
        _("Entries without a price"),
    ]

    def line(row: Row) -> list[Cell]:
        return [
            day,
            row.dossier.name,
            row.customer_name,
            row.customer_vat,
            row.client,
            row.product,
            row.person,
            row.seconds,
            in_hours(row.seconds),
            row.value,
            *row.bands.values(),
            row.entries,
            row.unpriced,
        ]

    return Table("work-in-progress", heading, (line(row) for row in rows))


def realised(found: Realisation) -> Table:
    """Billed beside value at rate: the customers, then the people."""
    heading = [
        _("Customer"),
        _("VAT number"),
        _("Person"),
        _("Hours"),
        _("Value at rate"),
        _("Billed"),
        _("Difference"),
        _("Realisation in %"),
        _("Written off"),
        _("Billed an hour"),
    ]

    def figures(sums: Realised) -> list[Cell]:
        difference, share = sums.difference, sums.per_cent
        return [in_hours(sums.seconds), sums.value, sums.billed, difference, share, sums.written_off, sums.an_hour]

    customers: Iterable[list[Cell]] = (
        [whose.name, whose.number, "", *figures(sums)] for whose, sums in found.customers
    )
    people: Iterable[list[Cell]] = (["", "", name, *figures(sums)] for name, sums in found.people)
    return Table("realisation", heading, (line for part in (customers, people) for line in part))
