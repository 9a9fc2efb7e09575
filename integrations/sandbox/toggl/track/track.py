"""Track API v9: the person, with organisations, workspaces and dictionaries."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from integrations.sandbox.http.clock import moment
from integrations.sandbox.http.wire import Answer, Record, json_answer
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.quota import PLAN_LIMITS, USER_LIMIT
from integrations.sandbox.toggl.rows import CREATED, avatar, client_row, entry_row, project_row, tag_row
from integrations.sandbox.toggl.track.own_entries import own

_PLAN_IDS = {"free": 0, "starter": 13, "premium": 14, "enterprise": 15}


@router.on("GET", r"/api/v9/me")
def me(call: Call) -> Answer:
    user = call.user
    row: Record = {
        "id": user["id"],
        "api_token": user["token"],
        "email": user["email"],
        "fullname": user["fullname"],
        "timezone": user["timezone"],
        "toggl_accounts_id": f"sandboxaccount{user['id']:08d}",
        "default_workspace_id": next((workspace["id"] for workspace in user.get("workspaces", [])), None),
        "beginning_of_week": 1,
        "image_url": avatar(user),
        "created_at": CREATED,
        "updated_at": CREATED,
        "openid_email": None,
        "openid_enabled": False,
        "has_password": True,
        "2fa_enabled": False,
        "country_id": 21,
        "at": CREATED,
        "authorization_updated_at": CREATED,
    }
    if call.request.query.get("with_related_data") == "true":
        row.update(_related(call))
    return json_answer(row)


def _related(call: Call) -> Record:
    """Empty collections are left out (recorded live); entries are the last ten days of the person."""
    ids = [workspace["id"] for workspace in call.user.get("workspaces", [])]
    floor = call.clock.now() - timedelta(days=10)
    related: Record = {
        # The number of projects stands in the list of workspaces only.
        "workspaces": [
            {name: value for name, value in _workspace(call, number).items() if name != "active_project_count"}
            for number in ids
        ],
        "clients": [client_row(row) for number in ids for row in call.store.of_workspace("clients", number)],
        "projects": [
            project_row(call.store, row) for number in ids for row in call.store.of_workspace("projects", number)
        ],
        "tags": [tag_row(row) for number in ids for row in call.store.of_workspace("tags", number)],
        "time_entries": [entry_row(call.store, entry) for entry in own(call) if entry.start >= floor],
    }
    return {name: rows for name, rows in related.items() if rows}


@router.on("GET", r"/api/v9/me/logged")
def logged(call: Call) -> Answer:
    return json_answer({})


@router.on("POST", r"/api/v9/me/reset_token")
def reset_token(call: Call) -> Answer:
    """A new token for the person; the old one is no longer good."""
    call.user["token"] = secrets.token_hex(16)
    return json_answer(call.user["token"])


@router.on("GET", r"/api/v9/me/(clients|projects|tags)")
def own_dictionary(call: Call, kind: str) -> Answer:
    since = _since(call.request.query.get("since"))
    rows = [
        row
        for workspace in call.user.get("workspaces", [])
        for row in call.store.of_workspace(kind, workspace["id"])
        if (moment(row.get("at", CREATED)) >= since if since else not row.get("server_deleted_at"))
    ]
    if kind == "projects":
        return call.listed([project_row(call.store, row) for row in rows])
    return call.listed([client_row(row) if kind == "clients" else tag_row(row) for row in rows])


@router.on("GET", r"/api/v9/me/id")
def me_id(call: Call) -> Answer:
    return json_answer(call.user["id"])


@router.on("GET", r"/api/v9/me/organizations")
def organizations(call: Call) -> Answer:
    mine = {call.store.workspaces[row["id"]]["organization_id"] for row in call.user.get("workspaces", [])}
    return call.listed([_organization(call, number) for number in sorted(mine)])


@router.on("GET", r"/api/v9/organizations/(\d+)")
def organization(call: Call, number: str) -> Answer:
    mine = {call.store.workspaces[row["id"]]["organization_id"] for row in call.user.get("workspaces", [])}
    if int(number) not in mine:
        raise refused(403, "User does not have access to this resource.")
    # The single call leaves the plan's name empty (recorded live).
    return json_answer({**_organization(call, int(number)), "pricing_plan_name": ""})


def _organization(call: Call, number: int) -> Record:
    row = call.store.organizations[number]
    plan = call.store.plan(number)
    admin = any(
        workspace["admin"] and call.store.workspaces[workspace["id"]]["organization_id"] == number
        for workspace in call.user.get("workspaces", [])
    )
    return {
        "id": number,
        "name": row["name"],
        "pricing_plan_id": _PLAN_IDS[plan],
        "created_at": CREATED,
        "at": CREATED,
        "server_deleted_at": None,
        "is_multi_workspace_enabled": True,
        "suspended_at": None,
        "user_count": len(call.store.users),
        "trial_info": {"trial": False, "trial_available": False, "trial_end_date": None, "next_payment_date": None},
        "is_unified": True,
        "max_workspaces": 20,
        "permissions": None,
        "admin": admin,
        "owner": admin,
        "pricing_plan_name": plan.capitalize(),
        "pricing_plan_enterprise": plan == "enterprise",
        "subscription": {"plan": plan, "plan_name": plan.capitalize(), "state": "free" if plan == "free" else "active"},
    }


@router.on("GET", r"/api/v9/me/quota")
def quota(call: Call) -> Answer:
    buckets: list[int | None] = [None]
    buckets += sorted({call.store.workspaces[row["id"]]["organization_id"] for row in call.user.get("workspaces", [])})
    rows = []
    for bucket in buckets:
        total = USER_LIMIT if bucket is None else PLAN_LIMITS[call.store.plan(bucket)]
        window = call.quota.window((call.user["id"], bucket), total)
        left = max(1, round((window.closes - call.clock.now()).total_seconds())) if window else 3600
        remaining = window.remaining if window else total
        rows.append({"organization_id": bucket, "remaining": remaining, "resets_in_secs": left, "total": total})
    return json_answer(rows)


# --- workspaces and their dictionaries ------------------------------------------------------------------------------


@router.on("GET", r"/api/v9/(?:me/)?workspaces")
def workspaces(call: Call) -> Answer:
    return call.listed([_workspace(call, row["id"]) for row in call.user.get("workspaces", [])])


@router.on("GET", r"/api/v9/workspaces/(\d+)")
def workspace(call: Call, number: str) -> Answer:
    return json_answer(_workspace(call, call.entered(number)))


def _workspace(call: Call, number: int) -> Record:
    row = call.store.workspaces[number]
    membership = call.membership(number) or {}
    plan = call.store.plan(row["organization_id"])
    return {
        "id": number,
        "organization_id": row["organization_id"],
        "name": row["name"],
        "premium": plan != "free",
        "business_ws": plan in {"premium", "enterprise"},
        "admin": bool(membership.get("admin")),
        "role": "admin" if membership.get("admin") else "user",
        "suspended_at": None,
        "server_deleted_at": None,
        "default_hourly_rate": None,
        "rate_last_updated": None,
        "default_currency": row.get("default_currency", "EUR"),
        "only_admins_may_create_projects": False,
        "only_admins_may_create_tags": False,
        "only_admins_see_team_dashboard": False,
        "projects_billable_by_default": True,
        "projects_private_by_default": True,
        "projects_enforce_billable": False,
        "limit_public_project_data": bool(row.get("limit_public_project_data")),
        "last_modified": None,
        "reports_collapse": True,
        "rounding": row.get("rounding", 1),
        "rounding_minutes": row.get("rounding_minutes", 0),
        "api_token": None,
        "at": CREATED,
        "logo_url": "",
        "ical_url": None,
        "ical_enabled": False,
        "hide_start_end_times": False,
        "working_hours_in_minutes": None,
        "permissions": None,
        "active_project_count": sum(
            project.get("active", True) for project in call.store.of_workspace("projects", number)
        ),
    }


@router.on("GET", r"/api/v9/workspaces/(\d+)/clients")
def clients(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    query = call.request.query
    status = query.get("status") or "active"
    if status not in {"active", "archived", "both"}:
        raise refused(400, "Client status is invalid")
    name = query.get("name", "").casefold()
    rows = [
        client_row(row)
        for row in call.store.of_workspace("clients", workspace_id)
        if (status == "both" or bool(row.get("archived")) == (status == "archived")) and name in row["name"].casefold()
    ]
    if call.switches["toggl_clients_paged"] and ("page" in query or "per_page" in query):
        page, size = _whole(query.get("page"), 1, "page"), min(_whole(query.get("per_page"), 50, "per_page"), 200)
        rows = rows[(page - 1) * size : page * size]
    return call.listed(rows)


@router.on("GET", r"/api/v9/workspaces/(\d+)/projects")
def projects(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    query = call.request.query
    page, per_page = _whole(query.get("page"), 1, "page"), _whole(query.get("per_page"), 151, "per_page")
    if per_page > 200 and call.switches["toggl_page_size_over"] == "refuse":
        raise refused(400, "Invalid per_page format")
    per_page = min(per_page, 200)
    active = query.get("active") or "both"
    since = _since(query.get("since"))
    wanted = {int(text) for text in query.get("client_ids", "").split(",") if text.strip().isdecimal()}
    membership = call.membership(workspace_id) or {}
    rows = [
        row
        for row in call.store.of_workspace("projects", workspace_id)
        if (active == "both" or bool(row.get("active", True)) == (active == "true"))
        and (not wanted or row.get("client_id") in wanted)
        and (moment(row.get("at", CREATED)) >= since if since else not row.get("server_deleted_at"))
        and (membership.get("admin") or not row.get("is_private"))
        and query.get("name", "").casefold() in row["name"].casefold()
    ]
    rows.sort(key=lambda row: (row["name"].casefold(), row["id"]))
    part = rows[(page - 1) * per_page : page * per_page]
    headers = {
        "X-Page": str(page),
        "X-Page-Size": str(per_page),
        "X-Sort-Field": "project_name",
        "X-Sort-Order": "asc",
    }
    return call.listed([project_row(call.store, row) for row in part], headers)


def _since(text: str | None) -> datetime | None:
    """UNIX seconds; rows changed or deleted since then are listed."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 11:
        raise refused(400, "Invalid since format")
    return datetime.fromtimestamp(int(text), UTC)


def _whole(text: str | None, default: int, name: str) -> int:
    if not text:
        return default
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise refused(400, f"Invalid {name} format")
    return int(text)


@router.on("GET", r"/api/v9/workspaces/(\d+)/tags")
def tags(call: Call, number: str) -> Answer:
    """All tags, unless a page is asked for (the parameters are new in 2026)."""
    query = call.request.query
    search = query.get("search", "").casefold()
    rows = [
        tag_row(row)
        for row in call.store.of_workspace("tags", call.entered(number))
        if search in row["name"].casefold()
    ]
    if "page" in query or "per_page" in query:
        page, size = _whole(query.get("page"), 1, "page"), _whole(query.get("per_page"), 50, "per_page")
        rows = rows[(page - 1) * size : page * size]
    return call.listed(rows)


@router.on("GET", r"/api/v9/workspaces/(\d+)/users")
def users(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    rows = []
    for user in call.store.users.values():
        membership = call.store.membership(user, workspace_id)
        if membership is not None:
            rows.append(
                {
                    "id": user["id"],
                    "fullname": user["fullname"],
                    "email": user["email"],
                    "is_active": True,
                    "is_admin": bool(membership["admin"]),
                    "inactive": False,
                    "role": "admin" if membership["admin"] else "user",
                }
            )
    return call.listed(rows)
