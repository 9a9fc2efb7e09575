"""What workers do for the books. Ticks only enqueue what is due in the rows (design D4); each task is safe twice."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from celery import Task, chain, shared_task
from django.conf import settings

from integrations.clients.http.transport import ServiceError
from integrations.connections.pacing.turns import Lane
from integrations.mirror.sync import LEASE
from integrations.models import Company, Connection, Workspace
from integrations.tasks import InTurn, sync_company, sync_workspace
from invoicing.annexes import freeze as annexes
from invoicing.corrections import replace
from invoicing.due import annexes as due_annexes
from invoicing.due import comparisons, deliveries, order_changes, posts, runs, write_backs, wrong_clocks
from invoicing.due.mails import budget_mails, delivery_mails, digests, draft_mails, lost_connections
from invoicing.ledger import months as kept
from invoicing.ledger.states import derive as ledger
from invoicing.models import Dossier, Invoice
from invoicing.posting import read_back as reading_back
from invoicing.posting.sending import way
from toggbill.database import clock
from toggbill.firms.audit import Actor, nightly
from toggbill.firms.models import Firm, FirmOwned
from toggbill.queues import BY_ITSELF, PEOPLE

logger = logging.getLogger(__name__)


class Tick(Task):  # type: ignore[type-arg]  # the class takes no arguments while it runs
    """What beat sends. One right after another has no use any more: they pile up while no worker is there.

    That is counted by this process's monotonic clock. An ``expires`` in the message would be compared with the clock of
    the worker's machine: where that is a minute ahead of beat's, no tick would ever be done.
    """

    _latest: float | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        came_by_message = not self.request.called_directly and not self.request.is_eager
        at, latest = time.monotonic(), self._latest
        if came_by_message and latest is not None and at - latest < settings.TICK_SECONDS / 2:
            return None
        self._latest = at
        return self.run(*args, **kwargs)


class OfBooks(InTurn):
    """The same of what works for dossiers and invoices."""

    owners: ClassVar[Mapping[str, tuple[type[FirmOwned], str]]] = {
        **InTurn.owners,
        "dossier_id": (Dossier, "workspace__connection"),
        "invoice_id": (Invoice, "company__connection"),
        "invoice_ids": (Invoice, "company__connection"),
    }


class Delivering(OfBooks):
    """What posts or sends: a turn that ends brings what comes next at the same Billit."""

    def follow(self, **arguments: Any) -> None:
        """Take what is due likewise, of the connection of these invoices."""
        enqueue_due(posts.take_due(now=clock.now(), beside=arguments["invoice_ids"], lane=self.lane))


@shared_task(base=Tick)
def tick_sync(**_: object) -> None:
    """Enqueue the workspaces and companies whose next sync is due, and those that get tags, and derive what is marked.

    Before that, what a wrong clock wrote too far ahead is brought back.
    """
    now = clock.now()
    wrong_clocks.bring_back(now=now)
    for workspace_id in Workspace.objects.due(now, now - LEASE).values_list("pk", flat=True):
        chain(sync_workspace.si(workspace_id=workspace_id), derive.si(workspace_id=workspace_id)).delay()
    for company_id in Company.objects.due(now, now - LEASE).values_list("pk", flat=True):
        chain(sync_company.si(company_id=company_id), derive_marked.si()).delay()
    for workspace_id in write_backs.due(now=now):
        write_back.delay(workspace_id=workspace_id)
    derive_marked.delay()
    keep_months.delay()


@shared_task(base=Tick)
def tick_runs(**_: object) -> None:
    """Enqueue the dossiers whose run is due, and the mails on what will go out by itself and on budgets; dossiers that
    read the same workspace or company are served together."""
    for dossier_id in runs.take_due(now=clock.now()):
        run_dossier.delay(dossier_id=dossier_id)
    digests.count(now=clock.now())
    for firm_id in digests.due(now=clock.now()):
        tell_week.delay(firm_id=firm_id)
    budget_mails.count(now=clock.now())
    for firm_id in budget_mails.due(now=clock.now()):
        tell_budgets.delay(firm_id=firm_id)


@shared_task(base=Tick)
def tick_reconcile(**_: object) -> None:
    """Enqueue the dossiers whose comparison with both services is due; those of a workspace are compared together."""
    for dossier_id in comparisons.take_due(now=clock.now()):
        reconcile_dossier.delay(dossier_id=dossier_id)


@shared_task(base=Tick)
def tick_delivery(**_: object) -> None:
    """Enqueue annexes, posts and sends that are due, look-ups of doubts, and the reading back of totals."""
    now = clock.now()
    enqueue_annexes(due_annexes.take_due(now=now))
    enqueue_due(posts.take_due(now=now))
    for invoice_id in replace.due_replacements(now=now).values_list("pk", flat=True):
        recover_replacement.delay(invoice_id=invoice_id)
    for company_id in reading_back.unread(now=now):
        read_back.once(company_id=company_id)
    for company_id in order_changes.due(now=now):
        read_order_changes.delay(company_id=company_id)
    for company_id in deliveries.due(now=now):
        read_deliveries.delay(company_id=company_id)
    for company_id in way.unasked(now=now):
        ask_ways.once(company_id=company_id)
    for firm_id in delivery_mails.untold():
        tell_deliveries.delay(firm_id=firm_id)
    for firm_id in draft_mails.untold():
        tell_drafts.delay(firm_id=firm_id)
    for connection_id in lost_connections.untold():
        tell_lost_connection.delay(connection_id=connection_id)


@shared_task(base=Tick)
def tick_anchors(**_: object) -> None:
    """Sign the heads of all audit logs, once a night; a night that was missed is made up at the next tick."""
    nightly.sign_heads(now=clock.now())


def enqueue_due(taken: Sequence[Invoice]) -> None:
    """Hand over what was taken: posts and look-ups, and sends."""
    for part in posts.portions(invoice for invoice in taken if invoice.status != Invoice.Status.POSTED):
        post_invoices.delay(invoice_ids=[invoice.pk for invoice in part])
    for part in posts.portions(invoice for invoice in taken if invoice.status == Invoice.Status.POSTED):
        send_invoices.delay(invoice_ids=[invoice.pk for invoice in part])


def enqueue_posts(invoices: Iterable[Invoice]) -> None:
    """Have the workers post invoices: a message names a few of one company, which one worker posts together.

    Of each company the first of them: their rows ask for the rest, and a turn that ends brings the next.
    """
    for part in posts.first_portions(invoices):
        post_invoices.delay(invoice_ids=[invoice.pk for invoice in part])


def enqueue_sends(invoices: Iterable[Invoice]) -> None:
    """Have the workers send posted invoices, or look up what became of it; those of a message share one reading."""
    for part in posts.first_portions(invoices):
        send_invoices.delay(invoice_ids=[invoice.pk for invoice in part])


def enqueue_annexes(invoices: Iterable[Invoice]) -> None:
    """Have the workers make annexes of hours, and post afterwards what somebody asked to post."""
    for part in due_annexes.portions(invoices):
        freeze_annexes.delay(invoice_ids=part)


@shared_task(base=OfBooks, lane=Lane.DERIVE)
def derive(*, workspace_id: int, **_: object) -> None:
    """Bring the ledger of one workspace up to date."""
    workspace = Workspace.objects.select_related("firm").get(pk=workspace_id)
    ledger.derive(workspace=workspace, now=clock.now())


@shared_task(bind=True)
def derive_marked(self: Any, /, **_: object) -> None:
    """Bring the ledger up to date wherever something is marked, each workspace by a message of its own."""
    # What a person waits for stays ahead.
    is_wish = (self.request.delivery_info or {}).get("priority") == PEOPLE
    for workspace_id in ledger.waiting().values_list("pk", flat=True):
        derive.apply_async(kwargs={"workspace_id": workspace_id}, priority=PEOPLE if is_wish else BY_ITSELF)


@shared_task
def keep_months(**_: object) -> None:
    """Add up what is kept of months, and check those that changed; what is left over waits for the next tick.

    One that takes longer than from a tick to the next has the next one beside it."""
    kept.add_up()
    kept.prove(now=clock.now(), beside_others=True)


@shared_task(base=OfBooks, lane=Lane.READ)
def run_dossier(*, dossier_id: int, **_: object) -> None:
    """Re-read Toggl and draft a dossier whose run is due, with those that share what is read; the mode of each says how
    far its drafts go by themselves (R9)."""
    dossier = Dossier.objects.select_related(
        "firm", "workspace__connection", "workspace__firm", "company__connection"
    ).get(pk=dossier_id)
    enqueue_posts(runs.serve(dossier=dossier, by=Actor.schedule(), now=clock.now()))


@shared_task(base=OfBooks, lane=Lane.READ)
def read_dossier(*, dossier_id: int, **_: object) -> None:
    """Read workspace and company of a dossier that somebody waits for, as far as that is due, and derive its books."""
    dossier = Dossier.objects.get(pk=dossier_id)
    sync_workspace(workspace_id=dossier.workspace_id)
    sync_company(company_id=dossier.company_id)
    derive(workspace_id=dossier.workspace_id)


@shared_task(base=OfBooks, lane=Lane.READ)
def reconcile_dossier(*, dossier_id: int, **_: object) -> None:
    """Compare a dossier whose comparison is due, with the others of its workspace; what is found stands in rows."""
    dossier = Dossier.objects.select_related("firm").get(pk=dossier_id)
    comparisons.serve(dossier=dossier, now=clock.now())


@shared_task(base=OfBooks, lane=Lane.ANNEX)
def freeze_annexes(*, invoice_ids: list[int], **_: object) -> None:
    """Make the annexes of hours of invoices that were approved; why one could not be made stands in its row.

    Those that somebody asked to post are posted next, by who is free.
    """
    rows = Invoice.objects.filter(pk__in=invoice_ids).order_by("approved_by", "pk")
    for name, part in groupby(rows, key=lambda invoice: invoice.approved_by):
        by = Actor(name or "schedule", "worker")
        annexes.freeze(invoices=[invoice.pk for invoice in part], by=by, now=clock.now())
    asked = rows.filter(status=Invoice.Status.APPROVED, post_requested_at__isnull=False)
    enqueue_posts(asked.filter(annex__isnull=False))
    for firm_id in set(rows.values_list("firm_id", flat=True)):
        enqueue_annexes(due_annexes.take_due(now=clock.now(), firm=firm_id))


@shared_task(base=Delivering, lane=Lane.POST)
def post_invoices(*, invoice_ids: list[int], **_: object) -> None:
    """Post those of one company that somebody asked for, or look up what became of them; the rows say what comes."""
    rows = Invoice.objects.filter(pk__in=invoice_ids).order_by("post_requested_by", "pk")
    # A worker that posts makes no annexes: who makes those passes their invoices on.
    if awaits := set(annexes.lacking().filter(pk__in=invoice_ids).values_list("pk", flat=True)):
        enqueue_annexes(invoice for invoice in rows if invoice.pk in awaits)
    for name, part in groupby(
        (row for row in rows if row.pk not in awaits), key=lambda invoice: invoice.post_requested_by
    ):
        posts.work_off(invoices=list(part), by=Actor(name or "schedule", "worker"), now=clock.now())
    enqueue_sends(rows.posted().filter(send_requested_at__isnull=False))


@shared_task(base=Delivering, lane=Lane.SEND)
def send_invoices(*, invoice_ids: list[int], **_: object) -> None:
    """Have posted invoices of one company delivered; whatever comes of it stands in their rows."""
    rows = Invoice.objects.filter(pk__in=invoice_ids).order_by("send_requested_by", "pk")
    for name, part in groupby(rows, key=lambda invoice: invoice.send_requested_by):
        posts.send_off(invoices=list(part), by=Actor(name or "schedule", "worker"), now=clock.now())


@shared_task(base=OfBooks, lane=Lane.READ)
def write_back(*, workspace_id: int, **_: object) -> None:
    """Give billed entries of a workspace their tag in Toggl, or take it away; the rows say what came of it."""
    workspace = Workspace.objects.select_related("connection").get(pk=workspace_id)
    write_backs.serve(workspace=workspace, now=clock.now())


@shared_task(base=OfBooks, lane=Lane.READ)
def recover_replacement(*, invoice_id: int, **_: object) -> None:
    """Look up what became of a deletion without an answer; the invoices that come of it wait for their posting."""
    invoice = Invoice.objects.get(pk=invoice_id)
    try:
        replace.recover_replacement(invoice=invoice, by=Actor.schedule(), now=clock.now())
    except ServiceError as error:
        posts.put_off(invoice=invoice, why=error, now=clock.now())


@shared_task(base=OfBooks, lane=Lane.READ)
def read_back(*, company_id: int, **_: object) -> None:
    """Read the legal totals of a company's newly posted orders; a failure is tried again at the next tick."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    try:
        reading_back.read_back(company=company, now=clock.now())
    except ServiceError:
        return


@shared_task(base=OfBooks, lane=Lane.READ)
def read_order_changes(*, company_id: int, **_: object) -> None:
    """Read what became of a company's posted orders, since Billit said that some changed."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    try:
        order_changes.read(company=company, now=clock.now())
    except ServiceError:
        order_changes.postpone(company=company, now=clock.now())


@shared_task(base=OfBooks, lane=Lane.READ)
def read_deliveries(*, company_id: int, **_: object) -> None:
    """Read what became of a company's sent invoices that are due; where Billit does not answer, some minutes later."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    try:
        deliveries.read(company=company, now=clock.now())
    except ServiceError:
        return


@shared_task(base=OfBooks, lane=Lane.READ)
def ask_ways(*, company_id: int, **_: object) -> None:
    """Ask by which way a company's unsent invoices would go, for who is to send them."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    try:
        way.ask(company=company, now=clock.now())
    except ServiceError:
        return


@shared_task
def tell_deliveries(*, firm_id: int, **_: object) -> None:
    """Mail who sent them which invoices do not arrive; a mail that did not go is tried at the next tick."""
    firm = Firm.objects.get(pk=firm_id)
    try:
        delivery_mails.tell(firm=firm, now=clock.now())
    except OSError as error:
        logger.warning("The mail on deliveries of firm %s could not be handed over: %s", firm.slug, error)


@shared_task
def tell_drafts(*, firm_id: int, **_: object) -> None:
    """Mail who may approve which drafts a run left for a person; a mail that did not go is tried at the next tick."""
    firm = Firm.objects.get(pk=firm_id)
    try:
        draft_mails.tell(firm=firm, now=clock.now())
    except OSError as error:
        logger.warning("The mail on drafts of firm %s could not be handed over: %s", firm.slug, error)


@shared_task
def tell_week(*, firm_id: int, **_: object) -> None:
    """Mail owners and managers what goes out by itself this week; a mail that did not go is tried at the next tick."""
    firm = Firm.objects.get(pk=firm_id)
    try:
        digests.tell(firm=firm, now=clock.now())
    except OSError as error:
        logger.warning("The weekly mail of firm %s could not be handed over: %s", firm.slug, error)


@shared_task
def tell_budgets(*, firm_id: int, **_: object) -> None:
    """Notice budgets that are used up, or nearly, and mail owners and managers; a mail that did not go is tried at the
    next tick."""
    firm = Firm.objects.get(pk=firm_id)
    try:
        budget_mails.tell(firm=firm, now=clock.now())
    except OSError as error:
        logger.warning("The mail on budgets of firm %s could not be handed over: %s", firm.slug, error)


@shared_task
def tell_lost_connection(*, connection_id: int, **_: object) -> None:
    """Mail owners and managers that a connection works no more; a mail that did not go is tried at the next tick."""
    connection = Connection.objects.select_related("firm").get(pk=connection_id)
    try:
        lost_connections.tell(connection=connection, now=clock.now())
    except OSError as error:
        logger.warning("The mail on connection %s could not be handed over: %s", connection, error)
