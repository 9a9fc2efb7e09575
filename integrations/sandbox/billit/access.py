"""Billit's front door: credentials, the company of the PartyID header, used idempotency keys, routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.sandbox.billit.refusals import Refusal, generic, rejected
from integrations.sandbox.billit.store import Store
from integrations.sandbox.clock import Clock
from integrations.sandbox.pace import Pace
from integrations.sandbox.switches import Switches
from integrations.sandbox.wire import Answer, Record, RejectedError, Request, Router, html_answer, json_answer

KEY_HEADERS = ("idempotency-key", "idempotent-key")


@dataclass(slots=True)
class Call:
    """What a handler needs: the request, the user, the company he works in, and the store."""

    request: Request
    user: Record
    company: Record
    store: Store
    clock: Clock
    switches: Switches

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

    # --- idempotency: a key counts per company, for every write, from its first success ------------------------------

    def idempotency_key(self) -> str | None:
        known = str(self.switches["billit_idempotency_header"]).lower()
        names = KEY_HEADERS if known == "both" else (known,)
        return next((self.request.headers[name] for name in names if self.request.headers.get(name)), None)

    def refuse_used_key(self) -> None:
        """Raises RejectedError with 409, without the order's id, when this key has already had its success."""
        key = self.idempotency_key()
        if key is None:
            self.store.warn(self.company_id, "no idempotency key", self.request.path)
            return
        used = self.store.keys.get(f"{self.company_id}:{key}")
        if used is None:
            return
        lifetime = float(self.switches["billit_idempotency_seconds"])
        age = (self.clock.local() - datetime.fromisoformat(used)).total_seconds()
        if lifetime == 0 or age < lifetime:
            raise self.refuse(Refusal("Idempotent token already exists"), status=409)

    def burn_key(self) -> None:
        """Called after a success only: a failed attempt leaves its key free."""
        key = self.idempotency_key()
        if key is not None:
            self.store.keys[f"{self.company_id}:{key}"] = self.store.stamp()


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_null(item) for item in value)
    return value is None


router: Router[Call] = Router()
open_router: Router[Call] = Router()  # what Billit answers without credentials


class Billit:
    """The imitation as a whole: `answer` takes any request to the Billit port."""

    def __init__(self, store: Store, clock: Clock, switches: Switches) -> None:
        self.store = store
        self.clock = clock
        self.switches = switches
        self.pace = Pace()

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except RejectedError as refusal:
            return refusal.answer

    def _answer(self, request: Request) -> Answer:
        self.store.settle_deliveries(float(self.switches["billit_delivery_seconds"]))
        if found := open_router.find(request.method, request.path):
            nobody = Call(request, {}, {}, self.store, self.clock, self.switches)
            return found[0](nobody, *found[1])
        found = router.find(request.method, request.path)
        if found is None:
            if router.knows(request.path):
                text = f"The requested resource does not support http method '{request.method}'."
                raise RejectedError(json_answer({"Message": text}, 405))
            return html_answer(404, "404 - File or directory not found.")
        user = self._user(request)
        credential = request.headers.get("apikey") or request.headers.get("authorization", "")
        self.pace.take(credential, float(self.switches["billit_per_second"]))
        company = self._company(request, user)
        return found[0](Call(request, user, company, self.store, self.clock, self.switches), *found[1])

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
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = next((user for user in self.store.users if token and user.get("bearer") == token), None)
            if user is None:
                raise rejected(401, Refusal("InvalidAccessToken"))
            return user
        raise rejected(401, Refusal("ApiKeyNotValid"))

    def _company(self, request: Request, user: Record) -> Record:
        """The company of the PartyID header. Without one it is the user's first: an accident that Billit allows."""
        given = request.headers.get("partyid")
        denied = Refusal("AccessDenied", text="You have no access to this company.")
        if given is None:
            if self.switches["billit_missing_party"] == "refuse" and len(user["companies"]) > 1:
                raise rejected(401, denied, language=str(user.get("language", "EN")))
            if not request.path.startswith("/v1/account/accountInformation"):
                self.store.warn(None, "no PartyID header", request.path)
            number = int(user["companies"][0])
        else:
            number = int(given) if given.strip().isdigit() else 0
            if number not in user["companies"]:
                raise rejected(401, denied, language=str(user.get("language", "EN")))
        context = request.headers.get("contextpartyid")
        own = {str(number), *(str(company) for company in user.get("accountant_companies", []))}
        if context is not None and context not in own:
            raise rejected(401, Refusal("ApiKeyNotValid"))
        return self.store.companies[number]
