"""A long list of hours is had at once, to be printed: within a bound that is said, and without what is decided on."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import Dossier
from invoicing.web.hours import lists
from tests.factories import DossierFactory, FirmFactory
from tests.invoicing.web import many
from tests.visitors import signed_in, words
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
PAGE = "/dossiers/bakery/hours/"
ROWS = 60


@pytest.fixture
def client() -> Client:
    firm: Firm = FirmFactory(slug="ours", language="en")
    dossier: Dossier = DossierFactory(firm=firm, key="bakery", name="Bakery")
    many.waiting([dossier], ROWS)
    return signed_in(firm, "bookkeeper")


def rows_of(page: bytes) -> int:
    return len(re.findall(r'<td class="when">', page.decode()))


def test_all_rows_are_had_at_once_and_nothing_is_decided_on_them(client: Client) -> None:
    first = client.get(f"{PAGE}?state=attention")
    assert rows_of(first.content) == 50
    assert f"All {ROWS} rows at once, to print them" in words(first.content)
    (link,) = re.findall(r'href="(\?[^"]*rows=all)"', first.content.decode())
    with CaptureQueriesContext(connection) as queries:
        whole = client.get(PAGE + link.replace("&amp;", "&"))
    assert len(queries) <= 25
    assert rows_of(whole.content) == ROWS
    assert f"{ROWS} rows at once, to be printed." in words(whole.content)
    assert 'name="entry"' in first.content.decode()
    assert 'name="entry"' not in whole.content.decode()


def test_bound_is_said_and_pages_go_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_AT_ONCE", 40)
    first = client.get(PAGE)
    assert "The first 40 rows at once, to print them; narrow the list for the others" in words(first.content)
    whole = client.get(f"{PAGE}?rows=all")
    assert rows_of(whole.content) == 40
    assert f"Rows 1 to 40 of {ROWS}" in words(whole.content)
    assert "rows=all&amp;page=2" in whole.content.decode()
    assert rows_of(client.get(f"{PAGE}?rows=all&page=2").content) == 20


def test_other_words_and_short_lists_are_in_pages(client: Client) -> None:
    assert rows_of(client.get(f"{PAGE}?rows=everything").content) == 50
    assert b"rows=all" not in client.get(f"{PAGE}?q=Nothing+of+that").content
