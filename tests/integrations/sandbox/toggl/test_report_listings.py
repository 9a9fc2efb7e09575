"""A report is sorted once for all its pages, yet every change at Toggl is in the next page."""

import resource
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.sandbox.process import start
from integrations.sandbox.remote import Remote
from integrations.sandbox.toggl.listings import Listings
from tests.integrations.sandbox.scene import ENTRY, MEMBER, Toggl

DAYS = {"start_date": "2026-10-12", "end_date": "2026-10-15"}


def ids(toggl: Toggl, **asked: Any) -> list[int]:
    rows = toggl.search(**{**DAYS, **asked}).json()
    return [row["time_entries"][0]["id"] - ENTRY for row in rows]


def test_changes_between_two_pages_are_seen(toggl: Toggl, control: Remote) -> None:
    assert ids(toggl, page_size=2) == [0, 1]
    control.put_entries({"id": ENTRY + 3, "start": "2026-10-13T07:00:00Z"})
    assert ids(toggl) == [0, 3, 1, 2, 4]
    control.delete_entries(ENTRY + 1)
    assert ids(toggl) == [0, 3, 2, 4]
    control.put_entries({"workspace_id": 4001, "user_id": 9001, "start": "2026-10-15T09:30:00Z", "stop": None})
    assert ids(toggl) == [0, 3, 2, 4, 5]
    control.switch(toggl_running_in_reports=False)
    assert ids(toggl) == [0, 3, 2]


def test_what_a_client_writes_is_seen(toggl: Toggl) -> None:
    assert ids(toggl, order_by="description") == [0, 1, 2, 3, 4]
    auth = ("a" * 32, "api_token")
    url = f"{toggl.url}/api/v9/workspaces/4001/time_entries/{ENTRY}"
    toggl.session.put(url, json={"description": "Zymurgy"}, auth=auth, timeout=5).raise_for_status()
    assert ids(toggl, order_by="description") == [1, 2, 3, 4, 0]
    toggl.session.delete(url, auth=auth, timeout=5).raise_for_status()
    assert ids(toggl, order_by="description") == [1, 2, 3, 4]


def test_each_person_has_his_own_listing(toggl: Toggl, control: Remote) -> None:
    assert ids(toggl) == [0, 1, 2, 3, 4]
    assert ids(toggl, token=MEMBER) == [2, 3]
    control.put_toggl("projects", {"id": 601, "is_private": False})
    assert ids(toggl, token=MEMBER) == [0, 1, 2, 3]


def test_a_cursor_whose_row_has_moved_still_begins_there(toggl: Toggl, control: Remote) -> None:
    control.put_entries({"workspace_id": 4001, "user_id": 9001, "start": "2026-10-13T00:00:00Z", "stop": None})
    assert ids(toggl, first_id=ENTRY + 2, first_row_number=3) == [2, 3, 4]
    assert ids(toggl, first_id=1, first_row_number=3) == [1, 2, 3, 4]


def test_only_the_last_few_listings_are_kept() -> None:
    listings: Listings[list[int]] = Listings()
    drawn: list[int] = []

    def get(number: int) -> list[int]:
        def draw() -> list[int]:
            drawn.append(number)
            return [number]

        return listings.get(number, draw)

    for number in (1, 2, 3, 4, 1, 5, 1, 2):
        assert get(number) == [number]
    # The second went when the fifth came, for the first had been asked for again.
    assert drawn == [1, 2, 3, 4, 5, 2]
    listings.forget()
    get(1)
    assert drawn[-1] == 1


@pytest.mark.slow
def test_300_pages_of_a_thousand_rows_take_less_than_a_minute_of_one_core() -> None:
    # The hours of the world lie in the last three months before today.
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=120), today + timedelta(days=1)
    asked: dict[str, Any] = {"start_date": first.isoformat(), "end_date": last.isoformat(), "page_size": 1000}
    before = _seconds_of_ended_processes()
    with start("bench:30000:100") as process:
        toggl, rows = Toggl(process), 0
        cursor: dict[str, Any] = {}
        while True:
            answer = toggl.search(token="0123456789abcdef0123456789abcdef", **asked, **cursor)
            rows += len(answer.json())
            if "X-Next-ID" not in answer.headers:
                break
            cursor = {
                "first_id": int(answer.headers["X-Next-ID"]),
                "first_row_number": int(answer.headers["X-Next-Row-Number"]),
            }
        toggl.session.close()
    assert rows == 30_000
    # Thirty pages and the start, in the core's own seconds, which a busy machine does not stretch.
    assert _seconds_of_ended_processes() - before < 6


def _seconds_of_ended_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
