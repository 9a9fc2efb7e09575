"""The control plane's page: what a visitor of the demo turns to break things and to watch toggbill recover.

Plain forms that work without JavaScript; each is answered by a redirect back to the page.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.sandbox import by_hand
from integrations.sandbox.billit.sending import sending
from integrations.sandbox.http.clock import moment, zulu
from integrations.sandbox.http.switches import SWITCHES
from integrations.sandbox.http.wire import Answer, Record, RejectedError, Request, Router, loads
from integrations.sandbox.page import hours, orders, parts
from integrations.sandbox.page.menus import PLACES
from integrations.sandbox.page.orders import EDITABLE
from integrations.sandbox.page.words import COOKIE, LANGUAGES, chosen, language, tr
from integrations.sandbox.server import Sandbox
from integrations.sandbox.worlds.files import WorldError

_FORM = "application/x-www-form-urlencoded"
# Nothing is loaded from anywhere; forms go back here only.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def same_origin(request: Request) -> bool:
    """A browser that sends a form names the page it stood on; one of another site is not heeded."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def register(router: Router[Any]) -> None:
    router.on("GET", "/")(show)
    router.on("GET", r"/page/order/(\d+)")(_one(_order_page))
    router.on("GET", r"/page/hour/(\d+)")(_one(_hour_page))
    router.on("GET", r"/page/request/(\d+)")(_one(_request_page))
    actions = {
        "world": _world,
        "clock": _clock,
        "fault": _fault,
        "faults/clear": _clear_faults,
        "plan": _plan,
        "quota": _quota,
        "switches": _switches,
        "log/clear": _clear_log,
        "order": _order,
        "hour": hours.change,
    }
    for name, action in actions.items():
        router.on("POST", f"/page/{name}")(_posted(action))


def show(sandbox: Sandbox, request: Request) -> Answer:
    language.set(chosen(request))
    sandbox.billit.settle()
    said = request.query.get("said", "")
    by_hand_parts = hours.hours(sandbox, request.query.get("hours", "")) + orders.orders(sandbox)
    return _page(request, parts.page(sandbox, said, wrong=request.query.get("wrong") == "1", middle=by_hand_parts))


def _page(request: Request, content: str) -> Answer:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY,
    }
    if request.query.get("lang") in LANGUAGES:
        headers["Set-Cookie"] = f"{COOKIE}={language.get()}; Path=/; HttpOnly; SameSite=Lax"
    return Answer(200, parts.whole(content).encode(), headers)


def _one(content: Any) -> Any:
    def handle(sandbox: Sandbox, request: Request, number: str) -> Answer:
        """A page of its own about one thing; of one that is not there, the way back."""
        language.set(chosen(request))
        sandbox.billit.settle()
        try:
            return _page(request, parts.back() + content(sandbox, int(number)))
        except KeyError as error:
            return Answer(303, headers={"Location": f"/?{urlencode({'said': f'There is no {error}.', 'wrong': '1'})}"})

    return handle


def _order_page(sandbox: Sandbox, number: int) -> str:
    return orders.order_page(sandbox, sandbox.billit.store.orders[number])


def _hour_page(sandbox: Sandbox, number: int) -> str:
    return hours.hour_page(sandbox, sandbox.toggl.store.entries[number])


def _request_page(sandbox: Sandbox, number: int) -> str:
    return parts.request_details({row["n"]: row for row in sandbox.journal.rows()}[number])


def _posted(action: Any) -> Any:
    def handle(sandbox: Sandbox, request: Request) -> Answer:
        """Does what the form asks and goes back to its part of the page, with a sentence on top."""
        language.set(chosen(request))
        form = dict(parse_qsl(request.raw.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            said, part = action(sandbox, form)
            query = {"said": said}
        except RejectedError as refusal:
            query, part = {"said": _reason(refusal), "wrong": "1"}, form.get("part", "")
        except (WorldError, ValueError, KeyError, TypeError, ArithmeticError) as error:
            text = f"There is no {error}." if isinstance(error, KeyError) else str(error)
            query, part = {"said": text, "wrong": "1"}, form.get("part", "")
        return Answer(303, headers={"Location": f"/?{urlencode(query)}#{part}"})

    return handle


def _reason(refusal: RejectedError) -> str:
    errors = loads(refusal.answer.content).get("errors", [{}])
    return str(errors[0].get("Description") or errors[0].get("Code") or "Billit refused.")


Said = tuple[str, str]  # a sentence, and the part of the page to show


def _world(sandbox: Sandbox, form: Record) -> Said:
    sandbox.replace(form["name"].strip())
    return tr(
        "The world {name} is loaded; orders, faults and switches start anew.", name=sandbox.frame["name"]
    ), "world"


def _clock(sandbox: Sandbox, form: Record) -> Said:
    how = form.get("how", "")
    if how == "real":
        by_hand.set_clock(sandbox, None)
    elif how == "set":
        by_hand.set_clock(sandbox, moment(form["now"].strip()))
    else:
        by_hand.set_clock(sandbox, sandbox.clock.now() + timedelta(minutes=int(form["minutes"])))
    return tr("It is {now} now in both services.", now=zulu(sandbox.clock.now())), "clock"


def _fault(sandbox: Sandbox, form: Record) -> Said:
    place = PLACES[form["place"]]
    fault: Record = {"kind": form["kind"], **place.meets}
    if form.get("tenant", "").strip():
        fault["tenant"] = form["tenant"].strip()
    number = form.get("number", "").strip()
    how = form.get("how", "next")
    if how == "next":
        fault["times"] = int(number or 1)
    elif how == "nth":
        fault["nth"] = int(number or 1)
    elif how == "chance":
        fault.update(probability=int(number or 50) / 100, seed=int(form.get("seed") or 0))
    if form.get("seconds", "").strip():
        fault["seconds"] = float(form["seconds"])
    if form.get("retry_after", "").strip():
        fault["retry_after"] = int(form["retry_after"])
    sandbox.faults.add(fault)
    return tr("From now on: {kind} at {place}.", kind=form["kind"], place=place.label), "faults"


def _clear_faults(sandbox: Sandbox, form: Record) -> Said:
    sandbox.faults.replace([])
    return tr("No faults any more."), "faults"


def _plan(sandbox: Sandbox, form: Record) -> Said:
    by_hand.set_plan(sandbox, int(form["organization"]), form["plan"])
    return tr(
        "The organisation {number} has the plan {plan} now.", number=form["organization"], plan=form["plan"]
    ), "quota"


def _quota(sandbox: Sandbox, form: Record) -> Said:
    organization = int(form["organization"]) if form["organization"] else None
    sandbox.toggl.set_quota(organization, int(form["remaining"]), int(form["resets_in"]))
    return tr(
        "{left} requests are left, for {seconds} seconds.", left=form["remaining"], seconds=form["resets_in"]
    ), "quota"


def _switches(sandbox: Sandbox, form: Record) -> Said:
    for name in SWITCHES:
        if name in form:
            sandbox.switches.set_text(name, form[name].strip())
    return tr("The switches are set."), "switches"


def _clear_log(sandbox: Sandbox, form: Record) -> Said:
    sandbox.journal.clear()
    return tr("The log is empty."), "log"


def _order(sandbox: Sandbox, form: Record) -> Said:
    """Somebody in Billit did this."""
    identity, action = int(form["order"]), form["action"]
    order = sandbox.billit.store.orders[identity]
    if action == "delete":
        by_hand.change_order(sandbox, identity, {"Deleted": True})
    elif action == "restore":
        by_hand.change_order(sandbox, identity, {"Deleted": False})
    elif action == "pay":
        by_hand.mark_paid(sandbox, identity)
    elif action == "finish":
        by_hand.finish_draft(sandbox, identity)
    elif action == "send":
        company = sandbox.billit.store.companies[order["CompanyID"]]
        sending.send_one(sandbox.billit.within(company), order, transport=None, at=sandbox.clock.local())
    elif action == "change":
        by_hand.change_order(sandbox, identity, {form["name"]: _value(form["name"], form["value"].strip())})
    else:
        raise ValueError(f"Nothing is called {action!r}.")
    sandbox.save()
    return tr("Somebody in Billit did this to order {number}: {action}.", number=identity, action=action), "orders"


def _value(name: str, text: str) -> Any:
    """The value of a changed member: an amount with two decimals, a day, or a text."""
    if name not in EDITABLE:
        raise ValueError(f"The member {name!r} cannot be changed here.")
    kind = EDITABLE[name]
    if kind == "amount":
        try:
            return Decimal(text.replace(",", ".")).quantize(Decimal("0.01"))
        except InvalidOperation:
            raise ValueError(f"{text!r} is no amount.") from None
    return f"{moment(text):%Y-%m-%d}T00:00:00" if kind == "day" else text
