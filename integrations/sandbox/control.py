"""The control plane: how tests and the demo set the scene and look behind it. JSON over a port of its own.

Its `GET /` is a page for people (page.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.sandbox import by_hand
from integrations.sandbox.billit.orders import orders, reading
from integrations.sandbox.http.clock import moment, zulu
from integrations.sandbox.http.faults import KINDS
from integrations.sandbox.http.switches import SWITCHES
from integrations.sandbox.http.wire import (
    Answer,
    Record,
    RejectedError,
    Request,
    Router,
    Server,
    html_answer,
    json_answer,
)
from integrations.sandbox.page import page
from integrations.sandbox.server import Sandbox
from integrations.sandbox.worlds.files import WorldError

router: Router[Any] = Router()
page.register(router)
# After one of these the state file is written.
_CHANGES = frozenset({"POST", "DELETE"})


def serve(sandbox: Sandbox, port: int = 0) -> Server:
    def answer(request: Request) -> Answer:
        return _answer(sandbox, request)

    return Server("control", port, answer, after=sandbox.deliveries.release)


def _answer(sandbox: Sandbox, request: Request) -> Answer:
    found = router.find(request.method, request.path)
    if found is None:
        return _wrong(f"The control plane has no {request.method} {request.path}.", 404)
    if not page.same_origin(request):
        return html_answer(403, "This form was sent from another site.")
    with sandbox.lock:
        try:
            result = found[0](sandbox, request, *found[1])
            if request.method in _CHANGES:
                sandbox.save()
        except RejectedError as rejected:
            return rejected.answer
        except WorldError as error:
            return _wrong(str(error))
        except RecursionError:
            return _wrong("The JSON is nested too deeply.")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            return _wrong(f"{type(error).__name__}: {error}")
    return result


def _wrong(text: str, status: int = 400) -> Answer:
    return json_answer({"error": text}, status)


@router.on("POST", "/world")
def set_world(sandbox: Sandbox, request: Request) -> Answer:
    """A name, {"name", "now"} for a named world at a moment, or a full world. Without "now" the clock is real."""
    body = request.body()
    name = body if isinstance(body, str) else body.get("name") if "toggl" not in body else None
    now = moment(body["now"]) if isinstance(body, dict) and body.get("now") else None
    sandbox.replace(body if name is None else str(name), now)
    return json_answer({"name": sandbox.frame["name"], "onboarding": sandbox.onboarding})


@router.on("GET", "/world")
def get_world(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer(sandbox.world())


@router.on("GET", "/onboarding")
def get_onboarding(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer({"onboarding": sandbox.onboarding})


@router.on("POST", "/clock")
def set_clock(sandbox: Sandbox, request: Request) -> Answer:
    text = request.body()["now"]
    by_hand.set_clock(sandbox, moment(text) if text else None)
    return json_answer({"now": zulu(sandbox.clock.now())})


@router.on("GET", "/clock")
def get_clock(sandbox: Sandbox, request: Request) -> Answer:
    """Now, and whether that moment is fixed."""
    return json_answer({"now": zulu(sandbox.clock.now()), "fixed": sandbox.clock.fixed is not None})


@router.on("GET", "/log")
def get_log(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer(sandbox.journal.rows(request.query.get("service")))


@router.on("DELETE", "/log")
def clear_log(sandbox: Sandbox, request: Request) -> Answer:
    sandbox.journal.clear()
    return json_answer({})


@router.on("GET", "/deliveries")
def get_deliveries(sandbox: Sandbox, request: Request) -> Answer:
    """Webhooks and pings, oldest first: each with its attempts and, as "due", when the next one is (None: none)."""
    return json_answer(sandbox.deliveries.rows(request.query.get("service")))


@router.on("GET", "/lint")
def get_lint(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer(sandbox.billit.store.lint)


@router.on("POST", "/quota")
def set_quota(sandbox: Sandbox, request: Request) -> Answer:
    body = request.body()
    organization = body.get("organization")
    sandbox.toggl.set_quota(organization, int(body["remaining"]), int(body["resets_in"]))
    return json_answer({})


@router.on("POST", "/plan")
def set_plan(sandbox: Sandbox, request: Request) -> Answer:
    body = request.body()
    by_hand.set_plan(sandbox, int(body["organization"]), str(body["plan"]))
    return json_answer({})


@router.on("GET", "/quota")
def get_quota(sandbox: Sandbox, request: Request) -> Answer:
    """Everybody's budgets: {"user", "name", "organization" (None = one's own), "total", "remaining", "resets_in"}."""
    return json_answer(by_hand.quotas(sandbox))


@router.on("POST", "/switches")
def set_switches(sandbox: Sandbox, request: Request) -> Answer:
    for name, value in request.body().items():
        sandbox.switches.set(name, value)
    return json_answer(sandbox.switches.values)


@router.on("GET", "/switches")
def get_switches(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer(sandbox.switches.values)


@router.on("GET", "/switches/all")
def describe_switches(sandbox: Sandbox, request: Request) -> Answer:
    """Every switch with its value, default, meaning and choices."""
    return json_answer(
        {
            name: {
                "value": sandbox.switches[name],
                "default": switch.default,
                "meaning": switch.meaning,
                "choices": list(switch.choices),
            }
            for name, switch in SWITCHES.items()
        }
    )


@router.on("GET", "/faults")
def get_faults(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer({"kinds": KINDS, "faults": sandbox.faults.told()})


@router.on("POST", "/faults")
def set_faults(sandbox: Sandbox, request: Request) -> Answer:
    sandbox.faults.replace(request.body())
    return json_answer({})


@router.on("DELETE", "/faults")
def clear_faults(sandbox: Sandbox, request: Request) -> Answer:
    sandbox.faults.replace([])
    return json_answer({})


# --- Billit ---------------------------------------------------------------------------------------------------------


@router.on("GET", "/orders")
def get_orders(sandbox: Sandbox, request: Request) -> Answer:
    """Full orders of one company (or all), oldest first, deleted ones too; each says "Deleted"."""
    party = request.query.get("party")
    sandbox.billit.settle()
    store = sandbox.billit.store
    rows = []
    for order in sorted(store.orders.values(), key=lambda row: int(row["OrderID"])):
        if party is None or order["CompanyID"] == int(party):
            call = sandbox.billit.call(request, {}, store.companies.get(order["CompanyID"], {}))
            rows.append({**reading.full(call, order), "Deleted": bool(order.get("_deleted"))})
    return json_answer(rows)


@router.on("POST", "/orders/(\\d+)")
def change_order(sandbox: Sandbox, request: Request, identity: str) -> Answer:
    """Merges fields into an order, as a person in My Billit could; "Deleted" deletes or brings back."""
    by_hand.change_order(sandbox, int(identity), request.body())
    return json_answer({})


@router.on("POST", "/billit/drafts")
def put_drafts(sandbox: Sandbox, request: Request) -> Answer:
    """Drafts as My Billit saves them, which the API cannot make: order bodies, each with its "CompanyID"."""
    ids = []
    for row in _rows(request):
        company = sandbox.billit.store.companies[int(row.pop("CompanyID"))]
        ids.append(orders.seed_draft(sandbox.billit.within(company), row))
    return json_answer({"ids": ids})


@router.on("POST", "/billit/oauth_clients")
def put_oauth_clients(sandbox: Sandbox, request: Request) -> Answer:
    """OAuth clients: {"client_id", "client_secret", "redirect_uris", "name"?}, replaced by client_id."""
    store = sandbox.billit.store
    for row in _rows(request):
        if not isinstance(row["redirect_uris"], list) or not row["client_secret"]:
            raise ValueError("An OAuth client has a client_secret and a list of redirect_uris.")
        kept = [client for client in store.oauth_clients if client["client_id"] != row["client_id"]]
        store.oauth_clients[:] = [*kept, row]
    return json_answer({})


@router.on("POST", "/billit/expire_tokens")
def expire_tokens(sandbox: Sandbox, request: Request) -> Answer:
    """Every access token of OAuth is past its hour now."""
    for token in sandbox.billit.store.tokens.values():
        token["expires"] = sandbox.clock.now().isoformat()
    return json_answer({})


@router.on("GET", "/outbox")
def get_outbox(sandbox: Sandbox, request: Request) -> Answer:
    sandbox.billit.settle()
    return json_answer(sandbox.billit.store.outbox)


def _put_billit(kind: str) -> Callable[[Sandbox, Request], Answer]:
    def put(sandbox: Sandbox, request: Request) -> Answer:
        return json_answer({"ids": sandbox.billit.store.put(kind, _rows(request))})

    return put


def _put_toggl(kind: str) -> Callable[[Sandbox, Request], Answer]:
    def put(sandbox: Sandbox, request: Request) -> Answer:
        return json_answer({"ids": by_hand.put_toggl(sandbox, kind, _rows(request))})

    return put


def _rows(request: Request) -> list[Record]:
    """One object or a list of them."""
    body = request.body()
    return [body] if isinstance(body, dict) else list(body)


for _kind in ("companies", "products", "parties"):
    router.on("POST", f"/billit/{_kind}")(_put_billit(_kind))
for _kind in ("clients", "projects", "tags", "users", "workspaces", "organizations"):
    router.on("POST", f"/toggl/{_kind}")(_put_toggl(_kind))


@router.on("POST", "/billit/peppol")
def put_peppol(sandbox: Sandbox, request: Request) -> Answer:
    """Registers receivers: {"number", "documents"?, "behaviour"?}; "registered": false takes one away."""
    for row in _rows(request):
        if row.pop("registered", True):
            sandbox.billit.store.peppol[str(row["number"])] = row
        else:
            sandbox.billit.store.peppol.pop(str(row["number"]), None)
    return json_answer({})


# --- Toggl ----------------------------------------------------------------------------------------------------------


@router.on("POST", "/toggl/entries")
def put_entries(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer({"ids": by_hand.put_entries(sandbox, _rows(request))})


@router.on("DELETE", "/toggl/entries")
def delete_entries(sandbox: Sandbox, request: Request) -> Answer:
    return json_answer({"ids": by_hand.delete_entries(sandbox, request.body()["ids"])})
