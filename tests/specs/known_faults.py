"""Where the vendors' specifications are known to be wrong, each with what tells us so.

This is the only list: what differs from a specification and does not stand here is a fault of ours, of a client or of
the sandbox. Each row must be needed by the recorded traffic, place by place, or it is taken out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Fault:
    """`operation` and `places` may hold *, which stands for any text; `detail` is a pattern that is in the words."""

    operation: str
    side: Literal["request", "answer"]
    places: tuple[str, ...]
    kind: str
    reason: str
    detail: str = ""

    def meets(self, place: str, *, operation: str, side: str, at: str, kind: str, detail: str) -> bool:
        """Whether a finding is this fault at one of its places."""
        return (
            side == self.side
            and kind == self.kind
            and _fits(self.operation, operation)
            and _fits(place, at)
            and re.search(self.detail, detail) is not None
        )


def _fits(glob: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text) is not None


_ENTRIES = "POST /reports/api/v3/workspace/{workspace_id}/search/time_entries"
_PROJECTS = "GET /api/v9/workspaces/{workspace_id}/projects"

# The body that an answer is held to instead of the declared one, once it has failed the declared one.
INSTEAD: dict[tuple[str, str], dict[str, Any]] = {
    # The row is defined in the same file; only the answer does not refer to it.
    (_ENTRIES, "200"): {"type": "array", "items": {"$ref": "#/definitions/detailed.GroupedTimeEntry"}},
    (f"{_ENTRIES}/totals", "200"): {"$ref": "#/definitions/totals.ReportData"},
}

TOGGL = (
    # --- what is asked ----------------------------------------------------------------------------------------------
    Fault(
        _PROJECTS,
        "request",
        (
            "query.name",
            "query.only_templates",
            "query.search",
            "query.sort_field",
            "query.sort_order",
            "query.sort_pinned",
        ),
        "required",
        "Flagged as required, yet recorded live calls without any of them were answered 200.",
    ),
    Fault(
        _PROJECTS,
        "request",
        ("query.active",),
        "type",
        'Typed boolean, while its own description has "both" as a third value.',
        detail='"both"',
    ),
    Fault(
        "GET /api/v9/workspaces/{workspace_id}/clients",
        "request",
        ("query.page", "query.per_page"),
        "undeclared parameter",
        "The file declares no pages of clients; whoever asks for them anyway meets no cut list (toggl_clients_paged).",
    ),
    Fault(
        "GET /api/v9/workspaces",
        "request",
        ("path",),
        "undeclared path",
        "Gone from the file since 2026, yet on a page of the docs and in use; the probe alone asks it.",
    ),
    # --- what is answered -------------------------------------------------------------------------------------------
    Fault(
        _ENTRIES + "*",
        "answer",
        ("body",),
        "type",
        "Every report's answer is declared as a text; recorded live it is JSON of the shape in INSTEAD.",
        detail='is not of type "string"',
    ),
    Fault(
        _ENTRIES,
        "answer",
        ("body.*.billable_amount_in_cents", "body.*.hourly_rate_in_cents", "body.*.project_id", "body.*.task_id"),
        "null",
        "Recorded live as null: on a Free plan, and for an entry without a project or task.",
    ),
    Fault(
        _ENTRIES,
        "answer",
        ("body.*.time_entries.*.stop",),
        "null",
        "A running entry has no end; integrators code for null.",
    ),
    Fault(
        f"{_ENTRIES}/totals",
        "answer",
        ("body.billable_amount_in_cents", "body.labour_cost_in_cents"),
        "null",
        "Amounts are null on a Free plan, as in the rows.",
    ),
    Fault(
        "* /api/v9/*",
        "answer",
        ("*server_deleted_at",),
        "undeclared member",
        "Absent from the file, sent with every recorded object.",
    ),
    Fault(
        "GET /api/v9/me",
        "answer",
        ("body.toggl_accounts_id",),
        "undeclared member",
        "Recorded live; the file has it for other objects only.",
    ),
    Fault("GET /api/v9/me", "answer", ("body.openid_email",), "null", "Recorded live as null."),
    Fault(
        "GET /api/v9/me*",
        "answer",
        tuple(
            f"body.*{name}"
            for name in (
                "api_token",
                "default_hourly_rate",
                "ical_url",
                "last_modified",
                "permissions",
                "rate_last_updated",
                "suspended_at",
                "working_hours_in_minutes",
            )
        ),
        "null",
        "Members of a workspace or an organisation that were recorded live as null.",
    ),
    Fault(
        "GET /api/v9/me/quota",
        "answer",
        ("body.*.organization_id",),
        "null",
        "Null names the user's own budget, says the file's own description.",
    ),
    Fault(
        "* /api/v9/*time_entries*",
        "answer",
        ("body*stop",),
        "null",
        "Null while the entry runs (recorded live).",
    ),
    Fault(
        "* /api/v9/workspaces/{workspace_id}/time_entries*",
        "answer",
        ("body.tags", "body.tag_ids"),
        "null",
        "Recorded live: null, not [], in the answer to a write.",
    ),
    Fault(
        "DELETE /api/v9/workspaces/{workspace_id}/time_entries/{time_entry_id}",
        "answer",
        ("body",),
        "null",
        "Recorded live: an empty body under a JSON content type.",
    ),
    Fault(
        "* /api/v9/workspaces/{workspace_id}/tags*",
        "answer",
        ("body",),
        "type",
        "A list in the file; integrators read one tag (switch toggl_tag_answer).",
        detail='dict is not of type "array"',
    ),
    Fault(
        "GET /webhooks/api/v1/event_filters",
        "answer",
        (
            "body.project_group",
            "body.project_user",
            "body.tag",
            "body.task",
            "body.workspace",
            "body.workspace_user",
        ),
        "undeclared member",
        "The file names three entities as an example; integrators found these, too.",
    ),
    Fault(
        "* /webhooks/api/v1/subscriptions/{workspace_id}*",
        "answer",
        ("body*validated_at",),
        "null",
        "Null until the subscription is validated (docs: webhooks).",
    ),
    Fault(
        "GET /api/v9/me/time_entries/current",
        "answer",
        ("body",),
        "null",
        "Recorded live: the word null when nothing runs.",
    ),
    Fault(
        "* /api/v9/*",
        "answer",
        ("body.*cid", "body.*client_name", "body.*fixed_fee", "body.*rate", "body.*recurring_parameters"),
        "null",
        "Members of a project that were recorded live as null; other users of the file had to mark them so, too.",
    ),
    Fault(
        "GET /*/{workspace_id}*",
        "answer",
        ("body",),
        "null",
        "Empty lists come as null or as []: an issue that Toggl left open.",
    ),
    Fault(
        "GET /api/v9/status", "answer", ("body",), "type", 'A text in the file, {"status": "OK"} as integrators see it.'
    ),
    Fault(
        "POST /reports/api/v3/workspace/{workspace_id}/search/users",
        "answer",
        ("body.*.deleted_at",),
        "null",
        "Null for a person who is there.",
    ),
    # --- statuses ---------------------------------------------------------------------------------------------------
    Fault(
        "* /api/v9/*",
        "answer",
        ("status 400", "status 404"),
        "undeclared status",
        "Any call may be answered so (docs: generic responses); recorded live for 400 where the file has none.",
    ),
    Fault(
        "* /api/v9/*",
        "answer",
        ("status 401",),
        "undeclared status",
        "Recorded live: no Authorization header.",
    ),
    Fault(
        "* /api/v9/*",
        "answer",
        ("status 429",),
        "undeclared status",
        "Any call may come too soon after the last one (docs: API limits).",
    ),
    Fault(
        "* /api/v9/*",
        "answer",
        ("status 402",),
        "undeclared status",
        "Any call may exhaust the hourly budget (docs: API limits).",
    ),
)

BILLIT = (
    # --- what is asked ----------------------------------------------------------------------------------------------
    Fault(
        "GET /v1/*",
        "request",
        ("query.$filter", "query.$orderby", "query.$top", "query.$skip"),
        "undeclared parameter",
        "The file declares no OData parameter; the page on OData has them for every list.",
    ),
    Fault(
        "POST /v1/orders",
        "request",
        ("body.OrderDate", "body.ExpiryDate", "body.PeriodFrom", "body.PeriodTill"),
        "format",
        "date-time in the file; the page on the first invoice sends days.",
        detail=r'"0000-00-00"',
    ),
    Fault(
        "POST /v1/orders",
        "request",
        ("body.Comments",),
        "null",
        "The probe alone sends a null, to learn whether it is accepted (switch billit_nulls).",
    ),
    Fault(
        "POST /v1/orders/commands/send",
        "request",
        ("body.OrderIDs",),
        "undeclared member",
        "OrderIds in the file, OrderIDs on the page about sending; Billit's names bind in any case.",
    ),
    # --- what is answered -------------------------------------------------------------------------------------------
    Fault(
        "GET /v1/*",
        "answer",
        ("body*",),
        "format",
        "date-time in the file; in every documented sample local time without a zone.",
        detail=r'"0000-00-00T00:00:00(\.0{2,7})?" is not a "date-time"',
    ),
    Fault(
        "POST /v1/products",
        "answer",
        ("body",),
        "type",
        "One id in the file; what several products in Items answer is unknown (switch billit_product_items_answer).",
        detail='list is not of type "integer"',
    ),
    Fault(
        "* /v1/*",
        "answer",
        ("status 429",),
        "undeclared status",
        "No limit is documented, but clients of others handle it (switch billit_per_second).",
    ),
    Fault(
        "POST /v1/orders*",
        "answer",
        ("status 409",),
        "undeclared status",
        "A used idempotency key (docs: idempotent tokens).",
    ),
    Fault(
        "POST /v1/orders",
        "answer",
        ("status 413",),
        "undeclared status",
        "Microsoft's web server refuses a body above its limit by itself (switch billit_largest_body).",
    ),
    Fault(
        "GET /v1/orders",
        "answer",
        ("status 404",),
        "undeclared status",
        "Microsoft's web server answers a query that is too long for it by itself (switch billit_longest_query).",
    ),
)

FAULTS = TOGGL + BILLIT
