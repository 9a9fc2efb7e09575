"""A process that does the whole job for one dossier and ends itself by SIGKILL at a named step.

The product knows nothing of it: its functions are wrapped from outside. Started by `start`, in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import requests
from django.core.management import call_command
from django.db.models import QuerySet

from integrations import billit, mirror
from integrations.models import Entry
from integrations.tasks import sync_company, sync_workspace
from invoicing import delivery, ledger
from invoicing.models import Claim, Dossier, Invoice, LedgerRow
from invoicing.tasks import derive, post_invoices, read_back, run_dossier
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, yesterday
from toggbill.firms import audit

_MAIN = "import django; django.setup(); from tests.proof.poster import main; main()"
PASSES = 3
NOT_MET = 3
Only = Callable[..., bool]


def start(place: Place, *, step: str, way: str, dossier: str) -> subprocess.Popen[bytes]:
    """Starts the poster; its exit code is -SIGKILL when it met the step."""
    return place.start([sys.executable, "-c", _MAIN, step, way, dossier])


def main() -> None:
    """Arms the step and does the job until it is met; a second pass looks up what the first left in doubt."""
    step, way, key = sys.argv[1:]
    STEPS[step]()
    for _ in range(PASSES):
        WAYS[way](Dossier.objects.get(key=key))
        time.sleep(LEASE + 0.1)
    sys.exit(NOT_MET)


def _by_command(dossier: Dossier) -> None:
    asked = ["--firm", SLUG, "--dossier", dossier.key, "--through", yesterday()]
    # A doubt makes it end with 1.
    with contextlib.suppress(SystemExit):
        call_command("invoice", *asked, "--approve", "--post")


def _by_tasks(dossier: Dossier) -> None:
    """What a worker does, task after task, without a broker between them."""
    sync_workspace(workspace_id=dossier.workspace_id)
    derive(workspace_id=dossier.workspace_id)
    sync_company(company_id=dossier.company_id)
    run_dossier(dossier_id=dossier.pk)
    for invoice in dossier.invoices.exclude(status=Invoice.Status.POSTED).order_by("pk"):
        post_invoices(invoice_ids=[invoice.pk])
    read_back(company_id=dossier.company_id)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: Any, name: str, *, when: str, nth: int = 1, only: Only = lambda *_, **__: True) -> Callable[[], None]:
    """Arming: the n-th call of ``owner.name`` that ``only`` accepts ends the process, before or after its work."""

    def arm() -> None:
        original, met = getattr(owner, name), 0

        def wrapped(*args: Any, **keywords: Any) -> Any:
            nonlocal met
            met += only(*args, **keywords)
            due = met == nth and only(*args, **keywords)
            if due and when == "before":
                _die()
            result = original(*args, **keywords)
            if due:
                _die()
            return result

        setattr(owner, name, wrapped)

    return arm


def _order(_session: object, request: requests.PreparedRequest, **_: object) -> bool:
    return request.method == "POST" and str(request.url).endswith("/v1/orders")


def _unread() -> None:
    """Billit has committed and its answer has begun; its body was not read."""
    _wrap(requests.Session, "send", when="after", nth=2, only=_order)()
    wrapped = requests.Session.send

    def send(session: requests.Session, request: requests.PreparedRequest, **keywords: Any) -> requests.Response:
        keywords["stream"] = keywords.get("stream", False) or _order(session, request)
        return wrapped(session, request, **keywords)

    requests.Session.send = send  # type: ignore[method-assign,assignment]  # from outside, on purpose


def _rows_of(model: type) -> Only:
    return lambda rows, *_, **__: rows.model is model


def _approval(**keywords: Any) -> bool:
    return any(news.type == "invoice_approved" for news in keywords["news"])


def _adoption(**keywords: Any) -> bool:
    return any(news.type == "invoice_adopted" for news in keywords["news"])


# Of invoices the second: one has gone well, others wait.
READING = {
    "inside the mirroring of a page": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(Entry)),
    "after a mirrored page": _wrap(mirror, "entries", when="after"),
    "inside the deriving": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(LedgerRow)),
}
DRAFTING = {
    "inside the drafting": _wrap(QuerySet, "bulk_create", when="after", nth=2, only=_rows_of(Claim)),
    "inside the approval": _wrap(audit, "record", when="before", nth=2, only=_approval),
    "before the claim": _wrap(delivery, "_claim", when="before", nth=2),
}
POSTING = {
    "after the claim": _wrap(delivery, "_claim", when="after", nth=2),
    "before the request": _wrap(requests.Session, "send", when="before", nth=2, only=_order),
    "before the answer is read": _unread,
    "after the answer": _wrap(billit.Api, "create_order", when="after", nth=2),
    "inside the settling": _wrap(ledger, "invoiced", when="after", nth=2),
}
LOOKING_UP = {
    "before the look-up": _wrap(billit.Api, "find_orders", when="before"),
    "between the look-ups": _wrap(billit.Api, "find_deleted_orders", when="before"),
    "before the adoption": _wrap(delivery, "_agrees", when="after"),
    "inside the adoption": _wrap(audit, "record", when="before", only=_adoption),
}
READING_BACK = {
    "before the totals are read": _wrap(billit.Api, "orders_between", when="before"),
    "while totals are noted": _wrap(delivery, "note_order", when="after", nth=2),
}
STEPS: dict[str, Callable[[], None]] = READING | DRAFTING | POSTING | LOOKING_UP | READING_BACK
WAYS = {"command": _by_command, "workers": _by_tasks}
