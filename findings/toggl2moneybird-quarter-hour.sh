#!/bin/sh
# One would guess: four entries of a quarter of an hour at 100.00 are billed as 100.00, as the list says from which one
# chooses what to bill.
# What happens: the list says 1.0h and 100.00, the invoice 80.00. Every entry is written with one decimal of an hour and
# Python rounds a half to the even digit: 15 minutes are 0.2h, 45 are 0.8h. Entries of two minutes are 0.0h: forty
# minutes of calls on twenty days are listed as 66.67 and billed as nothing.
# Why it matters: the entries count as billed from then on, and nobody compares. Round the sum, not the entry, and
# give the hours as they are.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check toggl2moneybird==0.5.2
"$folder/bin/python" - <<'END'
import sys
from argparse import Namespace
from datetime import date, datetime, timedelta
from importlib.metadata import version
from io import StringIO
from unittest import mock

from rich.console import Console
from toggl2moneybird import commands, moneybird
from toggl2moneybird.menu import Menu

PROJECT = moneybird.Project({"id": 1, "name": "Advice"})
CONTACT = moneybird.Contact({"id": 2, "company_name": "Example Customer"})
VAT = moneybird.TaxRate({"id": 3, "name": "21 %", "percentage": "21", "show_tax": True})
OPTIONS = Namespace(exclude_tags=None, projects=None, unbillable_tag=None, only_billable=True, rate=None, currency=None)
OPTIONS.yes, OPTIONS.dry_run = True, False


def entries(count, minutes):
    """Moneybird's open time entries, one a day from the first of this month; as many as the shortest month has days."""
    made = moneybird.TimeEntries()
    for number in range(count):
        begin = datetime.combine(date.today().replace(day=1 + number), datetime.min.time()) + timedelta(hours=9)
        row = moneybird.TimeEntry({"id": 10 + number, "description": "Call"})
        row.started_at, row.ended_at, row.paused_duration = begin, begin + timedelta(minutes=minutes), 0
        row.project, row.contact = PROJECT, CONTACT
        made.append(row)
    return made


def bill(rows):
    """What the list shows, and the amounts of the invoice that is sent to Moneybird."""
    toggl = mock.Mock()
    toggl.get_time_entries.return_value = []
    toggl.get_projects.return_value = [{"id": 1, "name": "Advice", "rate": 100.0, "currency": "EUR"}]
    books = mock.Mock()
    books.get_time_entries.side_effect = lambda *dates, state=None, progress=None: rows if state == "open" else []
    books.get_projects.return_value, books.get_users.return_value = [PROJECT], [None]
    books.get_sales_invoices.return_value = []
    books.create_sales_invoice.return_value = {"id": 1, "draft_id": 1}
    listed = []

    def choose(menu, multiple=False):
        listed.extend(cells for cells, _ in menu._rows)
        return [value for _, value in menu._rows]

    with (
        mock.patch.object(commands, "tt_login", return_value=toggl),
        mock.patch.object(Menu, "choose", choose),
        mock.patch.object(Menu, "ask", staticmethod(lambda prompt, *_, **__: VAT if prompt == "Tax rate" else None)),
        mock.patch.object(commands, "webbrowser"),
    ):
        commands.cmd_invoice(Console(file=StringIO()), OPTIONS, books)
    (sent,) = books.create_sales_invoice.call_args.args
    lines = sent["details_attributes"]
    ((_, hours, total, *_),) = listed
    return f"{hours} {total}", {line["amount"] for line in lines}, sum(len(line["time_entry_ids"]) for line in lines)


def see(what, answer, then):
    listed, amounts, count = answer
    print(f"{what}: listed as {listed}, billed as {count} times {' '.join(amounts)}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")


print(f"toggl2moneybird {version('toggl2moneybird')}, 100.00 an hour")
see("four quarters of an hour", bill(entries(4, 15)), ("1.0h € 100.00", {"0.2h"}, 4))
see("four times 45 minutes", bill(entries(4, 45)), ("3.0h € 300.00", {"0.8h"}, 4))
see("twenty calls of two minutes", bill(entries(20, 2)), ("0.7h € 66.67", {"0.0h"}, 20))
END
