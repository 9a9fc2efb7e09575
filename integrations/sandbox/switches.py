"""Knobs for what nobody knows of the real services. The defaults follow the published documentation."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, bool | int | float | str] = {
    # Toggl
    "toggl_running_in_reports": True,  # a running entry is a row with stop null
    "toggl_running_seconds": "negative",  # negative (as v9's duration) or elapsed
    "toggl_empty_lists": "array",  # array or null
    "toggl_quota_body": "quoted",  # quoted (a JSON string) or bare
    "toggl_quota_enforced": True,
    "toggl_per_second": 0,  # requests per second and token; 0 = no limiter
    # Billit
    "billit_idempotency_header": "both",  # both, Idempotency-Key, Idempotent-Key, none
    "billit_idempotency_seconds": 0,  # how long a used key is remembered; 0 = for ever
    "billit_rounding": "half_up",  # half_up (away from zero) or half_even
    "billit_surplus_decimals": "truncate",  # truncate or round
    "billit_duplicate_numbers": "accept",  # accept or refuse
    "billit_missing_party": "first",  # first (the user's first company) or refuse
    "billit_nulls": "accept",  # accept or refuse explicit nulls in a POST body
    "billit_unknown_id_status": 401,  # 401 or 404
    "billit_summary_external_id": True,  # list rows carry ExternalProviderID
    "billit_party_vat_filter": "accept",  # accept or refuse VATNumber in a filter on parties
    "billit_next_link_past_top": True,  # NextPageLink also when $top is reached and more rows match
    "billit_sent_delete_code": "GenericError",
    "billit_delivery_seconds": 0,  # from the send to the receiver's answer
    "billit_resend_guard_minutes": 5,
    "billit_per_second": 0,  # requests per second and credential; 0 = no limiter
}


class Switches:
    def __init__(self) -> None:
        self.values: dict[str, Any] = dict(DEFAULTS)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def set(self, name: str, value: Any) -> None:
        """Raises ValueError for an unknown name or a value of another type than the default's."""
        if name not in DEFAULTS:
            raise ValueError(f"There is no switch {name!r}; the switches are {', '.join(sorted(DEFAULTS))}.")
        default = DEFAULTS[name]
        number = isinstance(default, int) and not isinstance(default, bool)
        fits = (
            isinstance(value, int | float) and not isinstance(value, bool) if number else type(value) is type(default)
        )
        if not fits:
            raise ValueError(f"The switch {name!r} takes a value like {default!r}, not {value!r}.")
        self.values[name] = value
