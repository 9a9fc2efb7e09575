"""What all tests share: a sandbox of both services over HTTP, and firms onboarded against it by the real command."""

from __future__ import annotations

import gc
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone, translation
from pytest_django import Settings

from integrations.connections import stopping
from integrations.sandbox.process import Process, start
from tests import emptying, template
from tests.logs import Log
from tests.queues import Queue, broker
from tests.worlds import NOW
from toggbill.firms.models import Firm


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """What the processes of this run copy is there before they start; a lone one makes it when a test needs it."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        template.make(config)


# Whole folders whose tests take long: `make proof` runs them, beside those that are marked one by one.
SLOW = {"browser", "production", "proof", "updating"}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what stands in a folder of slow tests, before anything is chosen by marks."""
    if item.path.relative_to(Path(__file__).parent).parts[0] in SLOW:
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what does not belong to this run: a skip stands for a test that should have run and could not."""
    here = {
        "postgresql": connection.vendor == "postgresql",
        "sqlite": connection.vendor == "sqlite",
        "replay": "SANDBOX_REPLAY" in os.environ,
        "printing": "PRINT_EVERY_URL" in os.environ,
    }
    absent = {name for name, is_here in here.items() if not is_here}
    out = [item for item in items if any(mark.name in absent for mark in item.iter_markers())]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]
    # What takes long comes first, file by file: at the end no process of the run waits for another.
    items.sort(key=lambda item: str(item.path) if {"browser", "slow"} & set(item.keywords) else "~")


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def static_files_from_the_source() -> Iterator[None]:
    """Without ``collectstatic`` there is no folder to serve from; in force before a server of the tests starts."""
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """The language of the latest page stays in force in its thread; every test begins in the one of the sources."""
    with translation.override("en"):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, request: pytest.FixtureRequest) -> None:
    """pytest-django's own, and a copy of the template in place of a database of its own."""
    if not hasattr(request.config, "workerinput"):
        template.make(request.config)
    template.copied()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """pytest-django's own, but for two ends: of a test with real transactions, and of the whole run.

    What a thread or a process of a test still holds open is ended before the database goes.
    """
    with django_db_blocker.unblock():
        teardown = emptying.teardown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """Argon2 is slow on purpose; one test of the sign-up has the site's own hashers."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _static_files_when_asked(settings: Settings) -> None:
    """Every new client of Django's would look for all static files first."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _database_has_our_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that moves the clock moves the database's with it, but for those that are about the difference."""
    if "wrong_clock" not in request.keywords:
        monkeypatch.setattr("toggbill.database.clock.now", timezone.now)
    yield
    stopping.forget()


@pytest.fixture(autouse=True)
def own_cache(settings: Settings) -> None:
    """Every test counts its rate limits from zero, in the memory of its own process (Redis is all tests' together)."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tests"}}
    cache.clear()


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Process]:
    """One sandbox for a whole test process; a test asks for ``sandbox``, which empties it first."""
    with start("empty") as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: Process, settings: Settings) -> Process:
    """The sandbox, with its settings reset, and the site's addresses set to it; calls are not spaced."""
    settings.TOGGL_URL = sandbox_process.toggl_url
    settings.BILLIT_API_URL = sandbox_process.billit_url
    settings.TOGGL_REQUESTS_PER_SECOND = 0
    settings.BILLIT_REQUESTS_PER_SECOND = 0
    sandbox_process.control.load("empty")
    return sandbox_process


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands at NOW."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def queue() -> Iterator[Queue]:
    """A broker in memory, empty before and after."""
    with broker("memory://"):
        queue = Queue()
        queue.waiting()
        yield queue
        queue.waiting()


@pytest.fixture
def log() -> Iterator[Log]:
    """The lines of the log from here on."""
    with Log() as kept:
        yield kept


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    answer: Any
    words: str


@pytest.fixture
def command() -> Callable[..., Outcome]:
    """Runs a command of design section 10 as a person would; standard output must be one JSON object or nothing."""

    def run(name: str, *arguments: str) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command(name, *arguments, stdout=out, stderr=err)
        except SystemExit as end:
            code = int(end.code or 0)
        text = out.getvalue()
        return Outcome(code, json.loads(text) if text.strip() else None, err.getvalue())

    return run


@pytest.fixture
def onboard(sandbox: Process, command: Callable[..., Outcome], tmp_path: Path, db: None) -> Callable[..., Firm]:
    """Loads a world into the sandbox and onboards its firm; returns the firm."""

    def load(world: str | dict[str, Any] = "demo", **options: Any) -> Firm:
        onboarding = sandbox.control.load(world, **options)
        file = tmp_path / "firm.toml"
        file.write_text(onboarding, encoding="utf-8")
        done = command("onboard", str(file))
        assert done.code == 0, done.words
        return Firm.objects.get(slug=done.answer["firm"])

    return load
