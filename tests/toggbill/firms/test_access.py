"""The table of rights, and its copy in the README."""

from __future__ import annotations

import io

import pytest
from django.conf import settings
from django.core.management import call_command

from toggbill.firms.access import RIGHTS, may
from toggbill.firms.models import Firm, Membership

BOOKS = {"owner", "manager", "bookkeeper"}
WHO = {
    "see": BOOKS | {"viewer"},
    "export": BOOKS | {"viewer"},
    "map": BOOKS,
    "hold": BOOKS,
    "draft": BOOKS,
    "discount": {"owner", "manager"},
    "approve": BOOKS,
    "approve_any": {"owner", "manager"},
    "post": {"owner", "manager"},
    "configure": {"owner", "manager"},
    "pair": {"owner", "manager"},
    "prove": {"owner", "manager"},
    "connect": {"owner", "manager"},
    "members": {"owner"},
    "firm": {"owner"},
}
WHOLE_FIRM = {"pair", "prove", "connect", "members", "firm"}


def test_table_is_complete() -> None:
    assert set(RIGHTS) == set(WHO)


@pytest.mark.parametrize("what", sorted(WHO))
def test_right_belongs_to_these_roles(what: str) -> None:
    roles = [role.value for role in Membership.Role]
    firm = Firm()
    assert {role for role in roles if may(Membership(firm=firm, role=role), what)} == WHO[what]
    assert not may(None, what)
    restricted = {role for role in roles if may(Membership(firm=firm, role=role, is_restricted=True), what)}
    assert restricted == (set() if what in WHOLE_FIRM else WHO[what])


def test_readme_shows_the_table() -> None:
    out = io.StringIO()
    call_command("roles", stdout=out)
    readme = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    assert readme.split("<!-- roles -->\n")[1].split("\n<!-- end of roles -->")[0] == out.getvalue().rstrip("\n")
