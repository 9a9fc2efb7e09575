"""Toggl's front door: who asks, which budget pays, and the way to the handler."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.http.clock import Clock
from integrations.sandbox.http.deliveries import Deliveries
from integrations.sandbox.http.pace import Pace, too_many
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Answer, Record, RejectedError, Request, Router, json_answer
from integrations.sandbox.toggl.events import Cause, Events
from integrations.sandbox.toggl.quota import PLAN_LIMITS, USER_LIMIT, Key, Quota
from integrations.sandbox.toggl.store import Store

_WORKSPACE = re.compile(
    r"/(?:api/v9/workspaces|reports/api/v3/workspace|webhooks/api/v1/(?:subscriptions|ping|limits))/(\d+)(?:/|$)"
)
_WEBHOOKS = "/webhooks/api/v1/"
# What stands on every live answer (recorded); X-Toggl-Request-Id on v9 only, X-Service-Level on 2xx only.
_HEADERS = {
    "Cache-Control": "no-cache, private, no-store, must-revalidate, max-age=0",
    "Strict-Transport-Security": "max-age=31536000",
    "Via": "1.1 google",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-We-Are-Hiring": "https://sandbox.invalid/jobs",
}
# The literal that Toggl asks for in the place of a password (docs: authentication); no secret.
_TOKEN_PASSWORD = "api_token"  # noqa: S105 - Toggl's documented word
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
    events: Events

    @property
    def cause(self) -> Cause:
        request = self.request
        return Cause(int(self.user["id"]), request.method, request.path, request.raw.decode("utf-8", "replace"))

    def entered(self, number: str | int) -> int:
        """The workspace's id when the user is in it. Raises RejectedError with 403."""
        if self.membership(int(number)) is None:
            raise refused(403, "User does not have access to this resource.")
        return int(number)

    def is_admin(self, workspace_id: int) -> bool:
        return bool((self.membership(workspace_id) or {}).get("admin"))

    def is_free(self, workspace_id: int) -> bool:
        """Whether the workspace's organisation has the Free plan, which lacks the paid features."""
        return self.store.plan(self.store.workspaces[workspace_id]["organization_id"]) == "free"

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
open_router: Router[Call] = Router()  # what Toggl answers without credentials


class Toggl:
    """The imitation as a whole: `answer` takes any request to the Toggl port."""

    def __init__(self, store: Store, clock: Clock, switches: Switches, deliveries: Deliveries) -> None:
        self.store = store
        self.clock = clock
        self.switches = switches
        self.quota = Quota(clock, switches)
        self.events = Events(store, clock, switches, deliveries)
        self.pace = Pace()

    def call(self, request: Request, user: Record) -> Call:
        return Call(request, user, self.store, self.clock, self.switches, self.quota, self.events)

    def answer(self, request: Request) -> Answer:
        headers: dict[str, str] = {}
        try:
            headers, answer = self._answer(request)
        except RejectedError as rejected:
            answer = rejected.answer
        answer.headers = {**_HEADERS, **self._ids(request, answer), **headers, **answer.headers}
        if request.path.startswith("/reports/"):
            answer.headers.setdefault("Vary", "Accept-Encoding")
            answer.compressible = True
        return answer

    def _answer(self, request: Request) -> tuple[dict[str, str], Answer]:
        """The headers of the charged budget, and the answer."""
        if request.path == "/api/v9/status":
            return {}, json_answer({"status": "OK"})
        if found := open_router.find(request.method, request.path):
            return {}, found[0](self.call(request, {}), *found[1])
        user = self._user(request)
        html, retry = bool(self.switches["toggl_429_html"]), int(self.switches["toggl_429_retry_after"])
        refusal = too_many(html=html, retry_after=retry)
        self.pace.take(str(user["token"]), float(self.switches["toggl_per_second"]), refusal)
        found = router.find(request.method, request.path)
        if found is None:
            if router.knows(request.path):
                raise refused(405, "Method Not Allowed")
            raise refused(404, "Resource can not be found")
        headers = self._charge(request, user)
        if request.method != "GET" and not request.path.startswith("/reports/"):
            self.store.listings.forget()
        try:
            answer = found[0](self.call(request, user), *found[1])
        except RejectedError as rejected:
            answer = rejected.answer
            if headers and not self.switches["toggl_refusals_count"]:
                headers = self.quota.refund(self._bucket(request, user))
        return headers, answer

    def _ids(self, request: Request, answer: Answer) -> dict[str, str]:
        ids = {"X-Request-Id": uuid.uuid4().hex}
        if request.path.startswith("/api/v9/"):
            ids["X-Toggl-Request-Id"] = uuid.uuid4().hex
        if answer.status < 300:
            ids["X-Service-Level"] = "GREEN"
        return ids

    def expire(self, request: Request) -> Answer:
        """The token is no longer good, for this once (Toggl's tokens do not expire; they can be reset)."""
        return refused(403, "Incorrect username and/or password").answer

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
            # The webhooks accept the token form only (docs: webhooks authentication).
            if by_token or (by_mail and not request.path.startswith(_WEBHOOKS)):
                return user
        raise refused(403, "Incorrect username and/or password")

    def _bucket(self, request: Request, user: Record) -> Key:
        organization: int | None = None
        if match := _WORKSPACE.match(request.path):
            workspace = self.store.workspaces.get(int(match[1]))
            organization = workspace["organization_id"] if workspace else None
        elif match := _ORGANIZATION.match(request.path):
            organization = int(match[1])
        return user["id"], organization

    def _charge(self, request: Request, user: Record) -> dict[str, str]:
        free = (request.path == "/api/v9/me/quota" and not self.switches["toggl_me_quota_charged"]) or (
            request.path.startswith(_WEBHOOKS) and not self.switches["toggl_webhook_calls_charged"]
        )
        if free:
            return {}
        key = self._bucket(request, user)
        return self.quota.charge(key, self.limit(key[1]))

    def limit(self, organization_id: int | None) -> int:
        return USER_LIMIT if organization_id is None else PLAN_LIMITS[self.store.plan(organization_id)]

    def set_quota(self, organization_id: int | None, remaining: int, resets_in: int) -> None:
        """Sets a bucket for every user, as the control plane does."""
        for number in self.store.users:
            key: Key = (number, organization_id)
            self.quota.set(key, remaining, resets_in)
