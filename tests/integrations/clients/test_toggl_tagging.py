"""How the Toggl client gives entries a tag and takes it away, many at once."""

from __future__ import annotations

import json

import pytest

from integrations.clients.http.transport import RetryLater
from integrations.clients.toggl import Tagged
from tests.integrations.answers import Server, as_json
from tests.integrations.asking_toggl import make

LINE = "PATCH /api/v9/workspaces/4001/time_entries/7,8,9"


@pytest.mark.parametrize(("takes_away", "op"), [(False, "add"), (True, "remove")])
def test_each_entry_is_done_or_refused_for_itself(server: Server, takes_away: bool, op: str) -> None:
    failure = [{"id": 8, "message": " Time entry is locked "}, {"id": 5, "message": "not ours"}]
    server.will_answer(as_json({"success": [7, 6], "failure": failure}))
    found = make(server).tag_entries(4001, [7, 8, 9], tag="facturé", takes_away=takes_away)
    # Of 9 the answer says nothing; what was not asked for is left out.
    assert found == Tagged(frozenset({7}), {8: "Time entry is locked"})
    assert server.lines == [LINE]
    assert json.loads(server.asked[0].body) == [{"op": op, "path": "/tags", "value": ["facturé"]}]


def test_empty_lists_may_be_null(server: Server) -> None:
    server.will_answer(as_json({"success": [7], "failure": None}))
    assert make(server).tag_entries(4001, [7], tag="facturé") == Tagged(frozenset({7}), {})


@pytest.mark.parametrize("body", [[], {"success": ["7"]}, {"failure": [{"message": "no id"}]}])
def test_an_answer_that_cannot_be_read_is_asked_for_again(server: Server, body: object) -> None:
    server.will_answer(as_json(body))
    with pytest.raises(RetryLater):
        make(server).tag_entries(4001, [7], tag="facturé")


@pytest.mark.parametrize("ids", [[], list(range(101))])
def test_more_than_toggl_takes_is_never_asked(server: Server, ids: list[int]) -> None:
    with pytest.raises(ValueError, match="Toggl takes 1 to 100"):
        make(server).tag_entries(4001, ids, tag="facturé")
    assert server.asked == []
