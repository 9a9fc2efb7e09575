"""The soak: real workers and a beat under random faults, while hours come, change and go and workers are killed."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError
from django.db.models import Count, Q
from django.utils import timezone

from integrations.clients.transport import ServiceError
from integrations.models import Company, Quota, Workspace
from integrations.sandbox.process import start
from invoicing.corrections import decide, replace
from invoicing.drafting import runs, settlement
from invoicing.drafting.blocks import order_block
from invoicing.due import posts
from invoicing.ledger import blocks
from invoicing.models import Agreement, Attempt, Correction, Dossier, Invoice, InvoiceLine
from invoicing.posting import recover
from tests.proof.assertions import Figures, figures, wrong
from tests.proof.processes import Place, database_url, kill
from tests.proof.world import PROJECT, SLUG, entry, moments, proof_world, yesterday
from tests.worlds import FIRST_ENTRY, Record
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import AuditEvent, Firm

WORKSPACES, DOSSIERS, CLIENTS, ENTRIES = 10, 5, 3, 4
WORKERS, PEOPLE = 2, 2
SETTLING = 180.0
"""Seconds in which all that is under way must come to its end once the faults are off."""

_STATUS = Invoice.Status
_UNDER_WAY = [_STATUS.APPROVED, _STATUS.POSTING, _STATUS.IN_DOUBT, _STATUS.REFUSED]
# One in five of Billit's answers, by kind. A few hang until the client gives up.
_BAD = {
    "cut_before": 0.05,
    "cut_after": 0.05,
    "html500": 0.04,
    "html500_after": 0.02,
    "unavailable": 0.01,
    "too_many": 0.02,
    "truncate": 0.01,
    "timeout_before": 0.01,
    "timeout_after": 0.01,
}
_REPEATED = {"errors": [{"Code": "IdempotentTokenAlreadyExists", "Description": "The token was used before."}]}
_BY = Actor("owner@example.com", "page", Authority.COMMAND)


def soak(*, minutes: float, seed: int) -> tuple[list[str], bool]:
    """Soak for so long, then settle. Gives the figures, a line each, and whether all that must be 0 is."""
    call_command("migrate", verbosity=0)
    world = proof_world(workspaces=WORKSPACES, dossiers=DOSSIERS, clients=CLIENTS, entries=ENTRIES, agreed="all")
    with start(world) as sandbox, tempfile.TemporaryDirectory() as folder:
        settings.TOGGL_URL, settings.BILLIT_API_URL = sandbox.toggl_url, sandbox.billit_url
        file = Path(folder) / "firm.toml"
        file.write_text(sandbox.onboarding, encoding="utf-8")
        call_command("onboard", str(file), stdout=io.StringIO())
        place = Place(database_url(), os.environ["REDIS_URL"], sandbox, Path(folder))
        # A lease shorter than the longest answer: it runs out under a living worker, too.
        place.settings |= {"POSTING_LEASE_SECONDS": "8", "IN_DOUBT_SECONDS": "4"}
        return _Soak(place, random.Random(seed), Firm.objects.get(slug=SLUG)).run(minutes)


class _Soak:
    """What goes on: the processes, the entries that Toggl has, and how often each thing was done."""

    def __init__(self, place: Place, die: random.Random, firm: Firm) -> None:
        self.place, self.die, self.firm = place, die, firm
        self.control = place.sandbox.control
        self.clients = WORKSPACES * DOSSIERS * CLIENTS
        self.alive = list(range(1, self.clients * ENTRIES + 1))
        self.starts = moments()
        self.serial = len(self.alive)
        self.done: dict[str, int] = {}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.people: list[subprocess.Popen[bytes]] = []
        self.broken = 0

    def run(self, minutes: float) -> tuple[list[str], bool]:
        Dossier.objects.update(due_at=timezone.now(), scheduled_through=None)
        self.control.faults(*self._faults())
        begun = time.monotonic()
        self.workers = [self.place.worker() for _ in range(WORKERS)]
        beat = self.place.beat()
        try:
            while time.monotonic() - begun < minutes * 60:
                self._something()
                time.sleep(self.die.uniform(0, 0.3))
            requests = self._billit_answers()
            self.control.faults()
            settled = self._settle()
        finally:
            for process in (*self.workers, *self.people, beat):
                kill(process)
        return self._tell(minutes, settled, requests)

    # --- what happens ------------------------------------------------------------------------------------------------

    def _something(self) -> None:
        """One thing of those that people, clocks and bad luck do."""
        things: list[tuple[float, Callable[[], None]]] = [
            (30, self._entries_added),
            (25, self._entry_edited),
            (10, self._entry_deleted),
            (6, self._entry_moved),
            (8, self._run_due),
            (6, self._run_by_hand),
            (6, self._reading_due),
            (3, self._worker_killed),
            (2, self._draft_dropped),
            (4, self._person_decides),
            (12, self._correction_decided),
            (3, self._block_ordered),
            (1, self._settled_by_hand),
            (3, self._leases_lapse),
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
        self.done[name] = self.done.get(name, 0) + 1

    def _entries_added(self) -> None:
        rows = []
        for _ in range(self.die.randint(1, 4)):
            self.serial += 1
            client = self.die.randrange(self.clients)
            place = client // (CLIENTS * DOSSIERS)
            rows.append(entry(self.serial, next(self.starts), client=client, workspace=place, seconds=self._seconds()))
            self.alive.append(self.serial)
        self.control.put_entries(*rows)

    def _entry_edited(self) -> None:
        serial = self.die.choice(self.alive)
        self.control.put_entries(_lasting(self._there(serial), self._seconds()))

    def _entry_deleted(self) -> None:
        if len(self.alive) > self.clients:
            self.control.delete_entries(FIRST_ENTRY + self.alive.pop(self.die.randrange(len(self.alive))))

    def _entry_moved(self) -> None:
        """To another client of the same workspace."""
        serial = self.die.choice(self.alive)
        there = self._there(serial)
        mine = CLIENTS * DOSSIERS
        first = (there["project_id"] - PROJECT) // mine * mine
        self.control.put_entries({"id": FIRST_ENTRY + serial, "project_id": PROJECT + first + self.die.randrange(mine)})

    def _run_due(self) -> None:
        some = self.die.sample(sorted(Dossier.objects.values_list("pk", flat=True)), 8)
        Dossier.objects.filter(pk__in=some).update(due_at=timezone.now(), scheduled_through=None)

    def _run_by_hand(self) -> None:
        """A person at the command line, who leaves the posting to the workers or posts by hand."""
        dossier = f"dossier-{self.die.randint(1, WORKSPACES * DOSSIERS)}"
        asked = ["--firm", SLUG, "--dossier", dossier, "--through", yesterday(), "--approve", "--post"]
        self.people = [process for process in self.people if process.poll() is None]
        if len(self.people) < PEOPLE:
            queue = self.die.choice([[], ["--queue"]])
            self.people.append(self.place.start([sys.executable, "manage.py", "invoice", *asked, *queue]))

    def _reading_due(self) -> None:
        Workspace.objects.filter(claimed_at__isnull=True).update(next_sync_at=timezone.now())

    def _worker_killed(self) -> None:
        number = self.die.randrange(WORKERS)
        kill(self.workers[number])
        self.workers[number] = self.place.worker()

    def _draft_dropped(self) -> None:
        waiting = Invoice.objects.filter(status__in=[_STATUS.DRAFT, _STATUS.APPROVED, _STATUS.REFUSED])
        invoice = waiting.order_by("?").first()
        if invoice is not None:
            with suppress(NotPossible):
                runs.void(invoice=invoice, by=_BY, now=timezone.now())

    def _person_decides(self) -> None:
        """What is left to a person: a look at Billit, and posting anew what is not there."""
        there = {order["ExternalProviderID"] for order in self.control.orders()}
        now = timezone.now()
        for invoice in Invoice.objects.filter(status=_STATUS.IN_DOUBT, needs_person=True):
            if invoice.reference not in there:
                with suppress(NotPossible):
                    recover.post_anew(invoice=invoice, by=_BY, now=now)
            else:
                # The order came after the look-up: the next look-up finds it.
                Invoice.objects.filter(pk=invoice.pk, status=_STATUS.IN_DOUBT).update(needs_person=False)
        for invoice in Invoice.objects.filter(status__in=[_STATUS.REFUSED, _STATUS.DRAFT]):
            with suppress(NotPossible):
                runs.approve(invoice=invoice, by=_BY, now=now)
        for invoice in Invoice.objects.filter(status=_STATUS.APPROVED, post_requested_at__isnull=True):
            with suppress(NotPossible):  # a worker that posts it was faster
                posts.request(invoice=invoice, send=False, by=_BY, now=now)

    def _correction_decided(self) -> None:
        """A billed entry changed in Toggl: a person leaves it, bills the difference, or replaces the unsent order."""
        open_ones = Correction.objects.filter(decision=Correction.Decision.OPEN).select_related("entry", "invoice")
        correction = open_ones.order_by("?").first()
        if correction is not None:
            verbs: list[Callable[..., object]] = [decide.accept, decide.bill_next, replace.replace]
            verb = self.die.choice(verbs)
            with suppress(NotPossible, ServiceError):
                verb(correction=correction, by=_BY, now=timezone.now())
        for invoice in replace.due_replacements(now=timezone.now()):
            with suppress(ServiceError):
                replace.recover_replacement(invoice=invoice, by=_BY, now=timezone.now())

    def _block_ordered(self) -> None:
        """The next block of prepaid hours, where none waits and few are left."""
        agreement = Agreement.objects.filter(kind=Agreement.Kind.PREPAID).order_by("?").first()
        if agreement is not None and blocks.left(agreement) <= 0:
            with suppress(NotPossible):
                order_block(agreement=agreement, by=_BY, now=timezone.now())

    def _settled_by_hand(self) -> None:
        """A person settles a customer's hours on account, up to some day."""
        agreement = Agreement.objects.filter(kind=Agreement.Kind.ADVANCE).order_by("?").first()
        if agreement is not None:
            day = timezone.localdate() - timedelta(days=self.die.randint(2, 12))
            with suppress(NotPossible):
                settlement.settle(agreement=agreement, through=day, by=_BY, now=timezone.now())

    def _leases_lapse(self) -> None:
        """Time is long here: what a dead worker was reading is free after a minute, and so is Toggl's hourly budget."""
        now = timezone.now()
        for number in range(WORKSPACES):
            self.control.quota(3001 + number, remaining=600, resets_in=3600)
        self.control.quota(None, remaining=30, resets_in=3600)
        Quota.objects.all().delete()
        for model in (Workspace, Company):
            model.objects.filter(claimed_at__lt=now - timedelta(minutes=1)).update(claimed_at=None)
        # Runs that wait, and those whose worker claimed them more than a minute ago.
        waiting = Dossier.objects.filter(scheduled_through__isnull=True, due_at__gt=now)
        waiting.filter(due_at__lt=now + timedelta(minutes=14)).update(due_at=now)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _settle(self) -> float:
        """Waits until nothing is under way; gives the seconds that it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < SETTLING:
            self._leases_lapse()
            self._person_decides()
            self._correction_decided()
            unfinished = (
                Q(replacing_since__isnull=False)
                | Q(status__in=[*_UNDER_WAY, _STATUS.DRAFT])
                | Q(status=_STATUS.POSTED, legal_excl__isnull=True)
            )
            if not Invoice.objects.filter(unfinished).exists():
                if Dossier.objects.filter(scheduled_through__isnull=True).exists():
                    time.sleep(0.5)
                    continue
                break
            time.sleep(0.5)
        return time.monotonic() - begun

    def _tell(self, minutes: float, settled: float, requests: tuple[int, int]) -> tuple[list[str], bool]:
        # What changed in Toggl since the latest reading, and the last hours, by the command alone.
        self._leases_lapse()
        Workspace.objects.update(claimed_at=None)
        Company.objects.update(claimed_at=None)
        _command("sync", "--firm", SLUG, "--full")
        _command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
        found: Figures = figures(self.firm, self.control)
        attempts = Attempt.objects.filter(intent=Attempt.Intent.POST)
        events = AuditEvent.objects.filter(firm=self.firm)
        self._leases_lapse()
        drift = _command("reconcile", "--firm", SLUG) or {"drift": [{"kind": "order", "sentence": "Not reconciled."}]}
        lines = InvoiceLine.objects.filter(invoice__in=Invoice.objects.posted())
        answers, bad = requests
        rows: dict[str, Any] = {
            "minutes": f"{minutes:g}, then settled in {settled:.0f} s",
            "dossiers": Dossier.objects.count(),
            **{f"  {name}": count for name, count in sorted(self.done.items())},
            "answers of Billit, bad ones": f"{answers}, {bad} ({100 * bad / max(answers, 1):.0f} %)",
            "attempts to post": attempts.count(),
            "in doubt met": events.filter(type="invoice_in_doubt").count(),
            "adopted": attempts.filter(outcome=Attempt.Outcome.ADOPTED).count(),
            "looked up and not there": attempts.filter(outcome=Attempt.Outcome.ABSENT).count(),
            "decided by a person": Invoice.objects.filter(key_number__gt=1).count(),
            **{
                f"corrections {decision}": count
                for decision, count in Correction.objects.values_list("decision").annotate(count=Count("pk")).order_by()
            },
            **{
                f"lines {kind}": count
                for kind, count in lines.values_list("kind").annotate(count=Count("pk")).order_by("kind")
            },
            "audit events": events.count(),
            "deadlocks": self.broken + self.place.log.read_text(errors="replace").count("deadlock detected"),
            **{name: count for name, count in asdict(found).items() if name != "books"},
            **{f"books, {rule}": len(sentences) for rule, sentences in sorted(found.books.items())},
            "drift at Billit": sum(row["kind"].startswith("order") for row in drift["drift"]),
        }
        told = [f"{name:<32} {value}" for name, value in rows.items()]
        faults = wrong(found)
        if rows["drift at Billit"]:
            faults["drift at Billit"] = rows["drift at Billit"]
            told += [row["sentence"] for row in drift["drift"] if row["kind"].startswith("order")]
        told += [f"{rule}: {each}" for rule, sentences in found.books.items() for each in sentences[:10]]
        if found.unknown:
            faults["unknown"] = found.unknown
        told.append("all that must be 0 is 0" if not faults else f"WRONG: {faults}")
        if faults:
            sys.stderr.write(self.place.log.read_text(errors="replace")[-3000:])
        return told, not faults

    # --- Billit and Toggl ---------------------------------------------------------------------------------------------

    def _faults(self) -> Iterator[Record]:
        seeds = iter(range(self.die.randrange(10**6), 10**7))
        for kind, part in _BAD.items():
            fault: Record = {"service": "billit", "kind": kind, "probability": part, "seed": next(seeds)}
            if kind.startswith("timeout"):
                # Half of them hang longer than the client waits.
                for seconds, of_them in ((0.5, 0.9), (35.0, 0.1)):
                    yield fault | {"probability": part * of_them, "seconds": seconds, "seed": next(seeds)}
            elif kind == "too_many":
                yield fault | {"retry_after": 1}
            else:
                yield fault
        yield {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "status", "status": 409} | {
            "body": _REPEATED,
            "probability": 0.02,
            "seed": next(seeds),
        }

    def _billit_answers(self) -> tuple[int, int]:
        rows = self.control.log("billit")
        return len(rows), sum(row["fault"] is not None for row in rows)

    def _there(self, serial: int) -> Record:
        wanted = FIRST_ENTRY + serial
        return next(row for row in self.control.world()["toggl"]["entries"] if row["id"] == wanted)

    def _seconds(self) -> int:
        return self.die.randint(10, 150) * 60


def _lasting(there: Record, seconds: int) -> Record:
    start = datetime.fromisoformat(there["start"])
    return {"id": there["id"], "stop": (start + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _command(name: str, *arguments: str) -> Any:
    out, words = io.StringIO(), io.StringIO()
    with suppress(SystemExit):
        call_command(name, *arguments, stdout=out, stderr=words)
    if not out.getvalue().strip():
        sys.stderr.write(f"{name}: {words.getvalue()}\n")
    return json.loads(out.getvalue()) if out.getvalue().strip() else None
