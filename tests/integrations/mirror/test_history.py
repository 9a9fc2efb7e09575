"""Years of hours: read span by span, and taken up where an ended process or a used-up quota left off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from integrations.clients import toggl
from integrations.mirror import writing
from integrations.models import Entry, Workspace
from tests.integrations.mirrored import REPORT, Mirror
from tests.visitors import signed_in
from tests.worlds import FIRST_ENTRY, ORGANIZATION, entry
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
BEGIN = date(2023, 10, 2)
DAYS = (date(2026, 11, 19) - BEGIN).days + 1


class Ended(BaseException):
    """The process ends here, as by SIGKILL."""


def _years() -> list[dict[str, Any]]:
    """Three entries on each day of three years and some weeks."""
    return [
        entry(3 * day + of_day, (BEGIN + timedelta(days=day)).isoformat(), seconds=60)
        for day in range(DAYS)
        for of_day in range(3)
    ]


@pytest.fixture
def years(mirror: Callable[..., Mirror]) -> Mirror:
    found = mirror(entries=_years(), start=BEGIN.isoformat())
    assert found.workspace.read_from == BEGIN
    return found


def _spans(years: Mirror) -> list[tuple[str, str]]:
    """The first and last day of each page of the report that was asked for."""
    asked = [row for row in years.sandbox.control.log("toggl") if row["path"] == REPORT]
    bodies = [row["body"] if isinstance(row["body"], dict) else json.loads(row["body"]) for row in asked]
    return [(body["start_date"], body["end_date"]) for body in bodies]


def test_years_are_read_in_spans_of_at_most_366_days(years: Mirror) -> None:
    done = years.read()
    assert (done.created, done.deleted) == (3 * DAYS, 0)
    spans = sorted(set(_spans(years)))
    assert spans[0][0] == "2023-10-01"
    assert spans[-1][1] == "2026-11-21"
    lengths = [(date.fromisoformat(end) - date.fromisoformat(start)).days + 1 for start, end in spans]
    assert (lengths[:-1], max(lengths)) == ([366] * 3, 366)
    for (_, end), (start, _) in pairwise(spans):
        assert date.fromisoformat(start) == date.fromisoformat(end) + timedelta(days=1)


def test_first_reading_goes_on_after_the_quota_slept(years: Mirror) -> None:
    control = years.sandbox.control
    control.quota(ORGANIZATION, remaining=4, resets_in=1200)  # clients, projects, and the two pages of the first span
    done = years.read()
    assert (done.seen, done.deferred_until) == (3 * 365, timezone.now() + timedelta(seconds=1200))
    workspace = years.workspace
    assert (workspace.synced_at, workspace.reread_at, workspace.cursor_at) == (None, None, None)
    # The latest that came is of 30 September: what is a day before is whole in every zone.
    assert workspace.history_through == date(2024, 9, 29)
    page = signed_in(Firm.objects.get()).get("/connections/toggl/main/").content.decode()
    assert "history read up to 29 Sep 2024" in " ".join(page.split())
    control.clear_log()
    years.later(seconds=1200)
    again = years.read()
    assert _spans(years)[0] == ("2024-09-28", "2025-09-28")
    assert again.created == 3 * DAYS - done.created
    assert again.deleted == 0
    assert Entry.objects.count() == 3 * DAYS
    workspace = years.workspace
    assert workspace.reread_at == workspace.synced_at == timezone.now()
    assert (workspace.whole_from, workspace.whole_began_at, workspace.whole_through) == (None, None, None)


def test_reading_goes_on_after_its_process_was_ended(years: Mirror) -> None:
    write, pages = writing.entries, list[int]()

    def ended_at_the_third(**given: Any) -> None:
        if len(pages) == 2:
            raise Ended
        pages.append(len(given["read"]))
        write(**given)

    with patch.object(writing, "entries", ended_at_the_third), pytest.raises(Ended):
        years.read()
    years.sandbox.control.clear_log()
    years.later(minutes=20)
    years.read()
    assert _spans(years)[0][0] == "2024-09-28", "from a day before what was complete"
    assert Entry.objects.count() == 3 * DAYS


def test_what_changed_behind_a_reading_that_slept_is_read_next(years: Mirror) -> None:
    control = years.sandbox.control
    control.quota(ORGANIZATION, remaining=7, resets_in=1200)  # two spans, and the first page of the third
    years.read()
    day = date(2026, 1, 5)
    assert day < (years.workspace.history_through or BEGIN)
    behind, last = 3 * (day - BEGIN).days, 3 * DAYS - 1
    years.later(seconds=600)
    control.put_entries(entry(behind, day.isoformat(), seconds=120, at=_as_toggl_writes(timezone.now())))
    years.later(seconds=600)
    control.put_entries(entry(last, "2026-11-19", seconds=180, at=_as_toggl_writes(timezone.now())))
    years.read()
    assert (years.row(behind).seconds, years.row(last).seconds) == (60, 180)
    years.later(minutes=15)
    years.read()
    assert (years.row(behind).seconds, years.row(last).seconds) == (120, 180)


def _as_toggl_writes(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.slow
def test_what_is_gone_is_found_in_each_part_and_nothing_else(years: Mirror) -> None:
    years.read()
    control = years.sandbox.control
    gone = [FIRST_ENTRY, FIRST_ENTRY + 1500, FIRST_ENTRY + 3 * DAYS - 1]
    control.delete_entries(*gone)
    years.later(hours=25)
    control.quota(ORGANIZATION, remaining=4, resets_in=1200)
    first = years.read()
    assert first.deferred_until is not None
    years.later(seconds=1200)
    second = years.read()
    assert (first.deleted, second.deleted) == (1, 2)
    deleted = Entry.objects.filter(deleted_at__isnull=False).order_by("remote_id")
    assert list(deleted.values_list("remote_id", flat=True)) == gone


def test_books_that_begin_earlier_meanwhile_are_read_from_there(years: Mirror) -> None:
    control = years.sandbox.control
    control.quota(ORGANIZATION, remaining=4, resets_in=1200)
    years.read()
    Workspace.objects.update(read_from=BEGIN - timedelta(days=30))
    control.clear_log()
    years.later(seconds=1200)
    years.read()
    assert _spans(years)[0][0] == (BEGIN - timedelta(days=31)).isoformat()


def test_answer_that_is_in_no_order_is_read_to_its_end(years: Mirror) -> None:
    with patch.object(toggl.Api, "entries", _backwards(toggl.Api.entries)):
        done = years.read()
    assert (done.created, done.deleted) == (3 * DAYS, 0)
    assert Entry.objects.present().count() == 3 * DAYS


def _backwards(ask: Callable[..., Iterator[toggl.Page]]) -> Callable[..., Iterator[toggl.Page]]:
    def turned(api: toggl.Api, workspace_id: int, **asked: Any) -> Iterator[toggl.Page]:
        pages = list(ask(api, workspace_id, **asked))
        yield from (toggl.Page(page.entries, last=page is pages[0]) for page in reversed(pages))

    return turned
