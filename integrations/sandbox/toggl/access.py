"""Toggl's front door: who asks, which budget pays, and the way to the handler."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.clock import Clock
from integrations.sandbox.pace import Pace
from integrations.sandbox.switches import Switches
from integrations.sandbox.toggl.quota import PLAN_LIMITS, USER_LIMIT, Key, Quota
from integrations.sandbox.toggl.store import Store
from integrations.sandbox.wire import Answer, Record, RejectedError, Request, Router, json_answer

_WORKSPACE = re.compile(r"/(?:api/v9/workspaces|reports/api/v3/workspace)/(\d+)(?:/|$)")
# The literal that Toggl asks for in the place of a password (docs: authentication); no secret.
_TOKEN_PASSWORD = "api_token"  # noqa: S105
_ORGANIZATION = re.compile(r"/api/v9/organizations/(\d+)(?:/|$)")


def refused(status: int, text: str) -> RejectedError:
    """Toggl's errors are bare JSON strings (recorded live)."""
    return RejectedError(json_answer(text, status))


@dataclass(slots=True)
class Call:
    """What a handler needs: the request, the user who asks and the store."""

    request: Request
    user: Record
    store: Store
    clock: Clock
    switches: Switches
    quota: Quota

    def membership(self, workspace_id: int) -> Record | None:
        return self.store.membership(self.user, workspace_id)

    def listed(self, rows: list[Any], headers: dict[str, str] | None = None) -> Answer:
        """A list answer; an empty one is `[]` or, by switch, `null`."""
        empty = not rows and self.switches["toggl_empty_lists"] == "null"
        return json_answer(None if empty else rows, headers=headers)

    def body(self) -> Record:
        """The JSON object of the request. Raises RejectedError with Toggl's 400."""
        try:
            body = self.request.body()
        except ValueError:
            raise refused(400, "JSON is not valid") from None
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise refused(400, "JSON is not valid")
        return body


router: Router[Call] = Router()


class Toggl:
    """The imitation as a whole: `answer` takes any request to the Toggl port."""

    def __init__(self, store: Store, clock: Clock, switches: Switches) -> None:
        self.store = store
        self.clock = clock
        self.switches = switches
        self.quota = Quota(clock, switches)
        self.pace = Pace()

    def answer(self, request: Request) -> Answer:
        headers: dict[str, str] = {}
        try:
            if request.path == "/api/v9/status":
                return json_answer({"status": "OK"})
            user = self._user(request)
            self.pace.take(str(user["token"]), float(self.switches["toggl_per_second"]))
            found = router.find(request.method, request.path)
            if found is None:
                if router.knows(request.path):
                    raise refused(405, "Method Not Allowed")
                raise refused(404, "Resource can not be found")
            headers = self._charge(request, user)
            handler, arguments = found
            call = Call(request, user, self.store, self.clock, self.switches, self.quota)
            answer = handler(call, *arguments)
        except RejectedError as rejected:
            answer = rejected.answer
        answer.headers = {**headers, **answer.headers}
        return answer

    def tenants(self, request: Request) -> set[str]:
        """The names under which a fault may single out this request: the token."""
        credentials = self._credentials(request)
        return {credentials[0]} if credentials else set()

    def _credentials(self, request: Request) -> tuple[str, str] | None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, password

    def _user(self, request: Request) -> Record:
        credentials = self._credentials(request)
        if credentials is None:
            raise RejectedError(Answer(401, headers={"X-Authorization-Missing": "true"}))
        name, password = credentials
        for user in self.store.users.values():
            by_token = password == _TOKEN_PASSWORD and user.get("token") == name
            by_mail = user.get("password") is not None and (user["email"], user["password"]) == (name, password)
            if by_token or by_mail:
                return user
        raise refused(403, "Incorrect username and/or password")

    def _charge(self, request: Request, user: Record) -> dict[str, str]:
        organization: int | None = None
        if match := _WORKSPACE.match(request.path):
            workspace = self.store.workspaces.get(int(match[1]))
            organization = workspace["organization_id"] if workspace else None
        elif match := _ORGANIZATION.match(request.path):
            organization = int(match[1])
        return self.quota.charge((user["id"], organization), self.limit(organization))

    def limit(self, organization_id: int | None) -> int:
        return USER_LIMIT if organization_id is None else PLAN_LIMITS[self.store.plan(organization_id)]

    def set_quota(self, organization_id: int | None, remaining: int, resets_in: int) -> None:
        """Sets a bucket for every user, as the control plane does."""
        for number in self.store.users:
            key: Key = (number, organization_id)
            self.quota.set(key, remaining, resets_in)
