"""Processes that do the whole job for one dossier each and end themselves by SIGKILL at a named step.

One process is started, which has everything imported, and forks one for each step: each of them is killed alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable

from django.core.management import call_command
from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from integrations.tasks import sync_company, sync_workspace
from invoicing.corrections import replace
from invoicing.due import posts
from invoicing.models import Correction, Dossier, Invoice
from invoicing.tasks import (
    derive,
    freeze_annexes,
    post_invoices,
    read_back,
    recover_replacement,
    run_dossier,
    send_invoices,
)
from tests.invoicing.scene import BY
from tests.proof import agreed_deeds
from tests.proof.processes import LEASE, PATIENCE, ROOT, Place
from tests.proof.steps import FAULTS, STEPS
from tests.proof.world import COMPANY, SLUG, yesterday
from toggbill.firms.errors import NotPossible

_MAIN = "import django; django.setup(); from tests.proof.poster import main; main()"
PASSES = 3
NOT_MET = 3


def kill_at(steps: Iterable[str], place: Place, way: str) -> None:
    """Have the n-th dossier's process killed at the n-th step, side by side; each must have met its own."""
    asked = {step: f"dossier-{number}" for number, step in enumerate(steps, start=1)}
    companies = {step: str(COMPANY + number) for number, step in enumerate(asked)}
    place.sandbox.control.faults(*(FAULTS[step] | {"tenant": companies[step]} for step in asked if step in FAULTS))
    with place.log.open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, way, json.dumps(asked)],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=PATIENCE + 10,
            check=True,
        )
    lived = [step for step, code in json.loads(done.stdout).items() if code != -signal.SIGKILL]
    assert not lived, f"never met: {lived}\n{place.log.read_text()[-3000:]}"
    place.sandbox.control.faults()


def main() -> None:
    """Forks a process for each step, and prints how each of them ended: {step: exit code, negative for a signal}."""
    way, asked = sys.argv[1], json.loads(sys.argv[2])
    children = {_fork(step, way, key): step for step, key in asked.items()}
    ended = {}
    for _ in children:
        pid, status = os.wait()
        ended[children[pid]] = os.waitstatus_to_exitcode(status)
    sys.stdout.write(json.dumps(ended))


def _fork(step: str, way: str, key: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    # The child: it never returns. Its words are no part of the answer.
    os.dup2(2, 1)
    signal.alarm(int(PATIENCE))
    try:
        STEPS[step]()
        for _ in range(PASSES):
            WAYS[way](Dossier.objects.get(key=key))
            time.sleep(LEASE + 0.1)
    except BaseException:
        traceback.print_exc()
    os._exit(NOT_MET)


def _by_command(dossier: Dossier) -> None:
    asked = ["--firm", SLUG, "--dossier", dossier.key, "--through", yesterday(), "--approve", "--post"]
    if dossier.mode == Dossier.Mode.SEND:
        asked.append("--send")
    # A doubt makes it end with 1.
    with contextlib.suppress(SystemExit):
        call_command("invoice", *asked)


def _in_the_office(dossier: Dossier) -> None:
    """The command drafts; a person writes a draft down; the command does the rest."""
    call_command("invoice", "--firm", SLUG, "--dossier", dossier.key, "--through", yesterday())
    agreed_deeds.write_down(dossier)
    _by_command(dossier)


def _taking_back(dossier: Dossier) -> None:
    """A person drafts credit notes of what was sent; the command posts them, and bills again what they freed."""
    agreed_deeds.take_back(dossier)
    _by_command(dossier)


def _by_tasks(dossier: Dossier) -> None:
    """What a worker does, task after task, without a broker between them."""
    sync_workspace(workspace_id=dossier.workspace_id)
    derive(workspace_id=dossier.workspace_id)
    sync_company(company_id=dossier.company_id)
    run_dossier(dossier_id=dossier.pk)
    waiting = dossier.invoices.exclude(status=Invoice.Status.POSTED).order_by("pk")
    for task in (freeze_annexes, post_invoices):
        task(invoice_ids=list(waiting.values_list("pk", flat=True)))
    asked = dossier.invoices.filter(send_requested_at__isnull=False).order_by("pk")
    send_invoices(invoice_ids=list(asked.values_list("pk", flat=True)))
    read_back(company_id=dossier.company_id)


def decide(dossier: Dossier) -> None:
    """A person replaces each order of a dossier that has a correction, and has what comes of it posted."""
    for correction in Correction.objects.filter(invoice__dossier=dossier, decision="open").order_by("pk"):
        with contextlib.suppress(NotPossible, ServiceError):
            replace.replace(correction=correction, by=BY, now=timezone.now())
    for invoice in dossier.invoices.filter(status="approved", post_requested_at__isnull=True):
        with contextlib.suppress(NotPossible):  # a worker that posts it was faster
            posts.request(invoice=invoice, send=False, by=BY, now=timezone.now())


def decide_and_look_up(dossier: Dossier) -> None:
    """The same, and what a worker does for the deletions that are in doubt."""
    decide(dossier)
    for invoice in replace.due_replacements(now=timezone.now()).filter(dossier=dossier):
        recover_replacement(invoice_id=invoice.pk)


WAYS = {
    "command": _by_command,
    "workers": _by_tasks,
    "person": decide_and_look_up,
    "office": _in_the_office,
    "taking back": _taking_back,
}
