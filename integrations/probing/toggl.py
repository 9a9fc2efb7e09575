"""What Toggl leaves open, asked of a real account: reads only, and with `writes` an entry, a tag and a client.

Everything that is made bears the mark of this run in its name and is deleted at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.clients.http.answers import Answer, parse_timestamp
from integrations.clients.http.transport import ServiceError
from integrations.probing.asking import Asker, CannotAsk, json_of, rows_of, seen

_TRACK = "/api/v9"
_LOOK_BACK = timedelta(days=60)
_NOT_CHEAP = "not asked: it would use up the hourly budget"
_NO_RECEIVER = "not asked: it takes a receiver that Toggl can reach"
_NEEDS_WRITES = "not asked: it takes --allow-writes"
_REMOVE = "Is tag_action remove taken for delete?", "toggl_tag_action_remove"


def probe(
    *,
    url: str,
    token: str,
    workspace_id: int | None,
    writes: bool,
    now: datetime,
    pace: Callable[[], None] | None = None,
) -> Asker:
    """All questions in turn. Raises `transport.ServiceError` when the token or the workspace cannot be used at all."""
    asker = Asker(service="Toggl", url=url, secret=token, auth=(token, "api_token"), pace=pace)
    try:
        run = _Run(asker, workspace_id, now)
        for question in (run.budgets, run.lists, run.pages, run.days, run.webhooks):
            _one(asker, question)
        if writes:
            _one(asker, run.written)
        else:
            run.without_writes()
        run.never_asked()
    finally:
        asker.close()
    return asker


def _one(asker: Asker, question: Callable[[], None]) -> None:
    """One group of questions; when the service falls silent, the others are still asked."""
    try:
        question()
    except ServiceError as error:
        asker.findings.leave(question.__name__, f"not settled: {error}")


class _Run:
    def __init__(self, asker: Asker, workspace_id: int | None, now: datetime) -> None:
        self.asker, self.tell, self.leave = asker, asker.findings.tell, asker.findings.leave
        me = asker.must(asker.ask("GET", f"{_TRACK}/me"), "the profile of the token's owner")
        self.now = now.astimezone(UTC).replace(microsecond=0)
        self.user_id, self.zone = int(me["id"]), ZoneInfo(me.get("timezone") or "UTC")
        rows = asker.must(asker.ask("GET", f"{_TRACK}/me/workspaces"), "the list of workspaces") or []
        found = next((row for row in rows if workspace_id in (None, row["id"])), None)
        if found is None:
            raise CannotAsk(f"Toggl workspace {workspace_id} is not open to this token. Name another.")
        self.workspace_id = int(found["id"])
        self.here = f"{_TRACK}/workspaces/{self.workspace_id}"

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def report(self, **asked: Any) -> Answer:
        """One page of the detailed report, the rows enriched."""
        path = f"/reports/api/v3/workspace/{self.workspace_id}/search/time_entries"
        body = {"enrich_response": True, "rounding": 0, "rounding_minutes": 0, **asked}
        return self.asker.ask("POST", path, body, safe=True)

    def left(self, answer: Answer) -> int | None:
        return answer.header_number("X-Toggl-Quota-Remaining")

    def budgets(self) -> None:
        """Which calls cost a request: the budget before and after is told by the headers."""
        ask = self.asker.ask
        before = self.left(ask("GET", f"{_TRACK}/me"))
        ask("GET", f"{_TRACK}/me/quota")
        after = self.left(ask("GET", f"{_TRACK}/me"))
        question, switch = "Does GET /me/quota cost a request?", "toggl_me_quota_charged"
        if before is None or after is None:
            self.leave(question, "the answers name no budget", switch=switch)
        else:
            self.tell(question, before - after > 1, f"{before} left before, {after} after", switch=switch)
        before = self.left(ask("GET", f"{self.here}/tags"))
        refusal = ask("GET", f"{self.here}/projects/1")
        after = self.left(ask("GET", f"{self.here}/tags"))
        question, switch = "Does a refused call cost a request?", "toggl_refusals_count"
        if before is None or after is None or refusal.status < 400:
            self.leave(question, f"no refusal or no budget: {seen(refusal)}", switch=switch)
        else:
            self.tell(question, before - after > 1, f"{seen(refusal)}: {before} left, then {after}", switch=switch)
        workspaces = self.left(ask("GET", f"{_TRACK}/workspaces"))
        user = self.left(ask("GET", f"{_TRACK}/me"))
        question = "Which budget does GET /workspaces use?"
        if workspaces is None or user is None:
            self.leave(question, "the answers name no budget")
        else:
            self.tell(question, "user" if workspaces == user + 1 else "organisation", f"{workspaces}, /me {user}")

    def lists(self) -> None:
        answer = self.asker.ask("GET", f"{self.here}/clients?status=both&name={self.asker.mark}")
        question, switch = "What is an empty list answered as?", "toggl_empty_lists"
        if answer.status != 200 or json_of(answer):
            self.leave(question, seen(answer), switch=switch)
        else:
            self.tell(question, "null" if json_of(answer) is None else "array", seen(answer), switch=switch)

    def pages(self) -> None:
        start, end = (self.today - _LOOK_BACK).isoformat(), self.today.isoformat()
        question, over, largest = "What of a page_size over the limit?", "toggl_page_size_over", "toggl_largest_page"
        answer = self.report(start_date=start, end_date=end, page_size=2000)
        size = answer.header_number("X-Page-Size")
        if answer.status == 400:
            self.tell(question, "refuse", seen(answer), switch=over)
        elif size is None:
            self.leave(question, f"{seen(answer)}, no X-Page-Size", switch=over)
        elif size < 2000:
            self.tell(question, "clamp", f"2000 asked, {size} told", switch=over)
            self.tell("How many rows has a page of the report at most?", size, f"X-Page-Size {size}", switch=largest)
        else:
            self.leave(question, f"{size} rows a page are no limit yet", switch=over)
        rows = rows_of(answer) or rows_of(self.report(start_date=start, end_date=end, page_size=50))
        if rows:
            self.tell("What has an enriched row?", sorted(rows[0]), "the members of the first row")
        newest = rows_of(self.report(start_date=start, end_date=end, order_by="last_update", order_dir="DESC"))
        moments = [parse_timestamp(inner["at"]) for row in newest for inner in row.get("time_entries", [])]
        question = "Does the order by last_update follow `at`?"
        if len(set(moments)) < 3:
            self.leave(question, "too few entries to tell")
        else:
            self.tell(question, moments == sorted(moments, reverse=True), f"{len(moments)} entries looked at")

    def days(self) -> None:
        """From entries that are there: whether the last day is in a report, and whose day it is."""
        entries = self._entries()
        last_day, zone = "Is end_date included?", "Which zone bounds the day of a report?"
        stopped = next((moment for _, moment in entries), None)
        if stopped is None:
            self.leave(last_day, "no entry of late to look for", switch="toggl_end_date")
        else:
            day = stopped.astimezone(self.zone).date()
            found = self._ids(self.report(start_date=(day - timedelta(days=1)).isoformat(), end_date=day.isoformat()))
            there = bool({number for number, moment in entries if moment == stopped} & found)
            self.tell(last_day, "included" if there else "excluded", f"an entry of {day}", switch="toggl_end_date")
        odd = [one for one in entries if one[1].date() != one[1].astimezone(self.zone).date()]
        if not odd:
            self.leave(zone, "no entry of late near midnight", switch="toggl_day_zone")
            return
        number, moment = odd[0]
        local, utc = moment.astimezone(self.zone).date(), moment.date()
        first, after = min(local, utc), max(local, utc)
        # A day that is surely whole on one side: up to the earlier of the two days, the end included or not.
        end = first if self._included() else after
        found = self._ids(self.report(start_date=(first - timedelta(days=2)).isoformat(), end_date=end.isoformat()))
        earlier = "user" if local < utc else "utc"
        later = "utc" if earlier == "user" else "user"
        self.tell(
            zone, earlier if number in found else later, f"an entry at {moment:%H:%M} UTC", switch="toggl_day_zone"
        )

    def _included(self) -> bool:
        found = next((row.found for row in self.asker.findings.rows if row.switch == "toggl_end_date"), None)
        return found != "excluded"

    def _entries(self) -> list[tuple[int, datetime]]:
        """Entries of the last weeks, the newest first: id and start in UTC."""
        start, end = self.today - _LOOK_BACK, self.today + timedelta(days=1)
        rows = rows_of(
            self.report(
                start_date=start.isoformat(),
                end_date=end.isoformat(),
                page_size=1000,
                order_by="date",
                order_dir="DESC",
            )
        )
        return [(inner["id"], parse_timestamp(inner["start"])) for row in rows for inner in row["time_entries"]]

    def _ids(self, answer: Answer) -> set[int]:
        return {inner["id"] for row in rows_of(answer) for inner in row.get("time_entries", [])}

    def webhooks(self) -> None:
        path = f"/webhooks/api/v1/subscriptions/{self.workspace_id}"
        before = self.left(self.asker.ask("GET", f"{self.here}/tags"))
        answer = self.asker.ask("GET", path)
        after = self.left(self.asker.ask("GET", f"{self.here}/tags"))
        question, switch = "Do calls that manage webhooks cost a request?", "toggl_webhook_calls_charged"
        if before is None or after is None or answer.status != 200:
            self.leave(question, seen(answer), switch=switch)
        else:
            self.tell(question, before - after > 1, f"{before} left before, {after} after", switch=switch)
        question, switch = "Does the listing of webhooks show their secrets?", "toggl_secret_in_lists"
        rows = rows_of(answer)
        if not rows:
            self.leave(question, "there is no webhook in this workspace", switch=switch)
        else:
            self.tell(question, bool(rows[0].get("secret")), "the first webhook of the list", switch=switch)

    # --- what is made and taken away ----------------------------------------------------------------------------------

    def written(self) -> None:
        with ExitStack() as stack:
            # Before anything is made, so that what was made without an answer is found and deleted, too.
            stack.callback(self._sweep, f"{self.here}/tags", "name", f"{self.here}/tags")
            stack.callback(self._sweep, f"{self.here}/clients?status=both", "name", f"{self.here}/clients")
            since = int((self.now - timedelta(minutes=10)).timestamp())
            stack.callback(
                self._sweep, f"{_TRACK}/me/time_entries?since={since}", "description", f"{self.here}/time_entries"
            )
            for question in (self._tag, self._entry, self._running, self._client):
                _one(self.asker, question)
        _one(self.asker, self._colleague)

    def _sweep(self, path: str, member: str, home: str) -> None:
        """Deletes everything in a list that bears the mark of this run in one of its members."""
        try:
            rows = rows_of(self.asker.ask("GET", path))
        except ServiceError as error:
            self.asker.left_behind.append(f"what is named {self.asker.mark} in {path}: {error}")
            return
        for row in rows:
            if str(row.get(member) or "").startswith(self.asker.mark) and not row.get("server_deleted_at"):
                self.asker.take_away(f"{home}/{row['id']}", f"{home.rpartition('/')[2]} {row['id']}")

    def _tag(self) -> None:
        answer = self.asker.ask("POST", f"{self.here}/tags", {"name": f"{self.asker.mark}-a"})
        body = json_of(answer)
        question, switch = "What does POST of a tag answer?", "toggl_tag_answer"
        if answer.status != 200:
            self.leave(question, seen(answer), switch=switch)
        else:
            self.tell(question, "array" if isinstance(body, list) else "object", seen(answer), switch=switch)

    def _made(self, **members: Any) -> dict[str, Any] | None:
        body = {
            "workspace_id": self.workspace_id,
            "description": self.asker.mark,
            "created_with": "toggbill probe",
            **members,
        }
        answer = self.asker.ask("POST", f"{self.here}/time_entries", body)
        row = json_of(answer)
        return row if answer.status == 200 and isinstance(row, dict) else None

    def _entry(self) -> None:
        first, second = f"{self.asker.mark}-a", f"{self.asker.mark}-b"
        start = self.now - timedelta(hours=2)
        stop = start + timedelta(minutes=1)
        times = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{stop:%Y-%m-%dT%H:%M:%SZ}", "duration": 60}
        entry = self._made(tags=[first], **times)
        question, switch = "Do tags in a PUT without tag_action replace those before?", "toggl_put_tags"
        if entry is None:
            self.leave(question, "the entry could not be made", switch=switch)
            self.leave(_REMOVE[0], "the entry could not be made", switch=_REMOVE[1])
            return
        answer = self.asker.ask("PUT", f"{self.here}/time_entries/{entry['id']}", {"tags": [second]})
        body = json_of(answer)
        tags = sorted(body.get("tags") or []) if isinstance(body, dict) else []
        found = {(second,): "replace", (first, second): "add"}.get(tuple(tags))
        self.tell(question, found, f"{seen(answer)}, tags {len(tags)}", switch=switch)
        self._tag_action_remove(entry["id"], tags)

    def _tag_action_remove(self, number: int, tags: list[str]) -> None:
        """The Swagger has `delete`; a client of others sends `remove`."""
        question, switch = _REMOVE
        answer = self.asker.ask("PUT", f"{self.here}/time_entries/{number}", {"tags": tags[:1], "tag_action": "remove"})
        body = json_of(answer)
        left = (body.get("tags") or []) if isinstance(body, dict) else tags
        found = "refuse" if answer.status == 400 else "delete" if tags[:1] and tags[0] not in left else None
        self.tell(question, found, f"{seen(answer)}, tags {len(left)}", switch=switch)

    def _running(self) -> None:
        question, switch = "Is a running entry a row of a report?", "toggl_running_in_reports"
        seconds, negative = "What seconds has a running row?", "toggl_running_seconds"
        current = json_of(self.asker.ask("GET", f"{_TRACK}/me/time_entries/current"))
        if isinstance(current, dict):
            # To start another one would stop it.
            number: int | None = current["id"]
        else:
            start = f"{self.now - timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"
            made = self._made(start=start, duration=-1)
            number = made["id"] if made else None
        day = timedelta(days=1)
        days = {"start_date": (self.today - day).isoformat(), "end_date": (self.today + day).isoformat()}
        rows = [inner for row in rows_of(self.report(page_size=1000, **days)) for inner in row["time_entries"]]
        row = next((inner for inner in rows if inner["id"] == number), None)
        if number is None:
            self.leave(question, "no entry could be started", switch=switch)
        else:
            # Reports may lag behind for a while, so absence proves little.
            self.tell(question, row is not None, "looked for at once", switch=switch, sure=row is not None)
        if row is None or row.get("seconds") is None:
            self.leave(seconds, "no running row was seen", switch=negative)
        else:
            found = "negative" if row["seconds"] < 0 else "elapsed"
            self.tell(seconds, found, f"stop is {row.get('stop')}", switch=negative)

    def _client(self) -> None:
        question = "May a client carry an external_reference on this plan?"
        body = {"name": self.asker.mark, "external_reference": "probe"}
        answer = self.asker.ask("POST", f"{self.here}/clients", body)
        row = json_of(answer)
        if isinstance(row, dict) and "id" in row:
            self.tell(question, row.get("external_reference") == "probe", seen(answer))
        else:
            self.leave(question, seen(answer))

    def _colleague(self) -> None:
        """Writes to somebody else's entry the description that it has: nothing changes but its `at`."""
        question, switch = "May an admin change the entries of other members?", "toggl_admin_edits_others"
        days = {"start_date": (self.today - _LOOK_BACK).isoformat(), "end_date": self.today.isoformat()}
        rows = rows_of(self.report(page_size=1000, **days))
        row = next((row for row in rows if row["user_id"] != self.user_id and row["time_entries"][0].get("stop")), None)
        if row is None:
            self.leave(question, "no entry of another member was seen", switch=switch)
            return
        path = f"{self.here}/time_entries/{row['time_entries'][0]['id']}"
        answer = self.asker.ask("PUT", path, {"description": row["description"]})
        self.tell(question, answer.status == 200, seen(answer), switch=switch)

    def without_writes(self) -> None:
        for question, switch in (
            ("What does POST of a tag answer?", "toggl_tag_answer"),
            ("Do tags in a PUT without tag_action replace those before?", "toggl_put_tags"),
            _REMOVE,
            ("Is a running entry a row of a report?", "toggl_running_in_reports"),
            ("What seconds has a running row?", "toggl_running_seconds"),
            ("May an admin change the entries of other members?", "toggl_admin_edits_others"),
            ("May a client carry an external_reference on this plan?", None),
        ):
            self.leave(question, _NEEDS_WRITES, switch=switch)

    def never_asked(self) -> None:
        self.leave("Is the 402 of a quota JSON or bare text?", _NOT_CHEAP, switch="toggl_quota_body")
        self.leave("What has a webhook's event of a deleted entry?", _NO_RECEIVER, switch="toggl_deleted_payload")
        self.leave("When is a failed delivery tried again?", _NO_RECEIVER, switch="toggl_webhook_retry_minutes")
