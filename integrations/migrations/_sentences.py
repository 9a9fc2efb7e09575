"""English sentences that rows held before there were codes, and the codes that they became. Frozen: for migrations only.

Every sentence that the clients and connections wrote is here as a pattern; what is none of them becomes the code
`other` with its text as the fact `said`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Table = Sequence[tuple[str, str]]

OTHER = "other"

CALLS: Table = [
    (
        "unreadable",
        (
            "%(service)s answered %(what)s with something that toggbill cannot read: %(detail)s. Nothing was changed; "
            "it will be asked again, and if this stays, tell the maintainers of toggbill."
        ),
    ),
    (
        "unclear",
        (
            "%(service)s did not clearly answer %(what)s: %(detail)s. It may have been done all the same: "
            "look in %(service)s before it is tried again."
        ),
    ),
    ("refused", "%(service)s refused %(what)s (HTTP %(status)s): %(said)s. Mend what it names, then try again."),
    (
        "malformed_credential",
        (
            "The %(service)s credential holds blanks or characters that no credential has. "
            "Copy it again and enter it anew for this connection."
        ),
    ),
    (
        "led_elsewhere",
        (
            "%(service)s led to another address for %(what)s. Nothing was sent there. "
            "If this stays, tell the maintainers of toggbill."
        ),
    ),
    (
        "too_many_requests",
        (
            "%(service)s asks for fewer requests (HTTP 429) and did not take %(what)s. "
            "Nothing was changed; it will be tried again later."
        ),
    ),
    (
        "server_error",
        "%(service)s could not answer %(what)s (HTTP %(status)s). Nothing was changed; it will be tried again later.",
    ),
    (
        "not_reached",
        (
            "%(service)s could not be reached for %(what)s. Nothing was sent; it will be tried again later. "
            "If this stays, check the network and the service's address in the settings."
        ),
    ),
    (
        "no_answer",
        "%(service)s was asked for %(what)s, but %(detail)s. Nothing was changed; it will be tried again later.",
    ),
    (
        "token_refused",
        (
            "Toggl does not accept the API token (HTTP %(status)s). Copy the token from the Toggl profile page again "
            "and enter it for this connection."
        ),
    ),
    (
        "budget_spent",
        (
            "Toggl's hourly budget of requests for %(whose)s is used up, so it did not give %(what)s. "
            "It opens again in %(n)s seconds; toggbill goes on then."
        ),
    ),
    (
        "plan_feature",
        (
            "Toggl's plan does not include what is needed for %(what)s (HTTP 402): %(said)s. "
            "Upgrade the plan at Toggl, or do without."
        ),
    ),
    (
        "token_expired",
        "Billit's access token ended before %(what)s was asked. Nothing was changed; it is renewed and asked again.",
    ),
    (
        "credential_refused",
        (
            "Billit does not accept the credential of this connection (HTTP 401). "
            "Enter a new key, or sign in to Billit again."
        ),
    ),
    (
        "sign_in_refused",
        (
            "Billit did not accept the sign-in: it took more than ten minutes, or was used already. Sign in again. "
            "(HTTP %(status)s)"
        ),
    ),
    (
        "sign_in_not_renewed",
        "Billit no longer accepts the sign-in of this connection. Sign in to Billit again. (HTTP %(status)s)",
    ),
    ("connection_removed", "The connection %(connection)s was removed. Connect it again on the page Connections."),
    ("connection_paused", "The connection %(connection)s is paused. Resume it on the page Connections."),
    ("connection_rests", "%(connection)s failed %(n)s times in a row and is tried again at %(at)s UTC."),
    (
        "renewal_failed",
        (
            "The sign-in of %(connection)s could not be renewed: %(why)s It is tried again; "
            "if it stays, sign in to Billit again on the page Connections."
        ),
    ),
    (
        "sign_in_lost",
        (
            "The sign-in of %(connection)s has ended: an answer of Billit was lost on %(at)s UTC, and Billit gives "
            "each only once. Sign in to Billit again: %(page)s"
        ),
    ),
    ("sign_in_over", "The sign-in of %(connection)s has ended. Sign in to Billit again: %(page)s"),
    ("busy", "%(what)s is being read by another process at this moment. Try again in a minute."),
    (
        "no_longer_admin",
        (
            "The token of %(connection)s is no longer an admin's in Toggl workspace %(workspace)s, so it shows only "
            "part of the hours. Make its owner an admin there, or connect an admin's token; nothing was deleted."
        ),
    ),
]

ASKED: Table = [
    ("asked_profile", "the profile of the token's owner"),
    ("asked_workspaces", "the list of workspaces"),
    ("asked_organisations", "the list of organisations"),
    ("asked_clients", "the clients of workspace %(id)s"),
    ("asked_tags", "the tags of workspace %(id)s"),
    ("asked_projects", "the projects of workspace %(id)s"),
    ("asked_total", "the total of workspace %(id)s"),
    ("asked_entries", "the time entries of workspace %(id)s"),
    ("asked_companies", "the list of companies"),
    ("asked_products", "the list of products"),
    ("asked_customers", "the list of customers"),
    ("asked_customers_by_number", "the customers with number %(number)s"),
    ("asked_company_search", "the search for company '%(words)s'"),
    ("asked_company_search", 'the search for company "%(words)s"'),
    ("asked_peppol", "the Peppol registration of %(number)s"),
    ("asked_orders", "a list of orders"),
    ("asked_new_order", "the new order %(order)s"),
    ("asked_sending", "the sending of order %(order)s"),
    ("asked_deletion", "the deletion of order %(order)s"),
    ("asked_order", "order %(order)s"),
    ("asked_sign_in", "the sign-in"),
    ("asked_renewal", "the renewal of the sign-in"),
    ("asked_end_of_sign_in", "the end of the sign-in"),
    ("asked_new_toggl_webhook", "the new webhook of workspace %(id)s"),
    ("asked_toggl_webhooks", "the webhooks of workspace %(id)s"),
    ("asked_end_of_toggl_webhook", "the end of a webhook of workspace %(id)s"),
    ("asked_new_billit_webhook", "the new webhook"),
    ("asked_billit_webhooks", "the list of webhooks"),
    ("asked_end_of_billit_webhook", "the end of a webhook"),
]

DETAILS: Table = [
    ("too_late", "no answer came in time"),
    ("cut", "the connection broke before the answer was complete"),
    ("used_before", "HTTP 409, this was asked before"),
    ("status", "HTTP %(status)s"),
    ("not_json", "it is not JSON"),
    ("missing", "%(field)s is missing"),
    ("missing", "%(field)s is missing: such a row would pass for deleted entries"),
    ("not_object", "%(field)s is not an object"),
    ("not_texts", "%(field)s is not a list of texts"),
    ("not_whole_numbers", "%(field)s is not a list of whole numbers"),
    ("not_list", "%(field)s is not a list"),
    ("not_whole", "%(field)s is not a whole number"),
    ("not_number", "%(field)s is not a number"),
    ("too_large", "%(field)s is beyond all amounts"),
    ("not_text", "%(field)s is not a text"),
    ("not_flag", "%(field)s is not true or false"),
    ("not_moment", "%(field)s is not a timestamp"),
    ("not_day", "%(field)s is not a date"),
    ("nameless_tag", "tag %(id)s has no name"),
    ("same_page", "the next page is the same page"),
    ("same_page", "NextPageLink leads back to a page that was read before"),
    ("other_host", "NextPageLink leads to %(there)s, not to %(here)s"),
    ("no_order_id", "the answer holds no order id"),
    ("no_confirmation", "the answer is no confirmation"),
    ("no_tokens", "the answer holds no usable tokens"),
    ("no_tokens", "the answer holds no tokens"),
    ("no_subscription", "the answer holds no subscription"),
    ("no_subscription", "the answer holds no webhook"),
    ("no_secret", "the answer holds no secret"),
]

SAID: Table = [
    ("no_reason", "no reason given"),
    ("not_yours", "the id does not exist or belongs to another company"),
]

WHOSE: Table = [("owners_budget", "the token's owner"), ("organisations_budget", "the organisation")]

# What stands in a place, where it is a message of its own; another text stays as it is.
WITHIN: Mapping[str, Table] = {"what": ASKED, "said": SAID, "whose": WHOSE}

_NUMBERS = frozenset({"status", "n", "id", "order"})
_PLACE = re.compile(r"%\((\w+)\)s")


def message(text: str, sentences: Table = CALLS, within: Mapping[str, Table] | None = None) -> dict[str, Any]:
    """The code and facts of a sentence, as `{"code", "facts"}`."""
    inner = {**WITHIN, **(within or {})}
    for code, template in sentences:
        if found := _pattern(template).fullmatch(text):
            facts = {name: _fact(name, words, sentences, inner) for name, words in found.groupdict().items()}
            return {"code": code, "facts": facts}
    return {"code": OTHER, "facts": {"said": text}}


def english(
    code: str, facts: Mapping[str, Any], sentences: Table = CALLS, within: Mapping[str, Table] | None = None
) -> str:
    """The sentence again, as it was before there were codes; a code of later times by its name."""
    inner = {**WITHIN, "detail": DETAILS, **(within or {})}
    if code == OTHER:
        return str(facts.get("said", ""))
    template = dict(reversed(sentences)).get(code)
    if template is None:
        return code
    return _PLACE.sub(lambda place: _text(place[1], facts.get(place[1], ""), sentences, inner), template)


def _pattern(template: str) -> re.Pattern[str]:
    pattern, seen = "", set[str]()
    for place, part in enumerate(_PLACE.split(template)):
        if place % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.*?)"
            seen.add(part)
    return re.compile(pattern, re.DOTALL)


def _fact(name: str, words: str, sentences: Table, within: Mapping[str, Table]) -> Any:
    if name == "why":
        return message(words, sentences, within)
    if name == "detail":
        found = message(words, DETAILS, within)
        if "field" in found["facts"]:
            found["facts"]["field"] = _path(found["facts"]["field"])
        return found
    if name in within:
        found = message(words, within[name], within)
        return words if found["code"] == OTHER else found
    if name in _NUMBERS and words.isdecimal():
        return int(words)
    if name in ("ids", "orders"):
        return [int(part) if part.isdecimal() else part for part in words.split(", ")]
    return _moment(words) if name == "at" else words


def _text(name: str, value: Any, sentences: Table, within: Mapping[str, Table]) -> str:
    if isinstance(value, dict):
        return english(value["code"], value["facts"], within.get(name, sentences), within)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "at":
        try:
            return f"{datetime.fromisoformat(value):%d/%m/%Y at %H:%M}"
        except ValueError:
            return str(value)
    return str(value)


def _path(words: str) -> str:
    """`name of a client` as it is written now: `client.name`."""
    parts = [re.sub(r"^(the|an?) ", "", part) for part in words.split(" of ")]
    return ".".join(reversed(parts))


def _moment(words: str) -> str:
    """A day and time of UTC as ISO 8601; a time alone stays as it is."""
    try:
        return datetime.strptime(words, "%d/%m/%Y at %H:%M").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return words
