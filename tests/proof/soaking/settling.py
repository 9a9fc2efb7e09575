"""The end of a soak: what is under way comes to its end, or is named; then the last hours, by the commands alone."""

from __future__ import annotations

import io
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from django.core.management import call_command
from django.db.models import Q

from integrations.models import Company, Workspace
from invoicing.models import Dossier, Invoice
from tests.proof.soaking import decisions
from tests.proof.soaking.happenings import Happenings
from tests.proof.world import yesterday

SETTLING = 600.0
"""Seconds in which all that is under way must come to its end once the faults are off."""

COMMAND = 120.0
"""Seconds that one of the last commands may take for one firm."""

_STATUS = Invoice.Status
_UNFINISHED = (
    Q(replacing_since__isnull=False)
    | Q(status__in=[_STATUS.DRAFT, _STATUS.APPROVED, _STATUS.POSTING, _STATUS.IN_DOUBT, _STATUS.REFUSED])
    | Q(status=_STATUS.POSTED, legal_excl__isnull=True)
)


def settle(happenings: Happenings) -> float:
    """Waits until nothing is under way, at most ``SETTLING`` seconds; gives the seconds that it took."""
    begun = time.monotonic()
    while time.monotonic() - begun < SETTLING:
        happenings.leases_lapse()
        decisions.go_on_with_invoices(happenings.control)
        decisions.decide_correction(happenings.die)
        if not Invoice.objects.filter(_UNFINISHED).exists() and not _runs_due().exists():
            break
        time.sleep(1)
    return time.monotonic() - begun


def unsettled() -> list[str]:
    """A line for each invoice and run that is under way still."""
    invoices = [
        f"invoice {invoice.reference} of {invoice.firm.slug} is {invoice.status}, replacing since "
        f"{invoice.replacing_since}, legal total {invoice.legal_excl}, problem {invoice.problem!r}"
        for invoice in Invoice.objects.filter(_UNFINISHED).select_related("firm")
    ]
    runs = [
        f"run of {dossier.key} of {dossier.firm.slug} is due at {dossier.due_at}, waiting {dossier.waiting!r}"
        for dossier in _runs_due().select_related("firm")
    ]
    return invoices + runs


def last_commands(happenings: Happenings) -> tuple[list[str], list[str]]:
    """What changed in Toggl since the latest reading is read, the last hours are billed, and both services compared.

    Gives the sentences of what differs at Billit, and the commands that did not come to their end.
    """
    happenings.leases_lapse()
    Workspace.objects.update(claimed_at=None)
    Company.objects.update(claimed_at=None)
    drift, unended = [], []
    for firm in happenings.firms:
        for name, *arguments in (
            ("sync", "--full"),
            ("invoice", "--through", yesterday(), "--approve", "--post"),
            ("reconcile",),
        ):
            told = _command(name, "--firm", firm.slug, *arguments)
            if told is None:
                unended.append(f"{name} --firm {firm.slug}")
            elif name == "reconcile":
                drift += [f"{firm.slug}: {row['sentence']}" for row in told["drift"] if row["kind"].startswith("order")]
    return drift, unended


def _runs_due() -> Any:
    return Dossier.objects.filter(scheduled_through__isnull=True)


def _command(name: str, *arguments: str) -> Any:
    """What it prints; None, with its words on standard error, when it printed nothing or did not end in time."""
    out, words = io.StringIO(), io.StringIO()
    with suppress(SystemExit, TimeoutError), _within(COMMAND):
        call_command(name, *arguments, stdout=out, stderr=words)
    if not out.getvalue().strip():
        sys.stderr.write(f"{name} {' '.join(arguments)}: {words.getvalue() or 'said nothing'}\n")
        return None
    return json.loads(out.getvalue())


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError inside when it takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
