"""A firm at work against the sandbox: its clock, its dossier, and the verbs as a person or a worker calls them.

Time stands still at `NOW` (Friday 20 November 2026, 10:00 in Brussels) until a test moves it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import pytest
import time_machine
from django.apps import apps
from django.db import connection, connections, transaction
from django.utils import timezone

from integrations.clients import billit
from integrations.mirror.sync import sync_company, sync_workspace
from integrations.models import Entry
from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.ledger import locks
from invoicing.ledger.states import derive
from invoicing.models import Attempt, Dossier, Invoice, LedgerRow
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.posting import post as posting
from invoicing.posting import read_back as reading_back
from invoicing.posting import recover as doubt
from invoicing.posting.sending import send as sending
from tests.conftest import Outcome
from tests.factories import enterprise_number
from tests.worlds import FIRST_ENTRY, client, entry, party, project
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import AuditEvent, Firm

BY = Actor("bookkeeper@example.com", "page", Authority.COMMAND)
OCTOBER = date(2026, 10, 31)
Record = dict[str, Any]


class Killed(BaseException):
    """The worker ends here, as by SIGKILL: nothing of ours catches it."""


@dataclass
class Scene:
    """One firm, onboarded and synced. `dossier` and `invoices` are read anew at each call."""

    sandbox: Process
    firm: Firm
    command: Callable[..., Outcome]
    clock: time_machine.Traveller

    @property
    def control(self) -> Remote:
        return self.sandbox.control

    @property
    def dossier(self) -> Dossier:
        """The only dossier of the firm, or its first."""
        rows = Dossier.objects.select_related("firm", "workspace__connection", "workspace__firm", "company")
        return rows.filter(firm=self.firm).order_by("pk")[0]

    def rules(self, **fields: object) -> None:
        """Change the rules of the dossiers, as the page for it does: unbilled hours are judged again."""
        Dossier.objects.filter(firm=self.firm).update(**fields)
        for dossier in Dossier.objects.filter(firm=self.firm):
            entries = Entry.objects.filter(workspace=dossier.workspace_id).values_list("pk", flat=True)
            locks.mark(entries=entries, now=timezone.now())

    def sync(self) -> None:
        """Read both services whole, and bring the ledger up to date."""
        for dossier in Dossier.objects.filter(firm=self.firm).select_related(
            "workspace__connection", "workspace__firm", "company__connection"
        ):
            sync_workspace(workspace=dossier.workspace, now=timezone.now(), full=True)
            sync_company(company=dossier.company, now=timezone.now())
        derive.derive_marked(now=timezone.now())

    def later(self, **span: float) -> datetime:
        """The clocks of both sides go on."""
        moment = timezone.now() + timedelta(**span)
        self.at(moment)
        return moment

    def at(self, moment: datetime) -> None:
        """The clocks of both sides stand at a moment."""
        self.clock.move_to(moment, tick=False)
        self.control.clock(moment)

    def draft(self, through: date = OCTOBER) -> runs.Drafting:
        return runs.draft(dossier=self.dossier, cut_off=through, by=BY, now=timezone.now())

    def approve(self, *invoices: Invoice) -> list[Invoice]:
        """The given drafts, or all."""
        wanted = invoices or tuple(self.invoices(status="draft"))
        return [runs.approve(invoice=invoice, by=BY, now=timezone.now()) for invoice in wanted]

    def approved(self, through: date = OCTOBER) -> Invoice:
        """The only invoice, drafted and approved."""
        self.draft(through)
        (invoice,) = self.approve()
        return invoice

    def post(self, invoice: Invoice) -> Invoice:
        return posting.post(invoice=invoice, by=BY, now=timezone.now())

    def posted(self, through: date = OCTOBER) -> Invoice:
        """The only invoice, at Billit."""
        invoice = self.post(self.approved(through))
        assert invoice.status == "posted", invoice.problem
        return invoice

    def die_posting(self, invoice: Invoice, *, done: bool) -> None:
        """The worker that posts it is killed with the order made, or not made; the row stays as it was."""
        with self._killed("create_order", done=done):
            self.post(invoice)

    def die_sending(self, invoice: Invoice, *, done: bool) -> None:
        """The worker that sends it is killed with the order sent, or not sent; the row stays as it was."""
        with self._killed("send_order", done=done):
            self.send(invoice)

    @contextmanager
    def _killed(self, call: str, *, done: bool) -> Iterator[None]:
        original = getattr(billit.Api, call)

        def ask(*args: Any, **keywords: Any) -> NoReturn:
            if done:
                original(*args, **keywords)
            else:
                # The request leaves, and is lost on its way.
                keywords["leaving"]()
            raise Killed

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(billit.Api, call, ask)
            yield

    def recover(self, invoice: Invoice) -> Invoice:
        return doubt.recover(invoice=invoice, by=BY, now=timezone.now())

    def send(self, invoice: Invoice) -> Invoice:
        return sending.send(invoice=invoice, by=BY, now=timezone.now())

    def read_back(self) -> int:
        return reading_back.read_back(company=self.dossier.company, now=timezone.now())

    def due(self, now: datetime | None = None) -> list[Invoice]:
        """What a tick would enqueue at this moment; nothing is taken."""
        with transaction.atomic():
            found = posts.take_due(now=now or timezone.now())
            transaction.set_rollback(True)
        return found

    def invoices(self, **filters: object) -> InvoiceQuerySet:
        return Invoice.objects.filter(firm=self.firm, **filters).order_by("customer_name", "pk")

    def attempts(self, invoice: Invoice, intent: str = "post") -> list[Attempt]:
        return list(invoice.attempts.filter(intent=intent).order_by("pk"))

    def states(self) -> dict[int, str]:
        """The state of each entry of the books, by its Toggl id."""
        return dict(LedgerRow.objects.filter(firm=self.firm).values_list("entry__remote_id", "state"))

    def events(self, type: str) -> list[AuditEvent]:
        return list(AuditEvent.objects.filter(firm=self.firm, type=type).order_by("number"))

    def story(self, invoice: Invoice) -> list[str]:
        """The types of the audit events of an invoice, in their order."""
        events = AuditEvent.objects.filter(firm=self.firm, subject=f"invoice {invoice.reference}").order_by("number")
        return list(events.values_list("type", flat=True))

    def asked(self, method: str, path: str) -> list[Record]:
        """The requests of this method and path that reached Billit."""
        return [row for row in self.control.log("billit") if (row["method"], row["path"]) == (method, path)]

    @contextmanager
    def fault(self, kind: str, *, method: str = "POST", path: str = "^/v1/orders$", **fields: object) -> Iterator[None]:
        """Billit (or another service) has this fault inside the block."""
        self.control.faults({"service": "billit", "method": method, "path": path, "kind": kind} | fields)
        try:
            yield
        finally:
            self.control.faults()

    def invoice(self, *flags: str, through: str = "2026-10-31") -> Outcome:
        """`manage.py invoice` for the whole firm."""
        return self.command("invoice", "--firm", self.firm.slug, "--through", through, *flags)


def many(count: int) -> dict[str, Any]:
    """Changes of the small world: so many customers with one entry each, of 900 seconds and one more for each."""
    numbers = range(count)
    return {
        "clients": [client(1000 + n, f"Client {n} {enterprise_number(100 + n)}") for n in numbers],
        "projects": [project(2000 + n, f"Project {n}", 1000 + n) for n in numbers],
        "parties": [party(81_000 + n, f"Client {n}", enterprise_number(100 + n)) for n in numbers],
        "entries": [entry(n, seconds=900 + n, project_id=2000 + n) for n in numbers],
        "peppol": [],
    }


def ids(*serials: int) -> list[int]:
    """The Toggl ids of `entry(serial)`."""
    return [FIRST_ENTRY + serial for serial in serials]


def bill(invoice: Invoice) -> list[tuple[str, Decimal, Decimal, list[int]]]:
    """Lines as (description, hours, amount, Toggl ids)."""
    return [
        (
            line.description,
            line.quantity,
            line.total,
            list(line.claims.order_by("started_at").values_list("entry__remote_id", flat=True)),
        )
        for line in invoice.lines.order_by("position")
    ]


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of the books with every field: what a dry run may not change. The mirror is no part of it."""
    models = [model for label in ("firms", "invoicing") for model in apps.get_app_config(label).get_models()]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Starts `work` in a thread with a database connection of its own; call the result for what it gave."""
    came: list[Any] = []
    broke: list[BaseException] = []

    def run() -> None:
        try:
            came.append(work())
        except BaseException as error:
            broke.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()

    def finish() -> Any:
        thread.join(20)
        assert not thread.is_alive()
        if broke:
            raise broke[0]
        return came[0]

    return finish


def until(met: Callable[[], object]) -> None:
    """Waits until something is met, at most ten seconds."""
    for _ in range(1000):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about within ten seconds")


def somebody_waits() -> bool:
    """Whether a connection of this database waits for a lock."""
    return waiting() > 0


def waiting() -> int:
    """How many connections of this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
