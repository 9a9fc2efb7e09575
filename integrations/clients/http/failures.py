"""What goes wrong between toggbill and the two services: a code with facts, never a sentence (design D11).

A row keeps code and facts; the sentence is made when somebody reads it, by `sentence`: in English for logs and
commands (`english`), in the reader's language by `connections.failures`. What a vendor said in its own words is the
fact `said`, which nobody translates. A fact may be a message of its own (what was asked for, what came instead).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Facts = Mapping[str, Any]
"""JSON values by name; a message in it is `{"code": ..., "facts": {...}}`. A moment is ISO 8601 and called `at`."""


@dataclass(frozen=True, slots=True)
class Message:
    """A code of a closed list, and the facts that its sentence has places for."""

    code: str
    facts: Facts = field(default_factory=dict)

    def __post_init__(self) -> None:
        facts = {name: value.data() if isinstance(value, Message) else value for name, value in self.facts.items()}
        object.__setattr__(self, "code", str(self.code))
        object.__setattr__(self, "facts", facts)

    def data(self) -> dict[str, Any]:
        """As JSON: how it stands in an audit event, and within the facts of another message."""
        return {"code": self.code, "facts": dict(self.facts)}

    def masked(self, secret: str) -> Message:
        """The same without a secret that a vendor's words may have repeated."""
        return Message(self.code, _masked(self.facts, secret)) if secret else self


Purpose = Message | str
"""What a call is for, as it completes "Billit refused ...". A text is a request of `probe`, shown as it is."""


class Code(StrEnum):
    """Why a call did not do its work, and why a connection does not: what a row may hold."""

    # what came of a call
    UNREADABLE = "unreadable"
    UNCLEAR = "unclear"
    REFUSED = "refused"
    MALFORMED_CREDENTIAL = "malformed_credential"
    LED_ELSEWHERE = "led_elsewhere"
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"
    NOT_REACHED = "not_reached"
    NO_ANSWER = "no_answer"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a code, not a token
    BUDGET_SPENT = "budget_spent"
    PLAN_FEATURE = "plan_feature"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a token
    CREDENTIAL_REFUSED = "credential_refused"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGN_IN_NOT_RENEWED = "sign_in_not_renewed"
    SIGN_IN_NOT_ENDED = "sign_in_not_ended"
    # what becomes of a connection
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code, not a secret
    CONNECTION_REMOVED = "connection_removed"
    CONNECTION_PAUSED = "connection_paused"
    CONNECTION_RESTS = "connection_rests"
    RENEWAL_FAILED = "renewal_failed"
    CLIENT_REFUSED = "client_refused"
    SIGN_IN_LOST = "sign_in_lost"
    SIGN_IN_OVER = "sign_in_over"
    # what hinders a reading or a webhook
    BUSY = "busy"
    WORKER_STOPS = "worker_stops"
    QUOTA_USED_UP = "quota_used_up"
    NO_LONGER_ADMIN = "no_longer_admin"
    WEBHOOK_NOT_VALIDATED = "webhook_not_validated"
    # words of which no code is known: what an earlier version wrote, and what `probe` says
    OTHER = "other"


class Asked(StrEnum):
    """What a call was for; within the fact `what` of a message."""

    PROFILE = "asked_profile"
    WORKSPACES = "asked_workspaces"
    ORGANISATIONS = "asked_organisations"
    CLIENTS = "asked_clients"
    TAGS = "asked_tags"
    TAGGING = "asked_tagging"
    PROJECTS = "asked_projects"
    TOTAL = "asked_total"
    ENTRIES = "asked_entries"
    COMPANIES = "asked_companies"
    PRODUCTS = "asked_products"
    CUSTOMERS = "asked_customers"
    CUSTOMERS_BY_NUMBER = "asked_customers_by_number"
    COMPANY_SEARCH = "asked_company_search"
    PEPPOL = "asked_peppol"
    ORDERS = "asked_orders"
    ORDER = "asked_order"
    NEW_ORDER = "asked_new_order"
    SENDING = "asked_sending"
    DELETION = "asked_deletion"
    SIGN_IN = "asked_sign_in"
    RENEWAL = "asked_renewal"
    END_OF_SIGN_IN = "asked_end_of_sign_in"
    NEW_TOGGL_WEBHOOK = "asked_new_toggl_webhook"
    TOGGL_WEBHOOKS = "asked_toggl_webhooks"
    END_OF_TOGGL_WEBHOOK = "asked_end_of_toggl_webhook"
    NEW_BILLIT_WEBHOOK = "asked_new_billit_webhook"
    BILLIT_WEBHOOKS = "asked_billit_webhooks"
    END_OF_BILLIT_WEBHOOK = "asked_end_of_billit_webhook"


class Detail(StrEnum):
    """What came instead of what was expected; within a fact of a message. `field` is the path in the JSON."""

    TOO_LATE = "too_late"
    CUT = "cut"
    USED_BEFORE = "used_before"
    STATUS = "status"
    NO_REASON = "no_reason"
    NOT_YOURS = "not_yours"
    OWNERS_BUDGET = "owners_budget"
    ORGANISATIONS_BUDGET = "organisations_budget"
    NOT_JSON = "not_json"
    MISSING = "missing"
    NOT_OBJECT = "not_object"
    NOT_LIST = "not_list"
    NOT_WHOLE = "not_whole"
    NOT_NUMBER = "not_number"
    TOO_LARGE = "too_large"
    NOT_TEXT = "not_text"
    NOT_FLAG = "not_flag"
    NOT_MOMENT = "not_moment"
    NOT_DAY = "not_day"
    NOT_TEXTS = "not_texts"
    NOT_WHOLE_NUMBERS = "not_whole_numbers"
    NAMELESS_TAG = "nameless_tag"
    SAME_PAGE = "same_page"
    OTHER_HOST = "other_host"
    NO_ORDER_ID = "no_order_id"
    NO_CONFIRMATION = "no_confirmation"
    NO_TOKENS = "no_tokens"
    NO_SUBSCRIPTION = "no_subscription"
    NO_SECRET = "no_secret"  # noqa: S105 - a code, not a secret


def gettext_noop(text: str) -> str:
    """Marks a text for `makemessages`, as Django's function of this name does."""
    return text


SENTENCES: dict[str, str] = {
    Code.UNREADABLE: gettext_noop(
        "%(service)s answered %(what)s with something that toggbill cannot read: %(detail)s. Nothing was changed; "
        "it will be asked again, and if this stays, tell the maintainers of toggbill."
    ),
    Code.UNCLEAR: gettext_noop(
        "%(service)s did not clearly answer %(what)s: %(detail)s. It may have been done all the same: "
        "look in %(service)s before it is tried again."
    ),
    Code.REFUSED: gettext_noop("%(service)s refused %(what)s: %(said)s. Mend what it names, then try again."),
    Code.MALFORMED_CREDENTIAL: gettext_noop(
        "The %(service)s credential holds blanks or characters that no credential has. "
        "Copy it again and enter it anew for this connection."
    ),
    Code.LED_ELSEWHERE: gettext_noop(
        "%(service)s led to another address for %(what)s. Nothing was sent there. "
        "If this stays, tell the maintainers of toggbill."
    ),
    Code.TOO_MANY_REQUESTS: gettext_noop(
        "%(service)s was asked too often in a short time and did not take %(what)s. "
        "Nothing was changed; it will be tried again later."
    ),
    Code.SERVER_ERROR: gettext_noop(
        "%(service)s has a fault of its own and did not answer %(what)s. Nothing was changed; it will be tried again "
        "later. If this stays, ask %(service)s."
    ),
    Code.NOT_REACHED: gettext_noop(
        "%(service)s could not be reached for %(what)s. Nothing was sent; it will be tried again later. "
        "If this stays, check the network and the service's address in the settings."
    ),
    Code.NO_ANSWER: gettext_noop(
        "%(service)s was asked for %(what)s, but %(detail)s. Nothing was changed; it will be tried again later."
    ),
    Code.TOKEN_REFUSED: gettext_noop(
        "Toggl does not accept the API token. Copy the token from the Toggl profile page again "
        "and enter it for this connection."
    ),
    Code.BUDGET_SPENT: gettext_noop(
        "Toggl's hourly budget of requests for %(whose)s is used up, so it did not give %(what)s. "
        "It opens again in %(n)s seconds; toggbill goes on then."
    ),
    Code.PLAN_FEATURE: gettext_noop(
        "Toggl's plan does not include what is needed for %(what)s: %(said)s. Upgrade the plan at Toggl, or do without."
    ),
    Code.TOKEN_EXPIRED: gettext_noop(
        "Billit's access token ended before %(what)s was asked. Nothing was changed; it is renewed and asked again."
    ),
    Code.CREDENTIAL_REFUSED: gettext_noop(
        "Billit does not accept the credential of this connection. Enter a new key, or sign in to Billit again."
    ),
    Code.SIGN_IN_REFUSED: gettext_noop(
        "Billit did not accept the sign-in: it took more than ten minutes, or was used already. Sign in again."
    ),
    Code.SIGN_IN_NOT_RENEWED: gettext_noop(
        "Billit no longer accepts the sign-in of this connection. Sign in to Billit again."
    ),
    Code.SIGN_IN_NOT_ENDED: gettext_noop("Billit did not end the sign-in: it had ended already."),
    Code.SECRET_UNREADABLE: gettext_noop(
        "The stored credential of %(connection)s cannot be read: its key is not among FIELD_ENCRYPTION_KEYS, or it was "
        "written for another row. Enter it anew on the page Connections."
    ),
    Code.CONNECTION_REMOVED: gettext_noop(
        "The connection %(connection)s was removed. Connect it again on the page Connections."
    ),
    Code.CONNECTION_PAUSED: gettext_noop("The connection %(connection)s is paused. Resume it on the page Connections."),
    Code.CONNECTION_RESTS: gettext_noop(
        "%(connection)s failed %(n)s times in a row and is tried again at %(time)s UTC."
    ),
    Code.RENEWAL_FAILED: gettext_noop(
        "The sign-in of %(connection)s could not be renewed: %(why)s It is tried again; "
        "if it stays, sign in to Billit again on the page Connections."
    ),
    Code.CLIENT_REFUSED: gettext_noop(
        "Billit did not renew the sign-in, and it is not the sign-in that is wrong. Whoever runs "
        "toggbill checks BILLIT_CLIENT_ID and BILLIT_CLIENT_SECRET; it is tried again."
    ),
    Code.SIGN_IN_LOST: gettext_noop(
        "The sign-in of %(connection)s has ended: an answer of Billit was lost on %(day)s at %(time)s UTC, and Billit "
        "gives each only once. Sign in to Billit again: %(page)s"
    ),
    Code.SIGN_IN_OVER: gettext_noop("The sign-in of %(connection)s has ended. Sign in to Billit again: %(page)s"),
    Code.WORKER_STOPS: gettext_noop("The worker is being ended, so it was not sent. Another worker goes on at once."),
    Code.BUSY: gettext_noop("%(what)s is being read by another process at this moment. Try again in a minute."),
    Code.QUOTA_USED_UP: gettext_noop(
        "Toggl takes no more requests for workspace %(workspace)s until %(time)s UTC. It is not read before then."
    ),
    Code.NO_LONGER_ADMIN: gettext_noop(
        "The token of %(connection)s is no longer an admin's in Toggl workspace %(workspace)s, so it shows only "
        "part of the hours. Make its owner an admin there, or connect an admin's token; nothing was deleted."
    ),
    Code.WEBHOOK_NOT_VALIDATED: gettext_noop(
        "Toggl made the webhook of %(name)s, but did not accept our answer to its call, so it would never call. "
        "Check that %(address)s can be reached from outside, then try again."
    ),
    Code.OTHER: "%(said)s",
    Asked.PROFILE: gettext_noop("the profile of the token's owner"),
    Asked.WORKSPACES: gettext_noop("the list of workspaces"),
    Asked.ORGANISATIONS: gettext_noop("the list of organisations"),
    Asked.CLIENTS: gettext_noop("the clients of workspace %(id)s"),
    Asked.TAGS: gettext_noop("the tags of workspace %(id)s"),
    Asked.TAGGING: gettext_noop("a change of tags in workspace %(id)s"),
    Asked.PROJECTS: gettext_noop("the projects of workspace %(id)s"),
    Asked.TOTAL: gettext_noop("the total of workspace %(id)s"),
    Asked.ENTRIES: gettext_noop("the time entries of workspace %(id)s"),
    Asked.COMPANIES: gettext_noop("the list of companies"),
    Asked.PRODUCTS: gettext_noop("the list of products"),
    Asked.CUSTOMERS: gettext_noop("the list of customers"),
    Asked.CUSTOMERS_BY_NUMBER: gettext_noop("the customers with number %(number)s"),
    Asked.COMPANY_SEARCH: gettext_noop("the search for company %(words)s"),
    Asked.PEPPOL: gettext_noop("the Peppol registration of %(number)s"),
    Asked.ORDERS: gettext_noop("a list of orders"),
    Asked.ORDER: gettext_noop("order %(order)s"),
    Asked.NEW_ORDER: gettext_noop("the new order %(order)s"),
    Asked.SENDING: gettext_noop("the sending of order %(order)s"),
    Asked.DELETION: gettext_noop("the deletion of order %(order)s"),
    Asked.SIGN_IN: gettext_noop("the sign-in"),
    Asked.RENEWAL: gettext_noop("the renewal of the sign-in"),
    Asked.END_OF_SIGN_IN: gettext_noop("the end of the sign-in"),
    Asked.NEW_TOGGL_WEBHOOK: gettext_noop("the new webhook of workspace %(id)s"),
    Asked.TOGGL_WEBHOOKS: gettext_noop("the webhooks of workspace %(id)s"),
    Asked.END_OF_TOGGL_WEBHOOK: gettext_noop("the end of a webhook of workspace %(id)s"),
    Asked.NEW_BILLIT_WEBHOOK: gettext_noop("the new webhook"),
    Asked.BILLIT_WEBHOOKS: gettext_noop("the list of webhooks"),
    Asked.END_OF_BILLIT_WEBHOOK: gettext_noop("the end of a webhook"),
    Detail.TOO_LATE: gettext_noop("no answer came in time"),
    Detail.CUT: gettext_noop("the connection broke before the answer was complete"),
    Detail.USED_BEFORE: gettext_noop("the same was asked before"),
    Detail.STATUS: gettext_noop("it reported a fault of its own"),
    Detail.NO_REASON: gettext_noop("no reason given"),
    Detail.NOT_YOURS: gettext_noop("the id does not exist or belongs to another company"),
    Detail.OWNERS_BUDGET: gettext_noop("the token's owner"),
    Detail.ORGANISATIONS_BUDGET: gettext_noop("the organisation"),
    Detail.NOT_JSON: gettext_noop("it is a text or a page in the place of data"),
    Detail.MISSING: gettext_noop("%(field)s is missing"),
    Detail.NOT_OBJECT: gettext_noop("%(field)s does not hold what belongs there"),
    Detail.NOT_LIST: gettext_noop("%(field)s is not a list"),
    Detail.NOT_WHOLE: gettext_noop("%(field)s is not a whole number"),
    Detail.NOT_NUMBER: gettext_noop("%(field)s is not a number"),
    Detail.TOO_LARGE: gettext_noop("%(field)s is beyond all amounts"),
    Detail.NOT_TEXT: gettext_noop("%(field)s is not a text"),
    Detail.NOT_FLAG: gettext_noop("%(field)s is neither yes nor no"),
    Detail.NOT_MOMENT: gettext_noop("%(field)s is not a day with a time"),
    Detail.NOT_DAY: gettext_noop("%(field)s is not a date"),
    Detail.NOT_TEXTS: gettext_noop("%(field)s is not a list of texts"),
    Detail.NOT_WHOLE_NUMBERS: gettext_noop("%(field)s is not a list of whole numbers"),
    Detail.NAMELESS_TAG: gettext_noop("tag %(id)s has no name"),
    Detail.SAME_PAGE: gettext_noop("the next page is one that was read before"),
    Detail.OTHER_HOST: gettext_noop("the next page leads to %(there)s, not to %(here)s"),
    Detail.NO_ORDER_ID: gettext_noop("the answer holds no order id"),
    Detail.NO_CONFIRMATION: gettext_noop("the answer is no confirmation"),
    Detail.NO_TOKENS: gettext_noop("the answer does not hold the new access"),
    Detail.NO_SUBSCRIPTION: gettext_noop("the answer holds no webhook"),
    Detail.NO_SECRET: gettext_noop("the answer holds no secret"),
}
"""English by code; what is in the places are facts of the same name (`day` and `time` come of the fact `at`)."""


def english(message: Message) -> str:
    """The sentence of a failure for logs and commands, with the status of the answer, which says nothing to who reads a
    page."""
    status = _status(message.facts)
    return sentence(message.code, message.facts, SENTENCES) + (f" [HTTP {status}]" if status else "")


def _status(facts: Facts) -> Any:
    """Of an answer, or of what came instead of one."""
    if "status" in facts:
        return facts["status"]
    return next((found for fact in facts.values() if isinstance(fact, Mapping) and (found := _status(fact))), None)


def sentence(
    code: str,
    facts: Facts,
    sentences: Mapping[str, str],
    *,
    translate: Callable[[str], str] = str,
    write: Callable[[str, Any], str] = lambda _name, value: str(value),
) -> str:
    """The words for a code and its facts, "" for no code.

    `sentences`: English by code; `translate`: into the reader's language; `write`: a fact (by name) as that is written.
    A place without a fact, as only a row changed by hand has it, is shown as "?".
    """
    if not code:
        return ""
    template = translate(sentences[code])
    words = _Words({name: _worded(name, value, sentences, translate, write) for name, value in _split(facts).items()})
    if "said" in words and "%(said)s." in template:
        # The sentence has a full stop of its own.
        words["said"] = words["said"].rstrip(".")
    return template % words


class _Words(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _worded(
    name: str,
    value: Any,
    sentences: Mapping[str, str],
    translate: Callable[[str], str],
    write: Callable[[str, Any], str],
) -> str:
    if isinstance(value, Mapping):
        return sentence(value["code"], value["facts"], sentences, translate=translate, write=write)
    if isinstance(value, list):
        return ", ".join(write(name, each) for each in value)
    return write(name, value)


def _split(facts: Facts) -> dict[str, Any]:
    """Facts with the moment `at` as a day and a time of UTC; one that is no moment is shown as it is."""
    if not isinstance(at := facts.get("at"), str):
        return dict(facts)
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return {**facts, "day": "", "time": at}
    return {**facts, "day": f"{moment:%d/%m/%Y}", "time": f"{moment:%H:%M}"}


def _masked(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, Mapping):
        return {name: _masked(each, secret) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secret) for each in value]
    return value
