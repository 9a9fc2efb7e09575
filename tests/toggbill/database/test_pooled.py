"""Behind a pooler a page's limits hold in each transaction, and none is left for who has the session next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.factories import FirmFactory
from tests.toggbill.database.pooler import pooler
from toggbill.database import limits
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
LIMITS = ("1500ms", "20s")


@pytest.fixture(scope="module")
def port(django_db_setup: None) -> Iterator[int]:
    """Of PgBouncer, before the tests' PostgreSQL."""
    database = connections.settings["default"]
    with pooler(host=database["HOST"], port=int(database["PORT"]), user=database["USER"]) as own:
        yield own


@pytest.fixture(autouse=True)
def pooled(settings: Settings, port: int) -> Iterator[None]:
    """The connection of a page's process through the pooler."""
    settings.WEB_LOCK_TIMEOUT_SECONDS, settings.WEB_STATEMENT_TIMEOUT_SECONDS = 1.5, 20.0
    settings.DATABASE_POOLED = True
    database = connections.settings["default"]
    before, options = dict(database), dict(database.setdefault("OPTIONS", {}))
    connection.close()
    database.update(HOST="127.0.0.1", PORT=port, DISABLE_SERVER_SIDE_CURSORS=True)
    try:
        limits.limit_pages()
        yield
    finally:
        connection.close()
        database.update(before)
        database["OPTIONS"].clear()
        database["OPTIONS"].update(options)


@pytest.fixture
def directly() -> dict[str, Any]:
    """What leads to PostgreSQL itself."""
    database = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])
    return database | {"dbname": connections.settings["default"]["NAME"]}


def shown() -> tuple[str, str]:
    """By statements of their own."""
    with connection.cursor() as cursor:
        found = []
        for name in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SHOW {name}")
            found.append(str(cursor.fetchone()[0]))
            assert cursor.fetchone() is None
        return found[0], found[1]


def left_over() -> tuple[bytes, ...]:
    """What the session itself has, past our cursors: what the pooler gives to the next one."""
    connection.ensure_connection()
    session = connection.connection.pgconn
    return tuple(session.exec_(b"SHOW " + name).get_value(0, 0) for name in (b"lock_timeout", b"statement_timeout"))


def test_options_of_a_session_are_what_the_pooler_refuses(settings: Settings) -> None:
    """Why there is the switch."""
    settings.DATABASE_POOLED = False
    limits.limit_pages()
    with pytest.raises(OperationalError, match="unsupported startup parameter"):
        connection.ensure_connection()


def test_each_statement_and_each_transaction_has_the_limits_and_leaves_none() -> None:
    assert (shown(), left_over()) == (LIMITS, (b"0", b"0"))
    with transaction.atomic():
        assert shown() == LIMITS
        with transaction.atomic():
            assert shown() == LIMITS
    assert left_over() == (b"0", b"0")
    with transaction.atomic():
        limits.wait_for_locks()
        assert shown() == ("0", LIMITS[1])
    assert (shown(), left_over()) == (LIMITS, (b"0", b"0"))


def test_a_statement_gives_what_it_gives_without_them() -> None:
    firm = FirmFactory(name="100 % Compta")
    assert Firm.objects.filter(pk=firm.pk, name="100 % Compta").update(name="50 % Compta") == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, %s::int FROM firms_firm WHERE id = %s", [7, firm.pk])
        assert [column.name for column in cursor.description] == ["name", "int4"]
        assert (cursor.rowcount, cursor.fetchall()) == (1, [("50 % Compta", 7)])
        cursor.execute("DELETE FROM firms_firm WHERE id = 0")
        assert (cursor.rowcount, cursor.description) == (0, None)
        cursor.execute("SELECT '%'")
        assert cursor.fetchone() == ("%",)
    for _ in range(3):
        FirmFactory()
    assert len(list(Firm.objects.order_by("pk").iterator(chunk_size=2))) == 4


def test_isolation_can_still_be_chosen() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)


@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_statement_that_takes_too_long_is_ended(settings: Settings, is_atomic: bool) -> None:
    settings.WEB_STATEMENT_TIMEOUT_SECONDS = 0.1
    limits.limit_pages()
    connection.close()
    together = transaction.atomic() if is_atomic else nullcontext()
    with pytest.raises(OperationalError) as met, together, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")
    assert limits.took_too_long(met.value)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_row_that_somebody_holds_is_not_waited_for(settings: Settings, directly: dict[str, Any]) -> None:
    settings.WEB_LOCK_TIMEOUT_SECONDS = 0.1
    limits.limit_pages()
    connection.close()
    firm = FirmFactory()
    # Not through the pooler, which has one connection.
    with psycopg.connect(**directly) as somebody:
        somebody.execute("SELECT 1 FROM firms_firm WHERE id = %s FOR UPDATE", [firm.pk])
        with pytest.raises(OperationalError) as met:
            Firm.objects.filter(pk=firm.pk).update(name="Another")
        assert limits.is_locked(met.value)
        with pytest.raises(OperationalError) as met, transaction.atomic():
            lock_firm(firm)
        assert limits.is_locked(met.value)


def test_a_page_is_answered(client: Client) -> None:
    assert client.get(reverse("account_login")).status_code == 200
    assert left_over() == (b"0", b"0")
