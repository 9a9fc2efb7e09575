"""What the database refuses of the tags that toggbill writes back into Toggl."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import WriteBack
from tests.factories import NOW, EntryFactory, WriteBackFactory
from tests.invoicing.refusing import refuses

pytestmark = pytest.mark.django_db


@refuses(WriteBack, "entry")
def test_second_row_of_an_entry() -> None:
    first = WriteBackFactory()
    WriteBackFactory(dossier=first.dossier, entry=first.entry)


@refuses(WriteBack, "write_back_due_while_it_differs")
def test_tag_that_nobody_will_ask_for() -> None:
    WriteBack.objects.filter(pk=WriteBackFactory().pk).update(due_at=None)


@refuses(WriteBack, "write_back_doubt_has_a_tag")
def test_question_of_which_the_row_is_sure() -> None:
    WriteBack.objects.filter(pk=WriteBackFactory().pk).update(lease_until=NOW + timedelta(minutes=5))


@refuses(WriteBack, "write_back_failure_is_tried_again")
def test_refusal_without_a_try() -> None:
    WriteBack.objects.filter(pk=WriteBackFactory().pk).update(failure="refused")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("written = wanted", "write_back_due_while_it_differs"),
        ("is_sure = (1 = 0)", "write_back_doubt_has_a_tag"),
        ("failure = 'locked', tries = 1", "write_back_failure_is_tried_again"),
        ("said = 'Time entry is locked'", "write_back_failure_is_tried_again"),
        ("tries = 1", "write_back_failure_is_tried_again"),
    ],
)
def test_raw_changes_that_contradict_each_other(change: str, constraint: str) -> None:
    row = WriteBackFactory()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE invoicing_writeback SET {change} WHERE id = %s", [row.pk])


def test_entry_of_another_firm() -> None:
    with pytest.raises(IntegrityError, match="firm"), transaction.atomic():
        WriteBackFactory(entry=EntryFactory())
