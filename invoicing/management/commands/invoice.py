"""`manage.py invoice`: draft, and on demand approve, post and send (design section 10)."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from integrations.clients.http.transport import BadCredentials, PlanFeature, ServiceError
from integrations.models import Company
from invoicing.annexes.freeze import freeze
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.due import runs as rounds
from invoicing.management import arguments
from invoicing.management.invoice_json import as_json, planned, skipped_json
from invoicing.models import Claim, Dossier, Invoice
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.models.problems import words
from invoicing.posting import post as posting
from invoicing.posting import read_back, recover
from invoicing.posting.sending import send as sending
from invoicing.tasks import enqueue_posts, enqueue_sends
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand

_Status = Invoice.Status


class Command(JsonCommand):
    """Each flag does its own step for the invoices that stand right before it, and implies no other."""

    help = "Draft what is open through a day, and approve, post or send on demand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")
        parser.add_argument("--through", metavar="YYYY-MM-DD", required=True, help="the last local day that is billed")
        parser.add_argument("--dry-run", action="store_true", help="say what would be drafted, and change nothing")
        parser.add_argument("--approve", action="store_true")
        parser.add_argument("--post", action="store_true")
        parser.add_argument("--send", action="store_true")
        parser.add_argument("--queue", action="store_true", help="leave posting and sending to the workers")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Re-read, draft, then the steps that were asked for, dossier by dossier."""
        firm = arguments.firm(options["firm"])
        dossiers = arguments.dossiers(firm, options["dossier"])
        cut_off = arguments.day(options["through"])
        today = timezone.now().astimezone(firm.zone).date()
        if cut_off > today:
            raise Fault(
                f"{cut_off} is after today ({today}): hours that are not worked yet cannot be billed.", BAD_ARGUMENTS
            )
        self._by, self._moved, self._code = Actor.command(), dict[int, None](), DONE
        self._reread(dossiers)
        if options["dry_run"]:
            return self._dry_run(dossiers, cut_off)
        skipped = []
        for dossier in _leaving_first(dossiers):
            drafting = runs.draft(dossier=dossier, cut_off=cut_off, by=self._by, now=timezone.now())
            self._note(invoice for invoice, _ in drafting.moved)
            self._note(drafting.dropped)
            skipped += self._skipped(drafting)
        mine = Invoice.objects.filter(dossier__in=dossiers).order_by("dossier__key", "pk")
        if options["approve"]:
            self._approve(mine, queue=options["queue"])
        if options["queue"]:
            self._enqueue(mine, post=options["post"], send=options["send"])
        else:
            if options["post"]:
                self._post(mine)
            if options["send"]:
                self._send(mine)
        moved = Invoice.objects.filter(pk__in=self._moved).order_by("dossier__key", "customer_name", "pk")
        code = WRONG if moved.stuck().exists() else self._code
        return {"invoices": as_json(moved), "skipped": skipped, "mirror_as_of": _as_of(dossiers)}, code

    def _reread(self, dossiers: Iterable[Dossier]) -> None:
        """Right before drafting; when a service cannot be read a person may draft from the mirror all the same."""
        now = timezone.now()
        for workspace in {dossier.workspace_id: dossier.workspace for dossier in dossiers}.values():
            try:
                rounds.reread_hours(workspace=workspace, now=now, background=False)
            except rounds.Waits as error:
                workspace.refresh_from_db(fields=["synced_at"])
                self._from_the_mirror(error, f"Hours of workspace {workspace}", workspace.synced_at)
        for company in {dossier.company_id: dossier.company for dossier in dossiers}.values():
            try:
                rounds.reread_prices(company=company, now=now)
            except rounds.Waits as error:
                self._from_the_mirror(error, f"Products and customers of company {company}", company.synced_at)
        for dossier in dossiers:
            dossier.workspace.refresh_from_db(fields=["synced_at"])

    def _from_the_mirror(self, error: rounds.Waits, what: str, as_of: datetime | None) -> None:
        self.say(f"{error} {what} come from the mirror{f' as of {as_of:%Y-%m-%d %H:%M} UTC' if as_of else ''}.")
        self._judge(error.__cause__)

    def _judge(self, error: BaseException | None) -> None:
        """A refused credential and a missing plan feature do not mend themselves: the command ends with 1."""
        if isinstance(error, BadCredentials | PlanFeature):
            self._code = WRONG

    def _dry_run(self, dossiers: Iterable[Dossier], cut_off: date) -> tuple[dict[str, Any], int]:
        invoices, skipped = [], []
        for dossier in dossiers:
            drafting = runs.preview(dossier=dossier, cut_off=cut_off, now=timezone.now())
            invoices += [planned(invoice, plan) for invoice, plan in drafting.moved]
            dropped = as_json(Invoice.objects.filter(pk__in=[invoice.pk for invoice in drafting.dropped]))
            invoices += [statement | {"status": _Status.VOID} for statement in dropped]
            skipped += self._skipped(drafting)
        return {"invoices": invoices, "skipped": skipped, "mirror_as_of": _as_of(dossiers)}, self._code

    def _approve(self, mine: InvoiceQuerySet, *, queue: bool) -> None:
        for invoice in mine.filter(status__in=[_Status.DRAFT, _Status.REFUSED]):
            try:
                self._note([runs.approve(invoice=invoice, by=self._by, now=timezone.now())])
            except NotPossible as error:
                self.say(str(error))
        if not queue:
            self._freeze(mine)

    def _freeze(self, mine: InvoiceQuerySet) -> None:
        """Together, before the first is posted: a process that makes one is long in beginning."""
        approved = mine.filter(status=_Status.APPROVED)
        failed = freeze(invoices=approved.values_list("pk", flat=True), by=self._by, now=timezone.now())
        for invoice in approved.filter(pk__in=failed):
            self.say(f"Invoice {invoice}: {words(failed[invoice.pk])}")

    def _post(self, mine: InvoiceQuerySet) -> None:
        """What earlier runs left in doubt or with a dead lease is looked up first."""
        self._freeze(mine)
        left = list(mine.filter(status__in=[_Status.APPROVED, _Status.IN_DOUBT, _Status.POSTING]))
        errors: dict[int, ServiceError] = {}
        for part in posts.portions(invoice for invoice in left if invoice.status != _Status.APPROVED):
            errors |= recover.recover_together(invoices=part, by=self._by, now=timezone.now())
        for invoice in left:
            before = invoice.status
            try:
                if invoice.pk in errors:
                    raise errors[invoice.pk]
                found = posting.post(invoice=invoice, by=self._by, now=timezone.now())
            except (ServiceError, NotPossible) as error:
                self.say(f"Invoice {invoice}: {error}")
                self._judge(error)
                found = posting.fresh(invoice)
            if found.status != before or found.status == _Status.IN_DOUBT:
                self._note([found])
        # Also those that an earlier call posted, and ended before it could read them.
        for company in Company.objects.filter(invoices__in=mine.unread()).select_related("connection").distinct():
            try:
                read_back.read_back(company=company, now=timezone.now())
            except ServiceError as error:
                self.say(f"The totals of company {company} are not read back yet: {error}")

    def _send(self, mine: InvoiceQuerySet) -> None:
        done = [Invoice.Delivery.SENT, Invoice.Delivery.DELIVERED, Invoice.Delivery.REFUSED]
        for part in posts.portions(mine.posted().exclude(delivery__in=done)):
            errors = sending.send_together(invoices=part, by=self._by, now=timezone.now())
            for invoice in part:
                if (error := errors.get(invoice.pk)) is not None:
                    self.say(f"Invoice {invoice}: {error}")
                    self._judge(error)
                    continue
                found = posting.fresh(invoice)
                stuck = (Invoice.Delivery.FAILED, Invoice.Delivery.IN_DOUBT)
                if found.delivery != invoice.delivery or found.delivery in stuck:
                    self._note([found])

    def _enqueue(self, mine: InvoiceQuerySet, *, post: bool, send: bool) -> None:
        now = timezone.now()
        if post:
            waiting = list(mine.filter(status__in=[_Status.APPROVED, _Status.IN_DOUBT]))
            asked = [row for row in waiting if self._ask(posts.request, row, send=send, now=now)]
            enqueue_posts(asked)
        if send:
            enqueue_sends([row for row in mine.unsent() if self._ask(posts.request_send, row, now=now)])

    def _ask(self, request: Callable[..., None], invoice: Invoice, **how: Any) -> bool:
        """Whether workers were asked; they were not when the invoice moved on meanwhile."""
        try:
            request(invoice=invoice, by=self._by, **how)
        except (NotPossible, NotAllowed) as error:
            self.say(f"Invoice {invoice}: {error}")
            return False
        return True

    def _skipped(self, drafting: runs.Drafting) -> list[dict[str, Any]]:
        if waiting := drafting.plan.not_over:
            self.say(f"Not over yet, so not billed: {', '.join(map(str, waiting))}.")
        for invoice in drafting.sheet.left_alone:
            self.say(f"Draft {invoice} for {invoice.customer_name} was drawn through a later day: it is left alone.")
        return skipped_json(drafting.plan)

    def _note(self, invoices: Iterable[Invoice]) -> None:
        self._moved |= {invoice.pk: None for invoice in invoices}


def _leaving_first(dossiers: Sequence[Dossier]) -> list[Dossier]:
    """Those whose drafts hold hours that were moved to another workspace come first: there they are billed next."""
    gone = Claim.objects.live().of_entries().filter(entry__deleted_at__isnull=False)
    drafts = Invoice.objects.drafts().filter(dossier__in=dossiers, lines__claims__in=gone)
    leaving = set(drafts.values_list("dossier", flat=True))
    return sorted(dossiers, key=lambda dossier: dossier.pk not in leaving)


def _as_of(dossiers: Iterable[Dossier]) -> datetime | None:
    """The oldest of the readings on which the answer rests."""
    return min((d.workspace.synced_at for d in dossiers if d.workspace.synced_at is not None), default=None)
