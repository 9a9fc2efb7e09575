"""Whatever is asked, no address fails: 2,000 requests drawn over the whole URL conf, by everybody, reading and writing.

The draws are the same each time. Draw others, or more of them, with

    NEVER_500_SEED=7 NEVER_500_REQUESTS=2000 make test ARGS="tests/test_never_500.py"

A failure names the request; what the same seed draws before it does not matter, since what a request changes is undone.
"""

from __future__ import annotations

import logging
import os
import random
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.test import Client

from tests.drawing import addresses, forms
from tests.drawing.requests import Drawer, Request
from tests.test_every_url import VISITORS, Scene, scene  # noqa: F401 - a fixture
from tests.visitors import Served, content_of
from toggbill.firms.models import Firm, FirmOwned, User

SEED = os.environ.get("NEVER_500_SEED", "1")
REQUESTS = int(os.environ.get("NEVER_500_REQUESTS", "2000")) // len(VISITORS)
# The first waits for its broker, which this test does not have.
MAY_SAY_503 = {"/readyz"}


class Loud(logging.Handler):
    """Keeps what was logged as an error; refusals of what is suspicious are meant to be there."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("django.security"):
            self.records.append(f"{record.name}: {record.getMessage()[:300]}")


class Foreign:
    """The rows of other firms than the visitor's own. ``changed``: the tables of those that a request changed."""

    def __init__(self, own: Firm | None, account: int | None) -> None:
        self.models: dict[str, type[models.Model]] = {
            model._meta.db_table: model for model in apps.get_models() if issubclass(model, FirmOwned | Firm | User)
        }
        self.own, self.account = own, account
        self.before = {table: self._rows(table) for table in self.models}
        self.written: set[str] = set()

    def _rows(self, table: str) -> list[Any]:
        model = self.models[table]
        rows = model._default_manager.order_by("pk")
        if issubclass(model, FirmOwned):
            rows = rows.exclude(firm=self.own)
        elif issubclass(model, Firm):
            rows = rows.exclude(pk=self.own and self.own.pk)
        else:
            rows = rows.exclude(memberships__firm=self.own).exclude(pk=self.account)
        return list(rows.values_list())

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = re.match(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"', sql)
        if found:
            self.written.add(found[1])
        return execute(sql, params, many, context)

    def changed(self) -> list[str]:
        tables, self.written = sorted(self.written & set(self.models)), set()
        return [table for table in tables if self._rows(table) != self.before[table]]


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Visit:
    """A visitor's requests, one after the other; what goes wrong is gathered."""

    def __init__(self, client: Client, foreign: Foreign | None, loud: Loud) -> None:
        self.client, self.foreign, self.loud = client, foreign, loud
        self.asked = 0
        self.wrong: list[str] = []

    def ask(self, request: Request) -> str:
        """The page that answers, "" where there is none."""
        browser = Served(raise_request_exception=True)
        browser.cookies.update(self.client.cookies)
        self.asked += 1
        self.loud.records.clear()
        page = ""
        with undone():
            try:
                answer = browser.generic(request.method, request.path, request.body, request.content_type)
                page = self._read(request, answer)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-6:]
                steps = "".join(
                    f"\n      {step.filename.rpartition('site-packages/')[2]}:{step.lineno} {step.name}"
                    for step in where
                )
                self._note(request, f"{type(error).__name__}: {str(error)[:300]}{steps}")
            else:
                if self.foreign is not None and (changed := self.foreign.changed()):
                    self._note(request, f"changed rows of another firm: {', '.join(changed)}")
        for line in self.loud.records:
            if not any(path in line for path in MAY_SAY_503):
                self._note(request, f"logged {line}")
        return page

    def _read(self, request: Request, answer: Any) -> str:
        if answer.status_code >= 500 and request.path.partition("?")[0] not in MAY_SAY_503:
            self._note(request, f"answered {answer.status_code}")
        if answer.streaming:
            content_of(answer)
            return ""
        is_page = answer.status_code == 200 and answer.headers.get("Content-Type", "").startswith("text/html")
        return answer.content.decode() if is_page else ""

    def _note(self, request: Request, what: str) -> None:
        self.wrong.append(f"{request}\n    {what}")


@pytest.mark.slow
@pytest.mark.parametrize("visitor", VISITORS)
def test_no_request_makes_the_site_fail(visitor: str, scene: Scene) -> None:  # noqa: F811 - the fixture that is imported above
    draw = random.Random(f"{SEED}:{visitor}")
    client = scene.clients[visitor]
    account = client.session.get("_auth_user_id")
    own = Firm.objects.get(slug="theirs" if visitor == "outsider" else "ours")
    # The operator may change the rows of every firm.
    foreign = None if visitor == "superuser" else Foreign(own, int(account) if account else None)
    loud = Loud()
    logging.getLogger().addHandler(loud)
    logging.getLogger("django").addHandler(loud)
    visit = Visit(client, foreign, loud)
    drawer = Drawer(addresses.Pool(scene.token), draw)
    try:
        with connection.execute_wrapper(foreign or (lambda execute, *rest: execute(*rest))):
            _go_round(visit, drawer, draw)
    finally:
        logging.getLogger().removeHandler(loud)
        logging.getLogger("django").removeHandler(loud)
    assert visit.asked >= REQUESTS
    assert not visit.wrong, f"{visitor}, seed {SEED}: {len(visit.wrong)} of {visit.asked}\n\n" + "\n\n".join(
        visit.wrong
    )


def _go_round(visit: Visit, drawer: Drawer, draw: random.Random) -> None:
    """Every pattern in turn, in an order of its own each time round; the forms of a page that opens are sent, too."""
    waiting: list[addresses.Pattern] = []
    while visit.asked < REQUESTS:
        if not waiting:
            waiting = addresses.patterns()
            draw.shuffle(waiting)
        pattern = waiting.pop()
        if draw.random() < 0.25:
            visit.ask(drawer.writing(pattern))
            continue
        request = drawer.reading(pattern)
        page = visit.ask(request)
        found, links = forms.read(page)
        drawer.see(found, links)
        for form in draw.sample(found, min(len(found), 2)):
            visit.ask(drawer.sending(form, request.path))
