"""What a large firm costs, itself and beside a small one: `make neighbours`.

Best times of pages, of a change of one entry until the books hold again, and of a night's recount of a dossier, in one
run: of a firm of 10,000 entries alone, of the same firm beside one of 1,000,000 (``--entries``, ``--dossiers``), and of
that one. Prints figures and ratios and judges nothing; the targets stand beside them. tests/services.py gives it an
empty PostgreSQL and a Redis.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import django

SMALL, FEW = 10_000, 10
_Times = dict[str, float]


def main() -> None:
    """Read the arguments, set Django up, fill, measure."""
    parser = argparse.ArgumentParser(prog="neighbours", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the large firm")
    parser.add_argument("--dossiers", type=int, default=500, help="of the large firm")
    parser.add_argument("--rounds", type=int, default=12, help="of which the best counts")
    options = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "toggbill.settings", "ALLOWED_HOSTS": "testserver"}
    django.setup()
    # A line for each page would be read with the figures.
    logging.disable(logging.INFO)
    _run(options.entries, options.dossiers, options.rounds)


def _run(entries: int, dossiers: int, rounds: int) -> None:
    # Only now: the models need the settings above.
    from django.core.management import call_command  # noqa: PLC0415 - after the settings
    from django.utils import timezone  # noqa: PLC0415 - after the settings

    from tests.large_firm import large_firm  # noqa: PLC0415 - after the settings

    call_command("migrate", "-v0")
    now = timezone.now()
    small = large_firm(entries=SMALL, dossiers=FEW, slug="small", now=now)
    alone = _times(small, rounds)
    begun = time.perf_counter()
    large = large_firm(entries=entries, dossiers=dossiers, now=now)
    print(f"{entries:,} entries of {dossiers} dossiers, filled in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    beside, of_large = _times(small, rounds), _times(large, rounds)
    print(f"{'':<42} {SMALL:>9,} {'beside':>9} {'ratio':>6} {entries:>10,} {'ratio':>6}")
    for name, first in alone.items():
        print(
            f"{name:<42} {first * 1000:>6.1f} ms {beside[name] * 1000:>6.1f} ms {beside[name] / first:>6.2f} "
            f"{of_large[name] * 1000:>7.1f} ms {of_large[name] / first:>6.2f}"
        )
    print("targets: a page beside the large firm <= 1.1; of the large firm <= 1.5; a change of one entry <= 1.2")


def _times(firm: object, rounds: int) -> _Times:
    from django.db.models import F  # noqa: PLC0415 - after the settings
    from django.utils import timezone  # noqa: PLC0415 - after the settings

    from integrations.models import Entry  # noqa: PLC0415 - after the settings
    from invoicing.ledger import balance, months  # noqa: PLC0415 - after the settings
    from invoicing.ledger.states import derive  # noqa: PLC0415 - after the settings
    from invoicing.models import Dossier  # noqa: PLC0415 - after the settings
    from tests.visitors import signed_in  # noqa: PLC0415 - after the settings
    from toggbill.firms.models import Firm  # noqa: PLC0415 - after the settings

    assert isinstance(firm, Firm)
    dossier = Dossier.objects.filter(firm=firm).select_related("firm", "workspace__firm").order_by("pk")[0]
    client = signed_in(firm)
    paths = ("/", "/attention/", "/invoices/", "/corrections/", "/sending/", f"/dossiers/{dossier.key}/")
    names = {path: f"page {path.replace(firm.slug, 'one')}" for path in (*paths, f"/dossiers/{dossier.key}/hours/")}
    entry = Entry.objects.filter(workspace=dossier.workspace, ledger_row__state="open").order_by("-pk")[0]

    def page(path: str) -> Callable[[], object]:
        def get() -> None:
            assert client.get(path).status_code == 200

        return get

    def change() -> None:
        now = timezone.now()
        Entry.objects.filter(pk=entry.pk).update(seconds=F("seconds") + 60, marked_at=now)
        derive.derive(workspace=dossier.workspace, now=now)
        balance.months(dossiers=[dossier])
        months.add_up()
        months.prove(now=now)

    def night() -> None:
        months.renew(dossiers=[dossier], now=timezone.now() + timedelta(days=1))

    work = {names[path]: page(path) for path in names} | {"a change of one entry": change, "a night's recount": night}
    # The hours of the fill were judged by nobody: the first change judges the entry, and its twins.
    return {name: min(_timed(each) for _ in range(rounds + 1)) for name, each in work.items()}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
