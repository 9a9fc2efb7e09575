"""Every address of the site, asked by everybody: the table in every_url.txt is what each of them meets.

The addresses come from the URL conf. One that is new fails here until it stands in the table, so that somebody has
thought about who may open it. Print the table as it is now, and read every changed letter, with

    PRINT_EVERY_URL=1 make test ARGS="tests/test_every_url.py -n 0 -s"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, resolve
from pytest_django import Settings

from invoicing.models import Dossier
from tests.addresses import OWN_ACCOUNT, PUBLIC, READING, addresses, walk
from tests.factories import NOW, PASSWORD, FirmFactory, MembershipDossierFactory, MembershipFactory
from tests.furniture import furnish
from tests.naming import named_of, url_of, values_of
from tests.visitors import prove, superuser
from toggbill.firms.admin import operator
from toggbill.firms.audit import Actor
from toggbill.firms.identity import proof
from toggbill.firms.membership.invitations import invite
from toggbill.firms.models import Firm, Invitation, User
from toggbill.firms.requests.addresses import FirmPattern

TABLE = Path(__file__).with_name("every_url.txt")

# The columns of the table. `restricted` is a bookkeeper who sees one dossier of two; `outsider` owns another firm.
VISITORS = ("owner", "manager", "bookkeeper", "viewer", "restricted", "superuser", "outsider", "nobody")
# a: it opens, or does its work; L: to the sign-in; 3: refused (403); 4: not there (404); 5: another method (405);
# 9: nothing says for which firm (409).


@dataclass
class Scene:
    """Three firms, and how far each visitor gets."""

    clients: dict[str, Client]
    things: dict[str, dict[str, Any]]
    token: str


def _answer(scene: Scene, visitor: str, url: str, method: str) -> str:
    """How an address answers: one letter. What it changes is undone."""
    client = Client(raise_request_exception=True)
    client.cookies.update(scene.clients[visitor].cookies)
    with transaction.atomic():
        answer = client.get(url) if method == "get" else client.post(url)
        if answer.streaming:
            # Not close(): that ends the connection to the database, too.
            for close in answer._resource_closers:  # type: ignore[attr-defined]  # of every response
                close()
        transaction.set_rollback(True)
    status, goal = answer.status_code, answer.headers.get("Location", "")
    if status == 302 and re.match(r"(/accounts|/f/[a-z]+/admin|/operator)/login/", goal):
        return "L"
    if status in {403, 404, 405, 409}:
        return str(status)[-1]
    assert status < 500 or url in {"/readyz"}, f"{visitor} {method} {url}: {status}"
    return "a"


@pytest.fixture
def scene(settings: Settings, monkeypatch: pytest.MonkeyPatch, db: None) -> Scene:
    """Ours has two dossiers, `bakery` and `hidden`; theirs is the outsider's; the third is nobody's here."""
    settings.TOGGL_URL = settings.BILLIT_API_URL = settings.BILLIT_LOGIN_URL = "http://127.0.0.1:9"
    settings.ACCOUNT_RATE_LIMITS = False
    # Asking every address may take longer than a proof is fresh.
    monkeypatch.setattr(proof, "FRESH_FOR", timedelta(days=1))
    ours, theirs = FirmFactory(slug="ours", name="Ours"), FirmFactory(slug="theirs", name="Theirs")
    third = FirmFactory(slug="third", name="Third")
    for firm, mark in ((ours, "bakery"), (ours, "hidden"), (theirs, "theirs"), (third, "third")):
        furnish(firm, mark)
    clients = {}
    for visitor in VISITORS:
        client = Client()
        if visitor == "superuser":
            client = superuser()
        elif visitor != "nobody":
            role = {"restricted": "bookkeeper", "outsider": "owner"}.get(visitor, visitor)
            firm = theirs if visitor == "outsider" else ours
            row = MembershipFactory(
                firm=firm,
                role=role,
                is_restricted=visitor == "restricted",
                user__is_staff=role != "viewer",
                user__password=PASSWORD,
            )
            if visitor == "restricted":
                MembershipDossierFactory(membership=row, dossier=Dossier.objects.get(firm=ours, key="bakery"))
            client.force_login(row.user)
            prove(client, "password")
        clients[visitor] = client
    whose = {
        "": (ours, "bakery"),
        " hidden": (ours, "hidden"),
        " third": (third, "third"),
        " elsewhere": (third, "third"),
    }
    things = {name: {"firm": firm, "mark": mark, "named": named_of(firm, mark)} for name, (firm, mark) in whose.items()}
    _invitation, token = invite(firm=ours, email="somebody@example.com", role="viewer", by=Actor.command(), now=NOW)
    Invitation.objects.filter(email="somebody@example.com").update(expires_at="2999-01-01T00:00Z")
    return Scene(clients, things, token)


def _met(scene: Scene, visitor: str) -> dict[str, str]:
    """What a visitor meets at every address: `GET POST` letters by the name of the address and whose row it is."""
    met = {}
    for address in addresses():
        for suffix, thing in scene.things.items():
            of_firm = address.name.startswith(("firm:", "admin:", "/f/"))
            if suffix == " elsewhere" and (not of_firm or visitor not in {"owner", "outsider", "nobody"}):
                continue
            if suffix in {" hidden", " third"} and (not address.wants or address.name in _NO_ROW):
                continue
            if suffix in {" hidden", " third"} and address.name.startswith(("/", "operator:")):
                continue
            if suffix == " hidden" and address.name.startswith("admin:firms_firm_"):
                continue
            # What is hidden matters to who is restricted; the third firm's to all but those who own nothing here.
            if suffix == " hidden" and visitor != "restricted":
                continue
            if suffix == " third" and visitor not in {"owner", "restricted", "outsider"}:
                continue
            # Asked at the address of the visitor's own firm, and at that of the row's.
            slug = {" third": "theirs" if visitor == "outsider" else "ours", " elsewhere": "third"}.get(suffix, "ours")
            url = url_of(address, values_of(address, **thing, token=scene.token), slug)
            letters = _answer(scene, visitor, url, "get") + _answer(scene, visitor, url, "post")
            met[address.name + suffix] = letters
    return met


# Addresses whose parameter names no row of a firm. (Those of old admins, without a name, lead on and look nothing up.)
_NO_ROW = {
    "account_confirm_email",
    "account_reset_password_from_key",
    "admin:app_list",
    "admin:view_on_site",
    "firm:connection_add",
    "firm:setup_connect",
    "firm:setup_choose",
    "invitation",
    "mfa_edit_webauthn",
    "mfa_remove_webauthn",
    "toggl_hook",
    "billit_hook",
    "firm:all_hours_export",
    "firm:attention_export",
    "firm:corrections_export",
    "firm:decide_any_hours",
    "firm:invoices_export",
    "firm:months_export",
    "firm:realisation_export",
    "firm:wip_export",
    "firm:together",
}


def expected_of(visitor: str) -> dict[str, str]:
    """What the table says that a visitor meets: the letters for GET and POST by the name of the address."""
    column = VISITORS.index(visitor)
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            *name, letters = re.split(r" {2,}", line)
            if (pair := letters.split()[column]) != "..":
                found[name[0]] = pair
    return found


@pytest.mark.slow
@pytest.mark.parametrize("visitor", VISITORS)
def test_every_address_answers_as_the_table_says(visitor: str, scene: Scene) -> None:
    met, expected = _met(scene, visitor), expected_of(visitor)
    differences = [
        f"{name}: {met.get(name, 'no such address')}, and the table says {expected.get(name, 'nothing')}"
        for name in sorted(met.keys() | expected.keys())
        if met.get(name) != expected.get(name)
    ]
    assert not differences, f"{visitor}\n" + "\n".join(differences)


@pytest.mark.parametrize("visitor", ["owner", "restricted", "outsider"])
def test_table_shows_nobody_a_row_of_another_firm(visitor: str) -> None:
    rows = {name: letters for name, letters in expected_of(visitor).items() if name.endswith(" third")}
    assert len(rows) > 80
    assert rows.pop("old_address third") == "49"
    assert {name for name, letters in rows.items() if not set(letters) <= {"3", "4", "5"}} == set()


@pytest.mark.parametrize(("visitor", "letters"), [("owner", "44"), ("outsider", "44"), ("nobody", "LL")])
def test_table_shows_nobody_another_firm(visitor: str, letters: str) -> None:
    met = {name: pair for name, pair in expected_of(visitor).items() if name.endswith(" elsewhere")}
    assert len(met) > 150
    # What Django's admin has for everybody is no firm's.
    public = {"admin:jsi18n elsewhere", "admin:logout elsewhere"} if visitor == "nobody" else set()
    assert {name for name, pair in met.items() if pair != letters} <= public


def test_table_shows_the_restricted_nothing_of_other_dossiers() -> None:
    rows = {name: letters for name, letters in expected_of("restricted").items() if name.endswith(" hidden")}
    assert len(rows) > 80
    assert rows.pop("old_address hidden") == "49"
    assert {name for name, letters in rows.items() if not set(letters) <= {"3", "4", "5"}} == set()


def test_table_lets_nobody_in_but_at_the_public_addresses() -> None:
    opened = {name for name, letters in expected_of("nobody").items() if "a" in letters}
    assert {name.partition(" ")[0] for name in opened} <= PUBLIC


def test_table_lets_viewers_change_nothing() -> None:
    changed = {name for name, letters in expected_of("viewer").items() if letters[1] == "a"}
    assert changed <= PUBLIC | OWN_ACCOUNT | READING


# What is no firm's. Of the last three, the first leads on to a firm, the second says for which firm it came by its
# state, and the third leads on to the row's firm and takes no form.
OUTSIDE = PUBLIC | OWN_ACCOUNT | READING | {"mfa_deactivate_totp", "mfa_download_recovery_codes", "mfa_signup_webauthn"}
OUTSIDE |= {"toggl_hook", "billit_hook", "home", "billit_signed_in", "old_address"}


def test_every_address_of_a_firm_has_the_firm_in_it() -> None:
    outside = set()
    for pattern in get_resolver().url_patterns:
        if not isinstance(pattern.pattern, FirmPattern):
            outside |= {address.name for address in walk([pattern])}
    operators = {name for name in outside if name.startswith(("operator:", "/operator/"))}
    assert outside - operators - OUTSIDE == set()
    # The operator's pages have the list of firms, and accounts, which belong to no single one.
    assert set(operator.site._registry) == {Firm, User}
    # A view that asks for a right asks it of a member of a firm.
    for address in addresses():
        if not address.name.startswith(("/", "admin:", "operator:")):
            values = {"page": "invoices/"} if address.name == "old_address" else dict.fromkeys(address.wants, "1")
            path = url_of(address, values, "ours")
            assert path.startswith("/f/ours/") or not hasattr(resolve(path).func, "asks_for"), address.name


@pytest.mark.printing
def test_print_the_table(scene: Scene) -> None:
    columns = {visitor: _met(scene, visitor) for visitor in VISITORS}
    names = sorted({name for column in columns.values() for name in column})
    width = max(len(name) for name in names) + 2
    head = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    rows = [f"{name:{width}}" + " ".join(columns[v].get(name, "..") for v in VISITORS) for name in names]
    TABLE.write_text("\n".join([*head, *rows, ""]), encoding="utf-8")
