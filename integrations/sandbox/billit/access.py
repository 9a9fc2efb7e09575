"""Billit's front door: credentials, the company of the PartyID header, used idempotency keys, routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.sandbox.billit.notices import Notices
from integrations.sandbox.billit.rules.refusals import Refusal, generic, rejected
from integrations.sandbox.billit.store import Store
from integrations.sandbox.http.clock import Clock
from integrations.sandbox.http.deliveries import Deliveries
from integrations.sandbox.http.pace import Pace, too_many
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Answer, Record, RejectedError, Request, Router, html_answer, json_answer

KEY_HEADERS = ("idempotency-key", "idempotent-key")


@dataclass(slots=True)
class Call:
    """What a handler needs: the request, the user, the company of the call, and the store."""

    request: Request
    user: Record
    company: Record
    store: Store
    clock: Clock
    switches: Switches
    notices: Notices

    @property
    def company_id(self) -> int:
        return int(self.company["PartyID"])

    @property
    def language(self) -> str:
        return str(self.user.get("language", "EN"))

    def refuse(self, *refusals: Refusal, status: int = 400) -> RejectedError:
        return rejected(status, *refusals, language=self.language)

    def not_accessible(self) -> RejectedError:
        """An id of another company, or of nothing: 401 (docs: 401), by switch 404."""
        if self.switches["billit_unknown_id_status"] == 404:
            return self.refuse(generic("The requested resource was not found."), status=404)
        return self.refuse(Refusal("AccessDenied", text="You have no access to this resource."), status=401)

    def body(self) -> Record:
        """The JSON object of the request. Raises RejectedError with 400."""
        try:
            body = self.request.body()
        except ValueError:
            raise RejectedError(json_answer({"Message": "The request is invalid."}, 400)) from None
        if not isinstance(body, dict):
            raise RejectedError(json_answer({"Message": "The request is invalid."}, 400))
        if self.switches["billit_nulls"] == "refuse" and _has_null(body):
            raise self.refuse(generic("Null values are not allowed."))
        return body

    # --- idempotency: a key counts from its first success, per company and for every write (by switch otherwise) ------

    def idempotency_key(self) -> str | None:
        known = str(self.switches["billit_idempotency_header"]).lower()
        names = KEY_HEADERS if known == "both" else (known,)
        return next((self.request.headers[name] for name in names if self.request.headers.get(name)), None)

    def _scoped(self, key: str) -> str:
        scope = self.switches["billit_idempotency_scope"]
        if scope == "endpoint":
            return f"{self.company_id}:{'send' if self.request.path.rstrip('/').endswith('/send') else 'orders'}:{key}"
        if scope == "user":
            return f"{self.user['email']}:{key}"
        return f"everybody:{key}" if scope == "everybody" else f"{self.company_id}:{key}"

    def refuse_used_key(self) -> None:
        """Raises RejectedError with 409, without the order's id, when this key has already had its success."""
        key = self.idempotency_key()
        if key is None:
            self.store.warn(self.company_id, "no idempotency key", self.request.path)
            return
        used = self.store.keys.get(self._scoped(key))
        if used is None:
            return
        burned = self.store.burned.get(self._scoped(key), 0.0)
        if self.switches["billit_idempotency_concurrent"] == "both" and self.request.arrived < burned:
            return  # it came while the first was still at work
        lifetime = float(self.switches["billit_idempotency_seconds"])
        age = (self.clock.local() - datetime.fromisoformat(used)).total_seconds()
        if lifetime == 0 or age < lifetime:
            raise self.refuse(Refusal("Idempotent token already exists"), status=409)

    def burn_key(self) -> None:
        """Called after a success only: a failed attempt leaves its key free."""
        key = self.idempotency_key()
        if key is not None:
            self.store.keys[self._scoped(key)] = self.store.stamp()
            self.store.burned[self._scoped(key)] = time.monotonic()


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_null(item) for item in value)
    return value is None


router: Router[Call] = Router()
open_router: Router[Call] = Router()  # what Billit answers without credentials
settlers: list[Callable[[Billit], None]] = []  # what time alone makes due; modules add theirs


class Billit:
    """The imitation as a whole: `answer` takes any request to the Billit port."""

    def __init__(self, store: Store, clock: Clock, switches: Switches, deliveries: Deliveries) -> None:
        self.store = store
        self.clock = clock
        self.switches = switches
        self.notices = Notices(store, clock, switches, deliveries)
        self.pace = Pace()

    def call(self, request: Request, user: Record, company: Record) -> Call:
        return Call(request, user, company, self.store, self.clock, self.switches, self.notices)

    def within(self, company: Record) -> Call:
        """A call that nobody made: what Billit does by itself, or a person in My Billit, in a company."""
        user = next((user for user in self.store.users if company["PartyID"] in user["companies"]), {})
        return self.call(Request("billit", "", "/", "/", {}, {}, b"", ""), user, company)

    def settle(self) -> None:
        """What time alone makes due: the receivers' answers and the sending of nine o'clock."""
        for work in settlers:
            work(self)

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except RejectedError as refusal:
            return refusal.answer

    def _answer(self, request: Request) -> Answer:
        self.settle()
        if found := open_router.find(request.method, request.path):
            return found[0](self.call(request, {}, {}), *found[1])
        found = router.find(request.method, request.path)
        if found is None:
            if router.knows(request.path):
                text = f"The requested resource does not support http method '{request.method}'."
                raise RejectedError(json_answer({"Message": text}, 405))
            return html_answer(404, "404 - File or directory not found.")
        largest = int(self.switches["billit_largest_body"])
        if 0 < largest < len(request.raw):
            # What ASP.NET answers before anybody has read the request.
            return html_answer(413, "Request Entity Too Large")
        user = self._user(request)
        credential = request.headers.get("apikey") or request.headers.get("authorization", "")
        refusal = too_many(retry_after=int(self.switches["billit_429_retry_after"]))
        self.pace.take(credential, float(self.switches["billit_per_second"]), refusal)
        return found[0](self.call(request, user, self._company(request, user)), *found[1])

    def expire(self, request: Request) -> Answer:
        """The credential of the request is no longer good: an access token from now on, a key for this once."""
        token = _bearer(request)
        if token is None:
            return rejected(401, Refusal("ApiKeyNotValid")).answer
        if token in self.store.tokens:
            self.store.tokens[token]["expires"] = self.clock.now().isoformat()
        return rejected(401, Refusal("AccessTokenExpired")).answer

    def tenants(self, request: Request) -> set[str]:
        """The names under which a fault may single out this request: the PartyID and the credential."""
        names = (request.headers.get(name) for name in ("partyid", "apikey", "authorization"))
        return {name.removeprefix("Bearer ") for name in names if name}

    def _user(self, request: Request) -> Record:
        key = request.headers.get("apikey")
        if key is not None:
            user = next((user for user in self.store.users if user.get("api_key") == key), None)
            if user is None:
                raise rejected(401, Refusal("ApiKeyNotValid"))
            return user
        token = _bearer(request)
        if token is None:
            raise rejected(401, Refusal("ApiKeyNotValid"))
        issued = self.store.tokens.get(token)
        if issued is None:
            user = next((user for user in self.store.users if token and user.get("bearer") == token), None)
            if user is None:
                raise rejected(401, Refusal("InvalidAccessToken"))
            return user
        if issued["revoked"]:
            raise rejected(401, Refusal("AccessTokenRevoked"))
        if datetime.fromisoformat(issued["expires"]) <= self.clock.now():
            raise rejected(401, Refusal("AccessTokenExpired"))
        found = self.store.user_of(issued["email"])
        if found is None:
            raise rejected(401, Refusal("InvalidAccessToken"))
        return found

    def _company(self, request: Request, user: Record) -> Record:
        """The company of the PartyID header. Without one it is the user's first: an accident that Billit allows."""
        given = request.headers.get("partyid")
        denied = Refusal("AccessDenied", text="You have no access to this company.")
        own = [int(number) for number in user.get("companies", [])]
        refused = rejected(401, denied, language=str(user.get("language", "EN")))
        if given is None:
            asks_which = request.path.startswith("/v1/account/accountInformation")
            if self.switches["billit_missing_party"] == "refuse" and len(own) > 1 and not asks_which:
                raise refused
            if not asks_which:
                self.store.warn(None, "no PartyID header", request.path)
            if not own and asks_which:
                return {}
            number = own[0] if own else 0
        else:
            number = int(given) if given.strip().isdecimal() else 0
        if number not in own or number not in self.store.companies:
            raise refused
        self._check_context(request, user, number)
        return self.store.companies[number]

    def _check_context(self, request: Request, user: Record, number: int) -> None:
        """The accountant's header: the company itself, or the accountant's own (docs: api-key-practical-use)."""
        context = request.headers.get("contextpartyid")
        rule = self.switches["billit_context_party"]
        if context is None or rule == "ignore":
            return
        accepted = {str(number)}
        if rule == "accountant":
            accepted |= {str(company) for company in user.get("accountant_companies", [])}
        if context not in accepted:
            raise rejected(401, Refusal("ApiKeyNotValid"))


def _bearer(request: Request) -> str | None:
    """The token of an Authorization header, None without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
