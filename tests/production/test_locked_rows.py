"""A page that meets a row that somebody else holds says so, in the reader's language, and has changed nothing."""

from __future__ import annotations

import threading
import time

import pytest
from psycopg import sql

from tests.production.addresses import Filler
from tests.production.site import Site

pytestmark = pytest.mark.slow

STATUS = sql.SQL("SELECT status FROM invoicing_invoice WHERE reference = %s")
EVENTS = sql.SQL("SELECT count(*) FROM firms_auditevent WHERE subject = %s")
LOCK = "SELECT 1 FROM invoicing_invoice WHERE reference = %s FOR UPDATE"
WORDS = {
    "en": "Somebody else is working on this",
    "fr": "Quelqu’un d’autre y travaille",
    "nl": "Iemand anders is hiermee bezig",
}


def test_click_on_a_locked_invoice_says_that_somebody_is_at_it_and_changes_nothing(site: Site, draft: str) -> None:
    page, step = (Filler(site).path(name, reference=draft, step="approve") for name in ("invoice", "step"))
    owner = site.owner()
    fields = owner.form(page, step)
    events = site.one(EVENTS, f"invoice {draft}")
    with site.rows() as somebody:
        somebody.execute(LOCK, [draft])
        for language, words in WORDS.items():
            owner.cookies["django_language"] = language
            begun = time.monotonic()
            answer = owner.post(step, fields)
            assert time.monotonic() - begun < 5
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert words in answer.text
            assert f'lang="{language}"' in answer.text
        assert owner.get(page).status == 200  # reading waits for nobody
    assert site.one(STATUS, draft) == "draft"
    assert site.one(EVENTS, f"invoice {draft}") == events

    assert owner.post(step, fields).status == 302
    assert site.one(STATUS, draft) == "approved"


def test_site_answers_while_many_click_on_a_locked_invoice(site: Site, draft: str) -> None:
    page, step = (Filler(site).path(name, reference=draft, step="approve") for name in ("invoice", "step"))
    owner = site.owner()
    fields = owner.form(page, step)
    met: list[int] = []
    with site.rows() as somebody:
        somebody.execute(LOCK, [draft])
        clicks = [threading.Thread(target=lambda: met.append(owner.post(step, fields).status)) for _ in range(20)]
        for click in clicks:
            click.start()
        begun = time.monotonic()
        assert site.visitor().get("/healthz", seconds=15).status == 200
        assert time.monotonic() - begun < 8
        for click in clicks:
            click.join(30)
    assert met == [503] * 20
    assert site.one(STATUS, draft) == "draft"


def test_workers_wait_as_long_as_it_takes(site: Site) -> None:
    """What Billit has answered has to be written down, whoever holds the row."""
    shown = site.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from django.db import connection as c; k = c.cursor(); k.execute('SHOW lock_timeout'); print(k.fetchone()[0])",
    )
    assert shown.strip() == "0"
