"""The hours of a list as the rows of a file: each with the line that bills it, or why none does."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from invoicing.models import LedgerRow
from invoicing.web.exports.tables import Cell, Table, in_hours, labels, local, plain
from invoicing.web.hours import places
from toggbill.firms.models import Membership

_CHUNK = 500


def table(rows: QuerySet[LedgerRow], *, member: Membership, name: str) -> Table:
    """These entries, in the order of the page; ``name``: the file's, without its ending."""
    heading = [
        _("Dossier"),
        _("Day"),
        _("Start"),
        _("Who"),
        _("Toggl client"),
        _("Project"),
        _("Description"),
        _("Tags"),
        _("State"),
        _("Reason"),
        _("Invoice"),
        _("Line"),
        _("Customer"),
        _("Product"),
        _("Price"),
        _("Seconds"),
        _("Hours"),
        _("Value excl. VAT"),
        _("Toggl entry"),
    ]
    states, zone = labels(LedgerRow.State.choices), member.firm.zone

    def line(hour: places.Hour) -> list[Cell]:
        row = hour.row
        return [
            row.dossier.name,
            row.day,
            local(row.entry.started_at, zone),
            row.entry.person_name,
            row.client_name,
            hour.project,
            row.entry.description,
            ", ".join(row.entry.tags),
            states[row.state],
            hour.why,
            ", ".join(place.invoice.order_number or place.invoice.reference for place in hour.places),
            ", ".join(str(place.position) for place in hour.places),
            row.buyer_name,
            row.product_reference,
            plain(row.price),
            row.seconds,
            in_hours(row.seconds),
            hour.value,
            row.entry.remote_id,
        ]

    def lines() -> Iterator[list[Cell]]:
        together: list[LedgerRow] = []
        for row in rows.iterator(chunk_size=_CHUNK):
            together.append(row)
            if len(together) == _CHUNK:
                yield from map(line, places.hours(together, member=member))
                together = []
        yield from map(line, places.hours(together, member=member))

    return Table(name, heading, lines())
