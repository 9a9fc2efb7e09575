"""What Toggl Track says: the read side of Track v9 and Reports v3, as far as billing needs it.

Dictionaries (clients, projects) come from v9, entries of all members from the reports, since v9 gives only one's own.
Every method raises the errors of `transport`; `tag_entries` alone writes at Toggl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NoReturn

from integrations.clients import toggl_rows
from integrations.clients.http.answers import Answer, Row, Unreadable, capped, listed
from integrations.clients.http.failures import Asked, Code, Detail, Message, Purpose
from integrations.clients.http.transport import (
    TIMEOUT,
    BadCredentials,
    Call,
    PlanFeature,
    QuotaExhausted,
    ServiceError,
    Transport,
)
from integrations.clients.toggl_rows import Client, Entry, Me, Project, Workspace

__all__ = [
    "LONGEST_SPAN",
    "TAGGED_AT_ONCE",
    "Api",
    "Client",
    "Entry",
    "Me",
    "Page",
    "Project",
    "Quota",
    "Tagged",
    "Workspace",
]

LONGEST_SPAN = 366
"""Days that one report may cover, first and last included (observed)."""

TAGGED_AT_ONCE = 100
"""Entries that one bulk change may name (Toggl docs: api/time_entries, bulk editing)."""

_TRACK = "/api/v9"
_REPORTS = "/reports/api/v3"
_ROWS_A_PAGE = 200
_ENTRIES_A_PAGE = 1000
_QUOTA_UNKNOWN = 3600.0

# Without these the amounts follow the token owner's own rounding preference (Toggl docs: reports/detailed_reports).
_RAW_SECONDS = {"rounding": 0, "rounding_minutes": 0}


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of an hourly budget; `resets_in` in seconds. The organisation's is per user (Toggl docs: index)."""

    bucket: Literal["user", "organization"]
    remaining: int
    resets_in: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a report; `last` when Toggl announced no further one."""

    entries: tuple[Entry, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Tagged:
    """What came of a bulk change, by the entries' ids: done, or refused, with Toggl's words for why (maybe none).

    Toggl changes each entry for itself. One that stands in neither is one of which nothing is known.
    """

    done: frozenset[int]
    refused: Mapping[int, str]


class Api:
    """One Toggl token. `url` is the host (TOGGL_URL); `observe` learns the quota from every answer that tells it.

    `owners_wait`: asked before a call on the owner's own budget, for how many seconds that lets nothing through; then
    the call is not made, and `QuotaExhausted` is raised. The organisation's budget is asked by whoever reads.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        pace: Callable[[], None] | None = None,
        observe: Callable[[Quota], None] | None = None,
        owners_wait: Callable[[], float | None] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        secret = token.strip()
        self._observe, self._owners_wait = observe, owners_wait
        # Toggl docs: authentication (the password is the literal word api_token).
        self._transport = Transport(
            service="Toggl",
            url=url,
            auth=(secret, "api_token"),
            secret=secret,
            refusal=self._refusal,
            observe=self._seen,
            pace=pace,
            timeout=timeout,
        )

    @property
    def calls(self) -> int:
        """Requests sent so far, repeated ones included."""
        return self._transport.calls

    @property
    def transport(self) -> Transport:
        """What further calls with the same credential go through (`subscriptions`)."""
        return self._transport

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._transport.close()

    def me(self) -> Me:
        """The token's owner. Toggl docs: api/me."""
        purpose = Message(Asked.PROFILE)
        body, _ = self._get("/me", purpose)
        try:
            row = Row(body, what="profile")
            return Me(
                id=row.integer("id"),
                email=row.text("email"),
                fullname=row.text("fullname"),
                timezone=row.text("timezone") or "UTC",
                default_workspace_id=row.integer_or_none("default_workspace_id"),
            )
        except Unreadable as error:
            self._unreadable(purpose, error)

    def workspaces(self) -> list[Workspace]:
        """The workspaces of the token's owner. Toggl docs: api/me (workspaces)."""
        purpose = Message(Asked.WORKSPACES)
        body, _ = self._get("/me/workspaces", purpose)
        try:
            return [toggl_rows.workspace(Row(value, what="workspace")) for value in listed(body, what="list")]
        except Unreadable as error:
            self._unreadable(purpose, error)

    def plans(self) -> dict[int, str]:
        """The plan of each organisation of the owner ("Free", "Starter"...), "" where Toggl does not say.

        Toggl docs: api/me (organizations); the single organisation's own call leaves the plan empty (observed).
        """
        purpose = Message(Asked.ORGANISATIONS)
        body, _ = self._get("/me/organizations", purpose)
        try:
            rows = [Row(value, what="organisation") for value in listed(body, what="list")]
            return {row.integer("id"): row.text("pricing_plan_name") for row in rows}
        except Unreadable as error:
            self._unreadable(purpose, error)

    def clients(self, workspace_id: int) -> list[Client]:
        """All clients, archived ones too. Toggl docs: api/clients (the default is active ones only).

        Page after page, although the documents name no pages for them: a list that fits into one costs one request
        either way, and one that Toggl cuts all the same is read to its end.
        """
        path = f"/workspaces/{workspace_id}/clients?status=both&"
        purpose = Message(Asked.CLIENTS, {"id": workspace_id})
        try:
            return [
                Client(id=row.integer("id"), name=row.text("name"), archived=row.flag("archived") is True)
                for row in self._rows(path, purpose, what="client", largest=_ROWS_A_PAGE)
            ]
        except Unreadable as error:
            self._unreadable(purpose, error)

    def tags(self, workspace_id: int) -> dict[int, str]:
        """The name of each tag by its id, page after page. Toggl docs: api/tags."""
        path, purpose = f"/workspaces/{workspace_id}/tags?", Message(Asked.TAGS, {"id": workspace_id})
        try:
            return {row.integer("id"): row.text("name") for row in self._rows(path, purpose, what="tag")}
        except Unreadable as error:
            self._unreadable(purpose, error)

    def projects(self, workspace_id: int) -> list[Project]:
        """All projects, archived ones too, page after page. Toggl docs: api/projects."""
        path = f"/workspaces/{workspace_id}/projects?active=both&"
        purpose = Message(Asked.PROJECTS, {"id": workspace_id})
        try:
            return [toggl_rows.project(row) for row in self._rows(path, purpose, what="project", largest=_ROWS_A_PAGE)]
        except Unreadable as error:
            self._unreadable(purpose, error)

    def entries(self, workspace_id: int, *, start: date, end: date, newest_first: bool = False) -> Iterator[Page]:
        """The entries of all members that start on the days `start` to `end`, page after page.

        The days are those of the token owner's time zone. In order of start, or by last change with `newest_first`.
        An entry comes once, whatever moves between the pages. Deleted ones are absent. ValueError for a span of more
        than `LONGEST_SPAN` days. Toggl docs: reports/detailed_reports (search time entries).
        """
        _check_span(start, end)
        return self._pages(workspace_id, start, end, newest_first)

    def total_seconds(
        self, workspace_id: int, *, start: date, end: date, client_ids: Collection[int] | None = None
    ) -> int:
        """The seconds of those days, of these clients only if given. Toggl docs: reports/detailed_reports (totals)."""
        _check_span(start, end)
        purpose = Message(Asked.TOTAL, {"id": workspace_id})
        asked: dict[str, Any] = {"start_date": start.isoformat(), "end_date": end.isoformat(), **_RAW_SECONDS}
        if client_ids is not None:
            asked["client_ids"] = sorted(client_ids)
        body, _ = self._report(f"/workspace/{workspace_id}/search/time_entries/totals", asked, purpose)
        try:
            # An empty window may be answered with null, as empty lists are.
            return 0 if body is None else Row(body, what="total").integer_or_none("seconds") or 0
        except Unreadable as error:
            self._unreadable(purpose, error)

    def tag_entries(self, workspace_id: int, ids: Sequence[int], *, tag: str, takes_away: bool = False) -> Tagged:
        """Give entries a tag, or take it away; their other tags stay. ValueError for more than `TAGGED_AT_ONCE`.

        Done twice it is the same as done once. Toggl docs: api/time_entries (bulk editing).
        """
        if not 0 < len(ids) <= TAGGED_AT_ONCE:
            raise ValueError(f"{len(ids)} entries; Toggl takes 1 to {TAGGED_AT_ONCE}")
        purpose = Message(Asked.TAGGING, {"id": workspace_id})
        operation = {"op": "remove" if takes_away else "add", "path": "/tags", "value": [tag]}
        path = f"{_TRACK}/workspaces/{workspace_id}/time_entries/{','.join(map(str, ids))}"
        body = json.dumps([operation], separators=(",", ":")).encode()
        # Whether it was done before changes nothing, so it is asked again like a reading.
        answer = self._transport.send("PATCH", path, purpose=purpose, safe=True, body=body)
        try:
            row = Row(self._transport.read(answer, purpose=purpose), what="change")
            failed = {each.integer("id"): capped(each.text("message").strip()) for each in row.rows("failure")}
            done = frozenset(row.integers("success")) - failed.keys()
        except Unreadable as error:
            self._unreadable(purpose, error)
        return Tagged(done & frozenset(ids), {number: said for number, said in failed.items() if number in ids})

    def _pages(self, workspace_id: int, start: date, end: date, newest_first: bool) -> Iterator[Page]:
        purpose = Message(Asked.ENTRIES, {"id": workspace_id})
        asked: dict[str, Any] = {
            "start_date": start.isoformat(),
            "end_date": end.isoformat(),
            "page_size": _ENTRIES_A_PAGE,
            "enrich_response": True,
            "hide_amounts": True,
            "order_by": "last_update" if newest_first else "date",
            "order_dir": "DESC" if newest_first else "ASC",
            **_RAW_SECONDS,
        }
        seen: set[int] = set()
        cursor: dict[str, int] = {}
        tags = toggl_rows.TagNames(lambda: self.tags(workspace_id))
        while True:
            body, answer = self._report(f"/workspace/{workspace_id}/search/time_entries", {**asked, **cursor}, purpose)
            try:
                found = [entry for value in listed(body, what="report") for entry in toggl_rows.entries(value, tags)]
                following = _cursor(answer)
                if following and following == cursor:
                    raise Unreadable(Detail.SAME_PAGE)
            except Unreadable as error:
                self._unreadable(purpose, error)
            fresh: dict[int, Entry] = {}
            for entry in found:
                if entry.id not in seen:
                    fresh.setdefault(entry.id, entry)
            seen.update(fresh)
            yield Page(entries=tuple(fresh.values()), last=not following)
            if not following:
                return
            cursor = following

    def _rows(self, path: str, purpose: Purpose, *, what: str, largest: int | None = None) -> list[Row]:
        """Every row of a list once, page after page, each with its `id` and as it came first.

        Toggl names no last page. A page is one when it is empty, brings nothing new (a server that knows no pages gives
        the whole list each time), or is shorter than a full one, as far as its size is known: by the header
        X-Page-Size, else by `largest`, the most rows that Toggl's documents say a page may have.
        """
        found: dict[int, Row] = {}
        page = 1
        while True:
            body, answer = self._get(f"{path}per_page={_ROWS_A_PAGE}&page={page}", purpose)
            try:
                rows = [Row(value, what=what) for value in listed(body, what="list")]
                known = len(found)
                for row in rows:
                    found.setdefault(row.integer("id"), row)
            except Unreadable as error:
                self._unreadable(purpose, error)
            size = answer.header_number("X-Page-Size") or largest
            if len(found) == known or (size is not None and len(rows) < min(_ROWS_A_PAGE, size)):
                return list(found.values())
            page += 1

    def _get(self, path: str, purpose: Purpose) -> tuple[Any, Answer]:
        if self._owners_wait is not None and _about_me(_TRACK + path) and (wait := self._owners_wait()) is not None:
            raise _spent(purpose, wait, is_owners=True)
        answer = self._transport.send("GET", _TRACK + path, purpose=purpose)
        return self._transport.read(answer, purpose=purpose), answer

    def _report(self, path: str, asked: dict[str, Any], purpose: Purpose) -> tuple[Any, Answer]:
        body = json.dumps(asked, separators=(",", ":")).encode()
        # Reports are read by POST, so a repetition changes nothing.
        answer = self._transport.send("POST", _REPORTS + path, purpose=purpose, safe=True, body=body)
        return self._transport.read(answer, purpose=purpose), answer

    def _unreadable(self, purpose: Purpose, error: Unreadable) -> NoReturn:
        raise self._transport.nonsense(purpose, error.detail) from error

    def _seen(self, call: Call, answer: Answer) -> None:
        remaining = answer.header_number("X-Toggl-Quota-Remaining")
        resets_in = answer.header_number("X-Toggl-Quota-Resets-In")
        if self._observe is not None and remaining is not None and resets_in is not None:
            self._observe(Quota("user" if _about_me(call.path) else "organization", remaining, resets_in))

    def _refusal(self, call: Call, answer: Answer) -> ServiceError:
        """Toggl docs: authentication (403), index (402). A call without credentials is answered 401 (observed)."""
        code, reason = answer.said()
        if answer.status == 402:
            return self._payment_required(call, answer, reason)
        bad_password = "incorrect username and/or password" in reason.lower()
        if answer.status == 401 or (answer.status == 403 and (bad_password or _about_me(call.path))):
            return BadCredentials(Message(Code.TOKEN_REFUSED, {"status": answer.status}))
        return self._transport.refused(call, answer, code=code, reason=reason)

    def _payment_required(self, call: Call, answer: Answer, reason: str) -> ServiceError:
        remaining = answer.header_number("X-Toggl-Quota-Remaining")
        if (remaining is not None and remaining <= 0) or re.search(r"hourly limit|quota will reset", reason, re.I):
            resets_in = answer.header_number("X-Toggl-Quota-Resets-In")
            told = re.search(r"reset in (\d{1,6}) second", reason, re.I)
            wait = float(resets_in) if resets_in is not None else float(told[1]) if told else _QUOTA_UNKNOWN
            return _spent(call.purpose, max(0.0, wait), is_owners=_about_me(call.path))
        refused = self._transport.refused(call, answer, reason=reason)
        facts = {"what": call.purpose, "said": refused.message.facts["said"]}
        return PlanFeature(Message(Code.PLAN_FEATURE, facts), status=402, reason=refused.reason)


def _about_me(path: str) -> bool:
    """Whether Toggl counts the call in the user's bucket, and judges only the token by it (Toggl docs: index)."""
    return re.match(rf"{_TRACK}/me(?:[/?]|$)", path) is not None


def _spent(purpose: Purpose, wait: float, *, is_owners: bool) -> QuotaExhausted:
    whose = Message(Detail.OWNERS_BUDGET if is_owners else Detail.ORGANISATIONS_BUDGET)
    facts = {"whose": whose, "what": purpose, "n": round(wait)}
    return QuotaExhausted(Message(Code.BUDGET_SPENT, facts), after=wait, is_owners=is_owners)


def _check_span(start: date, end: date) -> None:
    days = (end - start).days + 1
    if not 1 <= days <= LONGEST_SPAN:
        raise ValueError(f"a report from {start} to {end} covers {days} days; Toggl takes 1 to {LONGEST_SPAN}")


def _cursor(answer: Answer) -> dict[str, int]:
    """The start of the next page, empty on the last one: there Toggl leaves the headers out (observed)."""
    cursor = {}
    for field, name in (
        ("first_id", "X-Next-ID"),
        ("first_row_number", "X-Next-Row-Number"),
        ("first_timestamp", "X-Next-Timestamp"),
    ):
        number = answer.header_number(name)
        if number is not None:
            cursor[field] = number
        elif answer.headers.get(name.lower()):
            raise Unreadable(Detail.NOT_NUMBER, field=name)
    return cursor
