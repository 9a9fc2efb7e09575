"""Knobs for what nobody knows of the real services. The defaults follow the published documentation, and where that is
silent the case that is worst for a client."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Switch:
    """One knob: its default (whose type is that of every value), what it means, and the words it takes, if few."""

    default: Value
    meaning: str
    choices: tuple[str, ...] = ()


TOGGL: dict[str, Switch] = {
    "toggl_running_in_reports": Switch(default=False, meaning="a running entry is a row of a report, with stop null"),
    "toggl_running_seconds": Switch("negative", "seconds of a running row in a report", ("negative", "elapsed")),
    "toggl_empty_lists": Switch("array", "what an empty list is answered as", ("array", "null")),
    "toggl_quota_body": Switch("quoted", "the 402 of a quota is a JSON string or bare text", ("quoted", "bare")),
    "toggl_quota_text": Switch(
        "will_reset", "which of the recorded 402 sentences is used", ("will_reset", "your_quota", "upgrade")
    ),
    "toggl_quota_enforced": Switch(default=True, meaning="an exhausted budget refuses with 402"),
    "toggl_refusals_count": Switch(default=True, meaning="an answer 4xx is charged to the budget as well"),
    "toggl_me_quota_charged": Switch(default=True, meaning="GET /me/quota itself costs a request"),
    "toggl_webhook_calls_charged": Switch(default=True, meaning="calls that manage webhooks cost a request"),
    "toggl_per_second": Switch(0, "requests per second and token; 0 = no limiter"),
    "toggl_429_html": Switch(default=True, meaning="a 429 is a web server's HTML page, else a JSON string"),
    "toggl_429_retry_after": Switch(0, "seconds in the Retry-After of a 429; 0 = no such header"),
    "toggl_page_size_over": Switch("clamp", "a page_size or per_page over the limit", ("clamp", "refuse")),
    "toggl_clients_paged": Switch(default=False, meaning="clients come in pages, where one is asked for"),
    "toggl_largest_page": Switch(1000, "rows that a page of the detailed report holds at most"),
    "toggl_end_date": Switch("included", "the last day of a report", ("included", "excluded")),
    "toggl_day_zone": Switch("user", "whose zone bounds the day of a report", ("user", "utc")),
    "toggl_put_tags": Switch("replace", "tags in a PUT without tag_action", ("replace", "add")),
    "toggl_tag_action_remove": Switch("refuse", "tag_action remove, for delete, in a PUT", ("refuse", "delete")),
    "toggl_tag_answer": Switch("object", "what POST and PUT of a tag answer", ("object", "array")),
    "toggl_locked_before": Switch("", "a day (YYYY-MM-DD): entries that start before it refuse changes; empty = none"),
    "toggl_admin_edits_others": Switch(default=True, meaning="an admin may change the entries of other members"),
    "toggl_secret_in_lists": Switch(default=True, meaning="the listing of webhooks shows their secrets"),
    "toggl_star_counts": Switch("one", "an event filter with * counts as", ("one", "all")),
    "toggl_webhook_retry_minutes": Switch("1,5,15,60", "minutes between the attempts of a delivery; empty = none"),
    "toggl_webhook_disable_after": Switch(0, "failed events after which a webhook is disabled; 0 = never"),
    "toggl_webhook_copies": Switch(1, "how often each event is delivered"),
    "toggl_webhook_delay_seconds": Switch(0, "from the change to its delivery"),
    "toggl_webhook_signature": Switch("right", "signature of a delivery", ("right", "wrong", "missing")),
    "toggl_webhook_early": Switch(default=False, meaning="events are delivered before the call that made them returns"),
    "toggl_deleted_payload": Switch("full", "payload of a deleted event", ("full", "reduced")),
}

BILLIT: dict[str, Switch] = {
    "billit_access_token_seconds": Switch(3600, "life of an access token"),
    "billit_refresh_reuse_code": Switch("GenericError", "the code when a refresh token is used again"),
    "billit_refresh_reuse_status": Switch(400, "the status when a refresh token is used again"),
    "billit_refresh_reuse_revokes": Switch(default=False, meaning="using a refresh token again revokes the newer pair"),
    "billit_refresh_grace_seconds": Switch(0, "how long a used refresh token still gives the same new pair"),
    "billit_missing_party": Switch("first", "no PartyID header, several companies", ("first", "refuse")),
    "billit_context_party": Switch(
        "accountant",
        "ContextPartyID may be: the PartyID or an accountant company, the PartyID only, anything",
        ("accountant", "equal", "ignore"),
    ),
    "billit_idempotency_header": Switch(
        "both", "the header that is read", ("both", "Idempotency-Key", "Idempotent-Key", "none")
    ),
    "billit_idempotency_scope": Switch(
        "company", "within what a key is used up", ("company", "endpoint", "user", "everybody")
    ),
    "billit_idempotency_seconds": Switch(0, "how long a used key is remembered; 0 = for ever"),
    "billit_idempotency_concurrent": Switch("refuse", "two calls at once with one fresh key", ("refuse", "both")),
    "billit_rounding": Switch("half_up", "rounding to cents, half_up away from zero", ("half_up", "half_even")),
    "billit_surplus_decimals": Switch("truncate", "digits beyond the company's decimals", ("truncate", "round")),
    "billit_duplicate_numbers": Switch("accept", "an OrderNumber that is there already", ("accept", "refuse")),
    "billit_duplicate_external_ids": Switch(
        "accept", "an ExternalProviderID that is there already", ("accept", "refuse", "update")
    ),
    "billit_number_after_delete": Switch("gap", "the number of a deleted last order", ("gap", "again")),
    "billit_posted_status": Switch("ignore", "OrderStatus Draft in a POST", ("ignore", "honour")),
    "billit_nulls": Switch("accept", "explicit nulls in a POST body", ("accept", "refuse")),
    "billit_sent_update": Switch("refuse", "a POST with the OrderID of a sent order", ("refuse", "accept")),
    "billit_sent_delete_code": Switch("GenericError", "the code when a sent order is deleted"),
    "billit_unknown_id_status": Switch(401, "status for an id of others or of nothing: 401 or 404"),
    "billit_summary_external_id": Switch(default=True, meaning="list rows carry ExternalProviderID"),
    "billit_summary_rows": Switch(
        "full",
        "list rows of orders: as documented, without the customer's number, or ids, number and status alone",
        ("full", "without_number", "bare"),
    ),
    "billit_party_vat_filter": Switch("accept", "VATNumber in a filter on parties", ("accept", "refuse")),
    "billit_product_filter": Switch("accept", "Reference in a filter on products", ("accept", "refuse")),
    "billit_product_items_answer": Switch(
        "last", "the answer to a POST of several products", ("last", "first", "list")
    ),
    "billit_filter_or": Switch("accept", "or in a filter", ("accept", "refuse", "first")),
    "billit_longest_query": Switch(2048, "characters of a query, a longer one is 404; 0 = no limit"),
    "billit_largest_body": Switch(4_194_304, "bytes of a request, a larger one is 413; 0 = no limit"),
    "billit_next_link_past_top": Switch(default=True, meaning="NextPageLink also when $top is reached and more match"),
    "billit_pdf_seconds": Switch(0, "from the order to its PDF"),
    "billit_unit_in_ubl": Switch(default=True, meaning="Unit of a line becomes the unit code of the UBL, else NAR"),
    "billit_negative_quantity": Switch("accept", "a line with a negative Quantity in a POST", ("accept", "refuse")),
    "billit_allowances": Switch(
        "linked",
        "what the UBL says of a line with AllowanceChargeIndicator: an allowance or charge, or a line as any other",
        ("linked", "lines"),
    ),
    "billit_negative_price": Switch(
        "as_posted", "what the UBL of a line with a negative price says", ("as_posted", "turned")
    ),
    "billit_outside_scope": Switch(
        "plain",
        "what the UBL of code 22 says besides: nothing, the VAT numbers of both, the rate",
        ("plain", "numbers", "rate"),
    ),
    "billit_exemption_reasons": Switch(default=True, meaning="the UBL gives a reason for lines at 0 % but code 1"),
    "billit_small_enterprise": Switch(
        "refuse", "a line with VAT, or without a code, of a company under the scheme", ("refuse", "accept")
    ),
    "billit_peppol_rules": Switch(default=True, meaning="a send over Peppol is refused by the official rules"),
    "billit_delivery_seconds": Switch(0, "from the send to the receiver's answer"),
    "billit_unverified_told": Switch(
        default=True, meaning="LoginOrRegisterNeeded of the account tells that its company is not verified"
    ),
    "billit_response_seconds": Switch(0, "from the delivery to the receiver's refusal (Invoice Response)"),
    "billit_refused_status": Switch(
        "Delivered", "DocumentDeliveryStatus of what was delivered and then refused", ("Delivered", "Error")
    ),
    "billit_summary_delivery": Switch(default=False, meaning="list rows carry CurrentDocumentDeliveryDetails"),
    "billit_peppol_scheme": Switch(
        "both", "under which number a Belgian receiver is registered at Peppol", ("both", "0208", "9925")
    ),
    "billit_participant_by_vat": Switch(
        "9925", "under what a Belgian VAT number alone is looked up at Peppol", ("9925", "0208")
    ),
    "billit_resend_guard_minutes": Switch(5, "how long a second send is refused"),
    "billit_send_partial": Switch("nothing", "one id of several cannot be sent", ("nothing", "valid")),
    "billit_peppol_fallback": Switch(default=False, meaning="Peppol without registration falls back to e-mail"),
    "billit_per_second": Switch(0, "requests per second and credential; 0 = no limiter"),
    "billit_429_retry_after": Switch(0, "seconds in the Retry-After of a 429; 0 = no such header"),
    "billit_webhook_http_localhost": Switch(default=False, meaning="webhooks may go to http on loopback"),
    "billit_webhook_retries": Switch(0, "how often a failed delivery is tried again"),
    "billit_webhook_retry_seconds": Switch(60, "between two attempts of a delivery"),
    "billit_webhook_copies": Switch(1, "how often each event is delivered"),
    "billit_webhook_order": Switch("as_it_was", "the order of one call's events", ("as_it_was", "reversed")),
    "billit_webhook_delay_seconds": Switch(0, "from the change to its delivery"),
    "billit_webhook_signature": Switch("right", "signature of a delivery", ("right", "wrong", "missing")),
    "billit_webhook_early": Switch(
        default=False, meaning="events are delivered before the call that made them returns"
    ),
    "billit_webhook_on_delete": Switch(default=False, meaning="deleting an order calls webhooks of type D"),
    "billit_message_payload": Switch("current", "EntityDetail of a message", ("current", "legacy", "empty")),
}

SWITCHES: dict[str, Switch] = {**TOGGL, **BILLIT}
DEFAULTS: dict[str, Value] = {name: switch.default for name, switch in SWITCHES.items()}


class Switches:
    def __init__(self) -> None:
        self.values: dict[str, Any] = dict(DEFAULTS)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def set(self, name: str, value: Any) -> None:
        """Raises ValueError for an unknown name, a value of another type than the default's, or an unknown word."""
        if name not in SWITCHES:
            raise ValueError(f"There is no switch {name!r}; the switches are {', '.join(sorted(SWITCHES))}.")
        switch = SWITCHES[name]
        default = switch.default
        if isinstance(value, Decimal):  # a fraction, as the control plane's JSON is read
            value = float(value)
        number = isinstance(default, int) and not isinstance(default, bool)
        fits = (
            isinstance(value, int | float) and not isinstance(value, bool) if number else type(value) is type(default)
        )
        if not fits:
            raise ValueError(f"The switch {name!r} takes a value like {default!r}, not {value!r}.")
        if switch.choices and value not in switch.choices:
            raise ValueError(f"The switch {name!r} takes a value of {', '.join(switch.choices)}, not {value!r}.")
        self.values[name] = value

    def set_text(self, name: str, text: str) -> None:
        """Sets a switch from the text of a form field: `true` or `false`, a number, or a word. Raises ValueError."""
        default = DEFAULTS.get(name)
        value: Value = text
        if isinstance(default, bool):
            if text not in {"true", "false"}:
                raise ValueError(f"The switch {name!r} takes true or false, not {text!r}.")
            value = text == "true"
        elif isinstance(default, int | float):
            try:
                value = float(text) if "." in text else int(text)
            except ValueError:
                raise ValueError(f"The switch {name!r} takes a number, not {text!r}.") from None
        self.set(name, value)
