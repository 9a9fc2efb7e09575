"""The steps at which a process that bills is killed. Arming one wraps a function of the product from outside.

Of several requests it is mostly the second that meets the step: one has gone well before it, another waits behind it.
A command posts invoice by invoice, a worker those of a dossier together: claimed at once, settled at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

import requests
from django.db.models import QuerySet

from integrations.clients import billit
from integrations.mirror import writing
from integrations.models import Entry
from invoicing.annexes import freeze
from invoicing.corrections import replace
from invoicing.drafting import drafts, draws, runs
from invoicing.ledger.states import transitions
from invoicing.models import Attempt, Claim, Deduction, LedgerRow
from invoicing.posting import post, read_first, recover
from invoicing.posting.sending import send as sending
from toggbill.firms import audit

Only = Callable[..., bool]
Arm = Callable[[], None]


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives on")


def _wrap(owner: Any, name: str, *, when: str, nth: int = 1, only: Only = lambda *_, **__: True) -> Arm:
    """Arming: the n-th call of ``owner.name`` that ``only`` accepts ends the process, before or after its work.

    A call that raises is made again by its caller and does not count: a page with tags that were never seen is one.
    """
    assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: the step has moved"

    def arm() -> None:
        original, met = getattr(owner, name), 0

        def wrapped(*args: Any, **keywords: Any) -> Any:
            nonlocal met
            met += only(*args, **keywords)
            due = met == nth and only(*args, **keywords)
            if due and when == "before":
                _die()
            try:
                result = original(*args, **keywords)
            except Exception:
                met -= only(*args, **keywords)
                raise
            if due:
                _die()
            return result

        setattr(owner, name, wrapped)

    return arm


def _request(method: str, path: str) -> Only:
    """A request whose address ends so, or whose last part is a number where ``path`` ends with a slash."""

    def asked(_session: object, request: requests.PreparedRequest, **_: object) -> bool:
        address = str(request.url)
        if path.endswith("/"):
            address = address.rstrip("0123456789")
        return request.method == method and address.endswith(path)

    return asked


def _unread(only: Only, nth: int = 2) -> Arm:
    """Billit has committed and its answer has begun; its body was not read."""

    def arm() -> None:
        _wrap(requests.Session, "send", when="after", nth=nth, only=only)()
        wrapped = requests.Session.send

        def send(session: requests.Session, request: requests.PreparedRequest, **keywords: Any) -> requests.Response:
            keywords["stream"] = keywords.get("stream", False) or only(session, request)
            return wrapped(session, request, **keywords)

        requests.Session.send = send  # type: ignore[method-assign,assignment]  # from outside, on purpose

    return arm


def _rows_of(model: type) -> Only:
    return lambda rows, *_, **__: rows.model is model


def _news(type: str) -> Only:
    """An audit record with an event of this type."""
    return lambda **keywords: any(news.type == type for news in keywords["news"])


def _adopted(attempt: Attempt, *_: object, **__: object) -> bool:
    """An attempt that was looked up and found done; its transaction is not over yet."""
    return attempt.outcome == Attempt.Outcome.ADOPTED


def _given_up(attempt: Attempt, *_: object, **__: object) -> bool:
    """An attempt that was looked up and had not arrived; its transaction is not over yet."""
    return attempt.outcome == Attempt.Outcome.ABSENT


_order = _request("POST", "/v1/orders")
_sending = _request("POST", "/v1/orders/commands/send")
_deletion = _request("DELETE", "/v1/orders/")

READING = {
    "inside the mirroring of a page": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(Entry)),
    "after a mirrored page": _wrap(writing, "entries", when="after"),
    "inside the deriving": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(LedgerRow)),
}
DRAFTING = {
    "inside the drafting": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(Claim)),
    "inside the approval": _wrap(audit, "record", when="before", nth=2, only=_news("invoice_approved")),
    "before the claim": _wrap(post, "_claim", when="before"),
}
FREEZING = {
    "before an annex is stored": _wrap(freeze, "_store", when="before"),
    "inside the storing of an annex": _wrap(audit, "record", when="before", only=_news("annex_frozen")),
    "after an annex is stored": _wrap(freeze, "_store", when="after"),
}
SETTLING = {
    "inside the settling of advances": _wrap(QuerySet, "bulk_create", when="after", only=_rows_of(Deduction)),
}
# What only agreements have: claims of covered and of prepaid hours, a line that a person writes down.
BY_AGREEMENT = {
    "inside the listing of covered hours": _wrap(drafts, "hang", when="after", only=lambda hung, *_: bool(hung)),
    "inside the drawing of a block": _wrap(draws, "write", when="after", only=lambda drawn, *_: bool(drawn)),
    "inside the writing down of a line": _wrap(audit, "record", when="before", only=_news("line_written")),
}
POSTING = {
    "after the claim": _wrap(post, "_claim", when="after"),
    "before the request": _wrap(requests.Session, "send", when="before", nth=2, only=_order),
    "before the answer is read": _unread(_order),
    "after the answer": _wrap(billit.Api, "create_order", when="after", nth=2),
    "inside the settling": _wrap(transitions, "invoiced", when="after"),
}
# The answer to the second order was lost.
LOOKING_UP = {
    "before the look-up": _wrap(billit.Api, "find_orders", when="before"),
    "between the look-ups": _wrap(billit.Api, "find_deleted_orders", when="before"),
    "before the adoption": _wrap(recover, "_agrees", when="after"),
    "inside the adoption": _wrap(audit, "record", when="before", only=_news("invoice_adopted")),
}
# The second order never arrived.
MISSING = {
    "inside the giving up": _wrap(Attempt, "save", when="after", only=_given_up),
}
READING_BACK = {
    "before the totals are read": _wrap(billit.Api, "orders_between", when="before"),
    "while totals are noted": _wrap(read_first, "note_order", when="after", nth=2),
}

SENDING = {
    "before the orders to send are read": _wrap(read_first, "read", when="before"),
    "after the orders to send were read": _wrap(read_first, "read", when="after"),
    "after what they say was taken over": _wrap(read_first, "take_over", when="after"),
    "before the claim of a sending": _wrap(sending, "_claim", when="before", nth=2),
    "after the claim of a sending": _wrap(sending, "_claim", when="after", nth=2),
    "before a sending is asked": _wrap(requests.Session, "send", when="before", nth=2, only=_sending),
    "before the answer to a sending is read": _unread(_sending),
    "after the answer to a sending": _wrap(billit.Api, "send_order", when="after", nth=2),
    "inside the settling of a sending": _wrap(audit, "record", when="before", nth=2, only=_news("invoice_sent")),
}
# The answer to the second sending was lost, or that sending never arrived.
FINDING_A_SENDING = {
    "before the look-up of a sending": _wrap(sending, "_look", when="before"),
    "after the look-up of a sending": _wrap(sending, "_look", when="after"),
    "inside the adoption of a sending": _wrap(Attempt, "save", when="after", only=_adopted),
}
MISSING_A_SENDING = {
    "inside the giving up of a sending": _wrap(Attempt, "save", when="after", only=_given_up),
    "after the giving up of a sending": _wrap(
        sending, "_settle", when="after", only=lambda *args, **_: args[3] == Attempt.Outcome.ABSENT
    ),
}

DELETING = {
    "before the claim of a deletion": _wrap(replace, "_claim", when="before", nth=2),
    "after the claim of a deletion": _wrap(replace, "_claim", when="after", nth=2),
    "before a deletion is asked": _wrap(requests.Session, "send", when="before", nth=2, only=_deletion),
    "before the answer to a deletion is read": _unread(_deletion),
    "after the answer to a deletion": _wrap(billit.Api, "delete_order", when="after", nth=2),
    "inside the settling of a deletion": _wrap(runs, "draft_again", when="after", nth=2),
}
# Two orders were looked at before their deletion: the third look is the look-up.
FINDING_A_DELETION = {
    "before the look-up of a deletion": _wrap(replace, "_place", when="before", nth=3),
    "after the look-up of a deletion": _wrap(replace, "_place", when="after", nth=3),
    "inside the adoption of a deletion": _wrap(runs, "draft_again", when="after", nth=2),
}
MISSING_A_DELETION = {
    "inside the giving up of a deletion": _wrap(Attempt, "save", when="after", only=_given_up),
    "after the giving up of a deletion": _wrap(replace, "_give_up", when="after"),
}

CREDITING = {
    "after the claim of a credit note": _wrap(post, "_claim", when="after"),
    "before a credit note is asked": _wrap(requests.Session, "send", when="before", nth=2, only=_order),
    "before the answer to a credit note is read": _unread(_order),
    "after the answer to a credit note": _wrap(billit.Api, "create_order", when="after", nth=2),
    "inside the settling of a credit note": _wrap(transitions, "credited", when="after", nth=2),
}
# The second of the credit notes that a person drafts: its lines and what they take back are written.
DRAFTING_A_CREDIT_NOTE = {
    "inside the drafting of a credit note": _wrap(audit, "record", when="before", nth=2, only=_news("invoice_drafted")),
}
FINDING_A_CREDIT_NOTE = {
    "inside the adoption of a credit note": _wrap(audit, "record", when="before", only=_news("invoice_adopted")),
}

# What Billit does to the second request of a dossier whose process is killed at such a step.
_LOST: tuple[tuple[dict[str, Arm], str, str, str], ...] = (
    (LOOKING_UP, "cut_after", "POST", "^/v1/orders$"),
    (MISSING, "cut_before", "POST", "^/v1/orders$"),
    (FINDING_A_SENDING, "cut_after", "POST", "^/v1/orders/commands/send$"),
    (MISSING_A_SENDING, "cut_before", "POST", "^/v1/orders/commands/send$"),
    (FINDING_A_DELETION, "cut_after", "DELETE", r"^/v1/orders/\d+$"),
    (MISSING_A_DELETION, "cut_before", "DELETE", r"^/v1/orders/\d+$"),
    (FINDING_A_CREDIT_NOTE, "cut_after", "POST", "^/v1/orders$"),
)
FAULTS: dict[str, dict[str, str | int]] = {
    step: {"service": "billit", "kind": kind, "method": method, "path": path, "nth": 2}
    for steps, kind, method, path in _LOST
    for step in steps
}
STEPS: dict[str, Arm] = {
    **READING,
    **DRAFTING,
    **SETTLING,
    **BY_AGREEMENT,
    **FREEZING,
    **POSTING,
    **LOOKING_UP,
    **MISSING,
    **READING_BACK,
    **SENDING,
    **FINDING_A_SENDING,
    **MISSING_A_SENDING,
    **DELETING,
    **FINDING_A_DELETION,
    **MISSING_A_DELETION,
    **DRAFTING_A_CREDIT_NOTE,
    **CREDITING,
    **FINDING_A_CREDIT_NOTE,
}
