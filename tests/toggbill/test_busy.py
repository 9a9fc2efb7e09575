"""What a visitor reads when the database made the page wait; the rows are really locked (test_locked_rows has HTTP)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import translation
from pytest_django import Settings

from toggbill.database import limits
from toggbill.firms.requests.busy import BusyMiddleware, server_error

WORDS = {
    "en": ("Somebody else is working on this", "This took too long", "Something went wrong here"),
    "fr": ("Quelqu’un d’autre y travaille", "Cela a pris trop de temps", "La page n’a pas pu"),
    "nl": ("Iemand anders is hiermee bezig", "Dit duurde te lang", "De pagina kon niet"),
}


@pytest.fixture(autouse=True)
def plain_names_of_static_files(settings: Settings) -> None:
    settings.WHITENOISE_AUTOREFRESH = True


def _error(statement: str) -> OperationalError:
    with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
        cursor.execute(statement)
    return caught.value


def _page(error: Exception, request: HttpRequest) -> HttpResponse | None:
    return BusyMiddleware(lambda _request: HttpResponse()).process_exception(request, error)


@pytest.fixture
def locked(tmp_path: Path) -> OperationalError:
    """What SQLite says to the second who writes."""
    file = str(tmp_path / "held.sqlite3")
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE thing (x)")
        holder.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(file, timeout=0)) as second, pytest.raises(sqlite3.OperationalError) as caught:
            second.execute("INSERT INTO thing VALUES (1)")
    error = OperationalError(str(caught.value))
    error.__cause__ = caught.value
    return error


@pytest.mark.parametrize("language", list(WORDS))
def test_locked_sqlite_says_that_somebody_is_at_it(language: str, locked: OperationalError) -> None:
    with translation.override(language):
        answer = _page(locked, RequestFactory().post("/invoices/x/approve/"))
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert WORDS[language][0] in answer.content.decode()


@pytest.mark.postgresql  # its limits
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", list(WORDS))
def test_statement_that_takes_too_long_says_so_and_offers_to_try_again(language: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 50")
    try:
        error = _error("SELECT pg_sleep(10)")
    finally:
        connection.close()
    with translation.override(language):
        answer = _page(error, RequestFactory().get("/invoices/?page=2"))
    assert answer is not None
    assert answer.status_code == 503
    assert WORDS[language][1] in answer.content.decode()
    assert 'href="/invoices/?page=2"' in answer.content.decode()


def test_what_fails_outside_of_views_is_told_in_the_same_way(locked: OperationalError) -> None:
    """A session that is locked: Django asks `handler500`."""
    try:
        raise locked
    except OperationalError:
        answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 503
    assert WORDS["en"][0] in answer.content.decode()


def test_other_errors_of_the_database_are_errors() -> None:
    error = OperationalError("the server closed the connection unexpectedly")
    assert _page(error, RequestFactory().get("/")) is None
    assert _page(ValueError(), RequestFactory().get("/")) is None
    try:
        raise error
    except OperationalError:
        answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500
    for words in WORDS.values():
        assert words[2] in answer.content.decode()


@pytest.mark.postgresql  # its limits
@pytest.mark.django_db(transaction=True)
def test_pages_have_limits_that_what_a_service_did_is_not_bound_by(settings: Settings) -> None:
    settings.WEB_LOCK_TIMEOUT_SECONDS, settings.WEB_STATEMENT_TIMEOUT_SECONDS = 1.5, 20.0
    options = connections.settings["default"].setdefault("OPTIONS", {})
    before = dict(options)

    def shown(name: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])

    connection.close()
    try:
        limits.limit_pages()
        assert (shown("lock_timeout"), shown("statement_timeout")) == ("1500ms", "20s")
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            limits.wait_for_locks()
            assert shown("lock_timeout") == "0"
            cursor.execute("ROLLBACK")
        assert shown("lock_timeout") == "1500ms"
    finally:
        options.clear()
        options.update(before)
        connection.close()
