"""The onboarding file (TOML) that connects a world's firm; its tokens stand inline: they open only the sandbox."""

from __future__ import annotations

import json
import re
from typing import Any

from integrations.sandbox.http.wire import Record

_DAYS = frozenset({"start", "from", "until", "day"})
_BARE_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def onboarding_file(world: Record) -> str:
    """The text of the file for a world; a world without a firm has none ("")."""
    firm = world.get("firm")
    if not firm:
        return ""
    connections = world.get("connections") or _connections(world)
    owner = {"email": firm["owner"], "role": "owner"}
    if firm.get("password_env"):
        owner["password_env"] = firm["password_env"]
    parts = [_table("[firm]", {name: firm[name] for name in ("slug", "name", "timezone", "language")})]
    parts.append(_table("[[users]]", owner))
    parts += [_table("[[toggl]]", row) for row in connections["toggl"]]
    parts += [_table("[[billit]]", row) for row in connections["billit"]]
    parts += [_table("[[dossiers]]", row) for row in world.get("dossiers", [])]
    return "\n".join(parts)


def _connections(world: Record) -> Record:
    """One connection per service: the first Toggl user who is an admin somewhere, and the first Billit user."""
    users = world["toggl"]["users"]
    admin = next((user for user in users if any(row["admin"] for row in user["workspaces"])), users[0])
    key = world["billit"]["users"][0]["api_key"]
    return {
        "toggl": [{"key": "main", "api_token": admin["token"]}],
        "billit": [{"key": "main", "api_key": key}],
    }


def _table(header: str, row: Record) -> str:
    lines = [f"{name} = {_value(name, value)}" for name, value in row.items() if value is not None]
    return "\n".join([header, *lines, ""])


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        members = ", ".join(f"{key} = {_value(key, item)}" for key, item in value.items() if item is not None)
        return f"{{ {members} }}"
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            return "[\n" + "".join(f"  {_value('', item)},\n" for item in value) + "]"
        return "[" + ", ".join(_value("", item) for item in value) + "]"
    if name in _DAYS and isinstance(value, str) and _BARE_DATE.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
