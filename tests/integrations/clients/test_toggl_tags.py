"""How the Toggl client reads tags, and what it does without their names."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.clients.http.transport import RetryLater
from tests.integrations.answers import Server, as_json
from tests.integrations.asking_toggl import (
    FIRST,
    LAST,
    make,
    report_entry,
    report_row,
    without,
)


@pytest.mark.parametrize("names", [{}, {"tag_names": None}, {"tag_names": ["Advies"]}])
def test_tags_without_their_names_are_looked_up_once(server: Server, names: dict[str, Any]) -> None:
    rows = [without(report_row(entry_id), "tag_names") | names for entry_id in (1, 2)]
    server.will_answer(as_json(rows), as_json([{"id": 5, "name": "Advies"}, {"id": 6, "name": "btw "}]), as_json([]))
    (page,) = make(server).entries(4001, start=FIRST, end=LAST)
    assert page.entries == (report_entry(1), report_entry(2))
    assert server.lines[1:] == [f"GET /api/v9/workspaces/4001/tags?per_page=200&page={page}" for page in (1, 2)]


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        # Of pages whose full size nobody tells, the last one is empty, or brings nothing new.
        ([50, 50, 20, 0], 4),
        ([200, 200, 0], 3),
        ([0], 1),
    ],
)
def test_tags_are_read_page_after_page(server: Server, pages: list[int], asked: int) -> None:
    number, answers = 0, []
    for size in pages:
        answers.append(as_json([{"id": 1 + number + n, "name": f"tag {number + n}"} for n in range(size)] or None))
        number += size
    server.will_answer(*answers)
    assert make(server).tags(4001) == {1 + n: f"tag {n}" for n in range(sum(pages))}
    assert len(server.asked) == asked


def test_tags_of_a_page_whose_size_is_told_end_with_a_short_one(server: Server) -> None:
    first, second = ([{"id": n, "name": f"tag {n}"} for n in numbers] for numbers in (range(1, 51), range(51, 60)))
    server.will_answer(as_json(first, X_Page_Size="50"), as_json(second, X_Page_Size="50"))
    assert len(make(server).tags(4001)) == 59
    assert len(server.asked) == 2


def test_tags_of_a_server_that_knows_no_pages_are_read_once_more_at_most(server: Server) -> None:
    every = [{"id": n, "name": f"tag {n}"} for n in range(1, 302)]
    server.will_answer(as_json(every), as_json(every))
    assert len(make(server).tags(4001)) == 301
    assert len(server.asked) == 2


def test_tag_that_has_no_name_anywhere_is_said_and_nothing_is_taken(server: Server) -> None:
    tags = as_json([{"id": 5, "name": "Advies"}])
    server.will_answer(as_json([without(report_row(1), "tag_names")]), tags, as_json([]))
    with pytest.raises(RetryLater, match="tag 6 has no name"):
        list(make(server).entries(4001, start=FIRST, end=LAST))
