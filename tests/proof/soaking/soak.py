"""One soak from its beginning to its figures."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db.models import Count
from django.test.utils import override_settings
from django.utils import timezone

from integrations.sandbox.process import start
from invoicing.models import Attempt, Correction, Dossier, Invoice, InvoiceLine
from tests import services
from tests.proof.assertions import Figures, figures_of_all, wrong
from tests.proof.processes import Place, database_url, kill
from tests.proof.servers import redis_server
from tests.proof.soaking import settling, webhooks
from tests.proof.soaking.decisions import BY
from tests.proof.soaking.faults import faults, met
from tests.proof.soaking.firms import Size, onboard, work_of, world_of
from tests.proof.soaking.happenings import Happenings
from tests.proof.soaking.memory import MEANT_FROM, Memory
from tests.proof.soaking.pages import Site
from toggbill.firms.models import AuditEvent, User

_REDIS_AWAY = ("connecting to 127.0.0.1", "Connection closed by server", "Connection reset", "Broken pipe", "LOADING")
_WORST = 20
"""Sentences of one broken rule that are told."""


def soak(*, minutes: float, seed: int, firms: int = 50) -> tuple[list[str], bool]:
    """Soak for so long, then settle. Gives the figures, a line each, and whether all is well.

    All is well when what must be 0 is (``assertions.Figures``, orders that differ at Billit, pages that failed,
    deadlocks), everything came to its end, and the steady worker, beat and web lived through it. In a soak of
    ``memory.MEANT_FROM`` minutes or more their memory must be flat, too; in a shorter one its thirds mean nothing.
    """
    call_command("migrate", verbosity=0)
    program = shutil.which("redis-server")
    if program is None:
        raise services.ServiceMissing("redis-server is not on the PATH; the soak restarts one of its own.")
    size, port = Size.of(firms), services.free_port()
    world = world_of(size)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(program))
        sandbox = stack.enter_context(start(world))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"TOGGL_URL": sandbox.toggl_url, "BILLIT_API_URL": sandbox.billit_url}
        urls["PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        # Each new firm would mail its owner.
        mails = "django.core.mail.backends.dummy.EmailBackend"
        stack.enter_context(override_settings(**urls, EMAIL_BACKEND=mails))
        place = Place(database_url(), redis.url, sandbox, folder)
        # A lease shorter than the longest answer: it runs out under a living worker, too. Ticks of many firms leave the
        # workers time for what they enqueue.
        tick = "10" if firms >= 10 else "1"
        place.settings |= urls | {"POSTING_LEASE_SECONDS": "15", "IN_DOUBT_SECONDS": "5", "TICK_SECONDS": tick}
        place.settings["DEBUG"] = os.environ.get("DEBUG", "1")
        onboarded = onboard(world, size, folder)
        memory, site, die = Memory(), Site(place, port), random.Random(seed)
        happenings = Happenings(place, die, size, onboarded, work_of(world), memory, redis, site)
        return _Soak(happenings).run(minutes)


class _Soak:
    """The processes that live through it, and what is told in the end."""

    def __init__(self, happenings: Happenings) -> None:
        self.happenings = happenings
        self.place, self.memory, self.site = happenings.place, happenings.memory, happenings.site
        self.control = happenings.control
        self.steady: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, minutes: float) -> tuple[list[str], bool]:
        say(f"{len(self.happenings.firms)} firms are onboarded; their webhooks are opened")
        try:
            self._begin(minutes)
            begun = time.monotonic()
            say(f"everything happens, for {minutes:g} minutes")
            while time.monotonic() - begun < minutes * 60:
                self.happenings.something()
                time.sleep(self.happenings.die.uniform(0, 0.5))
            self.memory.stop()
            ended = [name for name, process in self.steady.items() if process.poll() is not None]
            say("the faults end; what is under way settles")
            answers = met(self.control)
            self.control.faults()
            if not self.happenings.redis_is_up:
                self.happenings.redis.start()
            settled = settling.settle(self.happenings)
        finally:
            self.memory.stop()
            self.happenings.end()
            for process in self.steady.values():
                process.terminate()
            for process in self.steady.values():
                kill_after(process, 20)
        left = settling.unsettled()
        say(f"settled in {settled:.0f} s, {len(left)} left; the last commands, firm by firm")
        drift, unended = settling.last_commands(self.happenings)
        say("everything is counted")
        found = figures_of_all(self.happenings.firms, self.control)
        words = {
            "ended by itself": ended,
            "not settled": left,
            "command without an end": unended,
            "drift at Billit": drift,
        }
        rows = self._rows(minutes, settled, answers) | _judged(found)
        rows |= {name: len(sentences) for name, sentences in words.items()}
        return self._told(rows, found, words, minutes)

    def _begin(self, minutes: float) -> None:
        self.steady["web"] = self.site.start()
        self.site.sign_in(User.objects.get(email="owner@example.com"))
        webhooks.open_all(self.control, BY)
        Dossier.objects.update(due_at=timezone.now(), scheduled_through=None)
        self.control.faults(*faults(self.happenings.die))
        self.steady |= {"the steady worker": self.place.worker(), "beat": self.place.beat()}
        for name, process in self.steady.items():
            self.memory.watch(name, process.pid, lasting=True)
        self.happenings.begin(minutes)
        self.memory.start()

    def _rows(self, minutes: float, settled: float, answers: tuple[int, int]) -> dict[str, Any]:
        """What was done, and what came of it."""
        every, bad = answers
        attempts = Attempt.objects.filter(intent=Attempt.Intent.POST)
        lines = InvoiceLine.objects.filter(invoice__in=Invoice.objects.posted())
        corrections = Correction.objects.values_list("decision").annotate(count=Count("pk")).order_by()
        kinds = lines.values_list("kind").annotate(count=Count("pk")).order_by("kind")
        return {
            "minutes": f"{minutes:g}, then settled in {settled:.0f} s",
            "firms, dossiers": f"{len(self.happenings.firms)}, {Dossier.objects.count()}",
            **{f"  {name}": count for name, count in sorted(self.happenings.done.items())},
            "pages by status": dict(sorted(self.site.statuses.items())),
            **webhooks.counted(self.control),
            "answers of Billit, bad ones": f"{every}, {bad} ({100 * bad / max(every, 1):.0f} %)",
            "attempts to post": attempts.count(),
            "in doubt met": AuditEvent.objects.filter(type="invoice_in_doubt").count(),
            "adopted": attempts.filter(outcome=Attempt.Outcome.ADOPTED).count(),
            "looked up and not there": attempts.filter(outcome=Attempt.Outcome.ABSENT).count(),
            "decided by a person": Invoice.objects.filter(key_number__gt=1).count(),
            **{f"corrections {decision}": count for decision, count in corrections},
            **{f"lines {kind}": count for kind, count in kinds},
            "audit events": AuditEvent.objects.count(),
            **self._said(),
            "deadlocks met by people": self.happenings.broken,
            "pages that failed": self.site.failed,
            **self.memory.told(),
        }

    def _said(self) -> dict[str, int]:
        """What the processes said of themselves. A task may fail because it has something to say to an absent Redis."""
        counts: Counter[str] = Counter()
        with self.place.log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                counts["deadlocks"] += "deadlock detected" in line
                if " task_failed " in line:
                    away = any(words in line for words in _REDIS_AWAY)
                    counts["tasks without Redis" if away else "tasks that failed"] += 1
        return {name: counts[name] for name in ("deadlocks", "tasks without Redis", "tasks that failed")}

    def _told(
        self, rows: dict[str, Any], found: Figures, words: dict[str, list[str]], minutes: float
    ) -> tuple[list[str], bool]:
        faulty: dict[str, Any] = wrong(found)
        must_be_zero = (
            "unknown",
            "deadlocks",
            "deadlocks met by people",
            "tasks that failed",
            "pages that failed",
            *words,
        )
        faulty |= {name: rows[name] for name in must_be_zero if rows[name]}
        if minutes >= MEANT_FROM:
            faulty |= self.memory.growing()
        told = [f"{name:<38} {value}" for name, value in rows.items()]
        for name, sentences in (found.books | words).items():
            told += [f"{name}: {each}" for each in sentences[:_WORST]]
        told.append("all that must be 0 is 0" if not faulty else f"WRONG: {faulty}")
        if faulty:
            sys.stderr.write(self.place.log.read_text(errors="replace")[-3000:])
        return told, not faulty


def say(text: str) -> None:
    """A line on standard error, with the time: whoever waits sees which phase it is in."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} soak: {text}\n")


def _judged(found: Figures) -> dict[str, Any]:
    return {
        **{name: count for name, count in asdict(found).items() if name != "books"},
        **{f"books, {rule}": len(sentences) for rule, sentences in sorted(found.books.items())},
    }


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> None:
    """It has so long to end by itself."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill(process)
