"""One parameter for many values, on either database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Entry
from invoicing.models import LedgerRow
from tests.factories import NOW, EntryFactory, LedgerRowFactory
from toggbill.database.lookups import NumberByKey

pytestmark = pytest.mark.django_db


def test_one_of_finds_what_in_finds() -> None:
    row = LedgerRowFactory()
    other = EntryFactory(workspace=row.entry.workspace, started_at=NOW - timedelta(days=3))
    ids = [row.entry_id, other.pk, 999_999]
    assert set(Entry.objects.filter(pk__one_of=ids)) == {row.entry, other}
    assert list(Entry.objects.filter(pk__one_of=[])) == []
    assert list(Entry.objects.filter(started_at__one_of={other.started_at})) == [other]
    assert list(Entry.objects.exclude(pk__one_of=[row.entry_id])) == [other]
    assert list(LedgerRow.objects.filter(entry__pk__one_of=ids)) == [row]


@pytest.mark.postgresql
def test_one_of_sends_a_single_array_and_joins_nothing() -> None:
    with CaptureQueriesContext(connection) as queries:
        list(LedgerRow.objects.filter(entry__pk__one_of=[7, 8]).values_list("pk"))
    (query,) = queries
    _, _, condition = query["sql"].partition(" WHERE ")
    assert condition.startswith('"invoicing_ledgerrow"."entry_id" = ANY(CAST(\'{7,8}\' AS bigint[]))')
    assert "JOIN" not in query["sql"]


def test_each_row_gets_the_number_of_its_key() -> None:
    first, second, third = LedgerRowFactory(), LedgerRowFactory(), LedgerRowFactory()
    most = 2**63 - 1
    numbers = NumberByKey({first.pk: 7, third.pk: most, 999_999: 1})
    found = LedgerRow.objects.annotate(number=numbers).order_by("pk").values_list("pk", "number")
    assert list(found) == [(first.pk, 7), (second.pk, None), (third.pk, most)]
    assert LedgerRow.objects.filter(pk__in=[first.pk, second.pk]).update(
        seconds=NumberByKey({first.pk: 61, second.pk: 62})
    )
    assert [LedgerRow.objects.get(pk=row.pk).seconds for row in (first, second)] == [61, 62]
