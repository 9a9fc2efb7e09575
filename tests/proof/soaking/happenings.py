"""What happens in the soak: what people in Toggl, clocks and bad luck do, one thing at a time, drawn by a die."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone

from integrations.models import Company, Quota, Workspace
from invoicing.models import Dossier, Invoice
from tests.proof.processes import Place, kill
from tests.proof.servers import Server
from tests.proof.soaking import decisions, webhooks
from tests.proof.soaking.firms import Size, Work
from tests.proof.soaking.memory import Memory
from tests.proof.soaking.pages import Site
from tests.proof.world import PROJECT, entry, moments, yesterday
from tests.worlds import FIRST_ENTRY, zulu
from toggbill.firms.models import Firm

WORKERS, PEOPLE = 2, 1
"""Workers that are killed now and then, beside a steady one; commands at once that people have typed."""

HANDFUL = 40
"""Invoices that wait for a worker, from which on no further run falls due: a soak goes as fast as its machine."""

_STATUS = Invoice.Status
_WAITING = Q(status__in=[_STATUS.DRAFT, _STATUS.APPROVED, _STATUS.POSTING]) | Q(
    status=_STATUS.POSTED, legal_excl__isnull=True
)
_REDIS_AWAY, _REDIS_UP = (0.5, 6.0), (50.0, 110.0)
"""Seconds between which Redis is away, and there again."""


class Happenings:
    """Draws and does. ``work``: what Toggl has; ``done``: how often each thing was done."""

    def __init__(
        self,
        place: Place,
        die: random.Random,
        size: Size,
        firms: list[Firm],
        work: dict[int, Work],
        memory: Memory,
        redis: Server,
        site: Site,
    ) -> None:
        self.place, self.die, self.size, self.firms = place, die, size, firms
        self.work, self.memory, self.redis, self.site = work, memory, redis, site
        self.control = place.sandbox.control
        self.starts = moments()
        self.serial = max(work)
        self.done: Counter[str] = Counter()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.people: list[subprocess.Popen[bytes]] = []
        self.broken = 0
        self._redis_turns = 0.0

    def begin(self, minutes: float) -> None:
        """The workers that will be killed; Redis stays for a while, and goes once at least."""
        self.workers = [self._worker() for _ in range(WORKERS)]
        self._redis_turns = time.monotonic() + min(_REDIS_UP[0], minutes * 20)

    def something(self) -> None:
        """One thing, by its weight; and Redis, when its time has come."""
        self._redis_goes_or_comes()
        things: list[tuple[float, Callable[[], None]]] = [
            (30, self._entries_added),
            (25, self._entry_edited),
            (10, self._entry_deleted),
            (6, self._entry_moved),
            (8, self._run_due),
            (3, self._run_by_hand),
            (6, self._reading_due),
            (1.5, self._worker_killed),
            (2, self._draft_dropped),
            (4, self._person_goes_on),
            (12, self._correction_decided),
            (3, self._block_ordered),
            (1, self._settled_by_hand),
            (4, self._order_paid),
            (12, self._page_asked),
            (2, self._webhooks_bent),
            (2, self.leases_lapse),
        ]
        weights, actions = zip(*things, strict=True)
        action = self.die.choices(actions, weights)[0]
        name = action.__name__.strip("_").replace("_", " ")
        try:
            action()
        except OperationalError as error:
            # Told in the end: a person would see it as an error page, and try again.
            sys.stderr.write(f"{name}: {error}\n")
            self.broken += 1
        self.done[name] += 1

    def end(self) -> None:
        """No worker, no person any more."""
        for process in (*self.workers, *self.people):
            kill(process)

    # --- Toggl -------------------------------------------------------------------------------------------------------

    def _entries_added(self) -> None:
        rows = []
        for _ in range(self.die.randint(1, 4)):
            self.serial += 1
            client, start = self.die.randrange(self.size.clients), next(self.starts)
            workspace = client // self.size.clients_together
            rows.append(entry(self.serial, start, client=client, workspace=workspace, seconds=self._seconds()))
            self.work[self.serial] = Work(start, client)
        self.control.put_entries(*rows)

    def _entry_edited(self) -> None:
        serial = self._one()
        stop = self.work[serial].start + timedelta(seconds=self._seconds())
        self.control.put_entries({"id": FIRST_ENTRY + serial, "stop": zulu(stop)})

    def _entry_deleted(self) -> None:
        if len(self.work) > self.size.clients:
            serial = self._one()
            del self.work[serial]
            self.control.delete_entries(FIRST_ENTRY + serial)

    def _entry_moved(self) -> None:
        """To another client of the same workspace."""
        serial = self._one()
        together = self.size.clients_together
        work = self.work[serial]
        work.client = work.client // together * together + self.die.randrange(together)
        self.control.put_entries({"id": FIRST_ENTRY + serial, "project_id": PROJECT + work.client})

    def _one(self) -> int:
        return self.die.choice(list(self.work))

    def _seconds(self) -> int:
        return self.die.randint(10, 150) * 60

    # --- what falls due ----------------------------------------------------------------------------------------------

    def _run_due(self) -> None:
        """Of a few dossiers, unless the workers have their hands full."""
        if Invoice.objects.filter(_WAITING).count() < HANDFUL:
            some = self._some(sorted(Dossier.objects.values_list("pk", flat=True)))
            Dossier.objects.filter(pk__in=some).update(due_at=timezone.now(), scheduled_through=None)

    def _reading_due(self) -> None:
        some = self._some(sorted(Workspace.objects.filter(claimed_at__isnull=True).values_list("pk", flat=True)))
        Workspace.objects.filter(pk__in=some).update(next_sync_at=timezone.now())

    def _some(self, every: list[int]) -> list[int]:
        return self.die.sample(every, min(6, len(every)))

    def leases_lapse(self) -> None:
        """Time is long here: what a dead worker was reading is free after a minute, and so is Toggl's hourly budget."""
        now = timezone.now()
        for number in range(self.size.all_workspaces):
            self.control.quota(3001 + number, remaining=600, resets_in=3600)
        self.control.quota(None, remaining=30, resets_in=3600)
        Quota.objects.all().delete()
        for model in (Workspace, Company):
            model.objects.filter(claimed_at__lt=now - timedelta(minutes=1)).update(claimed_at=None)
        # Runs that wait, and those whose worker claimed them more than a minute ago.
        waiting = Dossier.objects.filter(scheduled_through__isnull=True, due_at__gt=now)
        waiting.filter(due_at__lt=now + timedelta(minutes=14)).update(due_at=now)

    # --- bad luck ----------------------------------------------------------------------------------------------------

    def _worker(self) -> subprocess.Popen[bytes]:
        process = self.place.worker()
        self.memory.watch("the killed worker that lived longest", process.pid)
        return process

    def _worker_killed(self) -> None:
        number = self.die.randrange(WORKERS)
        self.memory.leave(self.workers[number].pid)
        kill(self.workers[number])
        self.workers[number] = self._worker()

    def _redis_goes_or_comes(self) -> None:
        """Killed, so that it loses all messages; what else happens goes on while it is away."""
        if time.monotonic() < self._redis_turns:
            return
        if self.redis_is_up:
            self.redis.stop()
            self.done["redis restarted"] += 1
        else:
            self.redis.start()
        self._redis_turns = time.monotonic() + self.die.uniform(*(_REDIS_UP if self.redis_is_up else _REDIS_AWAY))

    @property
    def redis_is_up(self) -> bool:
        return self.redis.process is not None and self.redis.process.poll() is None

    def _webhooks_bent(self) -> None:
        webhooks.bend(self.control, self.die)

    # --- people ------------------------------------------------------------------------------------------------------

    def _run_by_hand(self) -> None:
        """A person at the command line, who leaves the posting to the workers or posts by hand."""
        dossier = self.die.choice(list(Dossier.objects.select_related("firm").order_by("pk")))
        asked = ["--firm", dossier.firm.slug, "--dossier", dossier.key, "--through", yesterday(), "--approve", "--post"]
        self.people = [process for process in self.people if process.poll() is None]
        if len(self.people) < PEOPLE:
            queue = self.die.choice([[], ["--queue"]])
            self.people.append(self.place.start([sys.executable, "manage.py", "invoice", *asked, *queue]))

    def _draft_dropped(self) -> None:
        decisions.drop_draft()

    def _person_goes_on(self) -> None:
        decisions.go_on_with_invoices(self.control)

    def _correction_decided(self) -> None:
        decisions.decide_correction(self.die)

    def _block_ordered(self) -> None:
        decisions.order_next_block()

    def _settled_by_hand(self) -> None:
        decisions.settle_advances(self.die)

    def _order_paid(self) -> None:
        decisions.pay_order(self.control)

    def _page_asked(self) -> None:
        self.site.look(self.firms, self.die)
