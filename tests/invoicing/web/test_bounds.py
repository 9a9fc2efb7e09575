"""Pages stay small and ask little of the database, however many dossiers and hours a firm has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invoicing.attention import causes
from invoicing.models import LedgerRow
from tests.factories import FirmFactory
from tests.invoicing.web import many
from tests.visitors import Tab, signed_in, text

pytestmark = pytest.mark.django_db
MOST_QUERIES = 25
MOST_BYTES = 150_000


def _asked(client: Tab, path: str) -> tuple[int, int]:
    """How many queries a page takes, and how many bytes it has."""
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)
    assert answer.status_code == 200
    return len(asked), len(answer.content)


def _pages() -> dict[str, Callable[[], str]]:
    return {
        "home": lambda: "/",
        "attention": lambda: "/attention/",
        "its last page": lambda: "/attention/?page=1000",
        "one reason": lambda: "/attention/?reason=unknown_tag",
        "one decision": _decision,
    }


def _decision() -> str:
    found = causes.decisions(LedgerRow.objects.filter(reason="no_vat"))[0]
    return f"/dossiers/{found.dossier.key}/attention/{found.name}/?q=number"


@pytest.mark.parametrize("name", _pages())
def test_page_takes_no_more_queries_for_three_hundred_rows_than_for_one(name: str) -> None:
    firm = FirmFactory(slug="ours")
    rows = many.dossiers(firm, 3)
    many.waiting(rows[:1], 5)
    client: Any = signed_in(firm)
    few, _bytes = _asked(client, _pages()[name]())
    LedgerRow.objects.all().delete()
    many.waiting(rows[1:], 150)
    lots, _bytes = _asked(client, _pages()[name]())
    assert lots <= MOST_QUERIES
    assert lots <= few + 1


_LISTS = (
    *("/hours/", "/invoices/", "/corrections/", "/charts/", "/connections/", "/members/", "/running/"),
    *("/wip/", "/wip/?by=dossier", "/realisation/", "/budgets/"),
)


@pytest.mark.slow
def test_pages_stay_small_with_five_hundred_dossiers() -> None:
    firm = FirmFactory(slug="ours")
    rows = many.dossiers(firm, 500)
    many.waiting(rows, 10)
    many.billing(rows)
    client: Any = signed_in(firm)
    lists: dict[str, Callable[[], str]] = {path: lambda path=path: path for path in _LISTS}  # type: ignore[misc]  # mypy infers no lambda with a default
    for name, page in (_pages() | lists).items():
        queries, size = _asked(client, page())
        assert (size <= MOST_BYTES, queries <= MOST_QUERIES) == (True, True), (name, size, queries)
    words = text(client, "/attention/")
    assert "3,000 decisions" in words
    assert "4,000.00 h in 4,000 entries cannot be billed until you decide" in words
