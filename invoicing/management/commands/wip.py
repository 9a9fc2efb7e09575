"""`manage.py wip`: work in progress as of a day (design sections 10 and 11). Reads only."""

from __future__ import annotations

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.utils import timezone

from invoicing.management import arguments
from invoicing.rules.wip import BANDS
from invoicing.wip import as_of
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand

_NAMES = ("dossier", "customer_vat", "customer_name", "product", "person")


class Command(JsonCommand):
    """Seconds and value at rate of unbilled hours, by dossier, customer, product and person, in age bands."""

    help = "Print work in progress: what unbilled hours are worth at their rates, and how old they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--as-of", metavar="YYYY-MM-DD", help="the end of which day; today unless given")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The rows, in the order of what they are named by."""
        firm = arguments.firm(options["firm"])
        today = timezone.localdate(timezone=firm.zone)
        day = today if options["as_of"] is None else arguments.day(options["as_of"])
        if day > today:
            raise Fault(f"{day} is after today, {today}: work in progress is known up to today.", BAD_ARGUMENTS)
        rows = as_of.rows(dossiers=arguments.dossiers(firm, None), as_of=day)
        return {"as_of": day.isoformat(), "rows": _printed(rows)}, DONE


def _printed(rows: list[as_of.Row]) -> list[dict[str, Any]]:
    """Rows that are named alike are one; amounts are strings."""
    seconds: dict[tuple[str, ...], int] = {}
    bands: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for row in rows:
        key = (row.dossier.key, row.customer_vat, row.customer_name, row.product, row.person)
        seconds[key] = seconds.get(key, 0) + row.seconds
        of = bands.setdefault(key, dict.fromkeys((band.name for band in BANDS), Decimal(0)))
        for name, value in row.bands.items():
            of[name] += value
    return [
        dict(zip(_NAMES, key, strict=True))
        | {
            "seconds": seconds[key],
            "value": f"{sum(bands[key].values(), Decimal(0)):.2f}",
            "bands": {name: f"{value:.2f}" for name, value in bands[key].items()},
        }
        for key in sorted(seconds)
    ]
