"""Lists of the admin are filtered by what they offer and by nothing else, however it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client, RequestFactory

from integrations.models import Entry
from invoicing.models import Dossier, LedgerRow, TagMapping
from tests.factories import FirmFactory, MembershipFactory, TagMappingFactory
from tests.furniture import furnish
from tests.visitors import address, staff, superuser
from toggbill.firms.models import AuditEvent, Firm, Membership, User

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"password|secret|token|hash|key$|seed|data$|email|session")


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours")


def shown(answer: Any) -> tuple[int, str]:
    """The status and the page without what differs between any two requests."""
    return answer.status_code, re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode())


def paths(model: type[models.Model], depth: int = 3, before: str = "") -> Iterator[str]:
    """Every field that a look-up could reach from a model, also backwards."""
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignObjectRel | models.ForeignKey | models.ManyToManyField):
            related: Any = field.related_model
            name = str(field.name)
            if depth > 1 and name:
                yield from paths(related, depth - 1, f"{before}{name}__")
        else:
            yield before + field.name


def test_owner_does_not_read_the_hash_of_a_password_piecemeal(firm: Firm) -> None:
    MembershipFactory(firm=firm, user__password="an-invented-password", user__email="victim@example.com")
    browser = staff(firm)
    start = User.objects.get(email="victim@example.com").password[:3]
    members, users = address(Membership, "changelist"), address(User, "changelist")
    unknown = shown(browser.get(members, {"nobody_knows_this": "x"}))
    assert unknown[0] == 400
    assert "This address asks for what the page does not offer" in unknown[1]
    for path, lookup in (
        (members, "user__password__startswith"),
        (members, "user__password"),
        (members, "user__password__regex"),
        (members, "firm__memberships__user__password__startswith"),
        (members, "user__authenticator__data__startswith"),
        (members, "user__usersession__session_key__startswith"),
        (users, "password__startswith"),
        (users, "memberships__user__password__startswith"),
        (address(AuditEvent, "changelist"), "firm__memberships__user__password__startswith"),
        (address(Dossier, "changelist"), "workspace__connection__secret__startswith"),
        (address(Dossier, "changelist"), "workspace__webhooks__token_hash__startswith"),
    ):
        for value in (start, "zzz"):
            assert shown(browser.get(path, {lookup: value})) == unknown, lookup


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label_lower)
def test_no_list_is_filtered_by_a_secret_of_any_row_near_it(model: type[models.Model]) -> None:
    model_admin = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    tried = [path for path in set(paths(model)) if SECRET.search(path.rpartition("__")[2])]
    assert tried
    for path in tried:
        for ending in ("", "__exact", "__startswith", "__regex", "__gt", "__isnull", "__in"):
            assert not model_admin.lookup_allowed(path + ending, "x", request), path + ending


@pytest.mark.slow
def test_every_filter_of_every_list_works(firm: Firm) -> None:
    furnish(firm, "bakery")
    browser = superuser(firm)
    tried = 0
    for model in admin.site._registry:
        where = address(model, "changelist")
        page: Any = browser.get(where)
        found = page.context_data["cl"]
        for spec in found.filter_specs:
            for choice in spec.choices(found):
                tried += 1
                assert browser.get(where + choice["query_string"]).status_code == 200, (where, choice)
        if found.date_hierarchy:
            for query in ("year=2026", "year=2026&{0}__month=11", "year=2026&{0}__month=11&{0}__day=10"):
                name = found.date_hierarchy
                assert browser.get(f"{where}?{name}__{query.format(name)}").status_code == 200
    assert tried > 60


def test_filter_narrows_the_list(firm: Firm) -> None:
    mine, other = TagMappingFactory(dossier__firm=firm), TagMappingFactory(dossier__firm=firm)
    answer: Any = staff(firm).get(address(TagMapping, "changelist"), {"dossier__id__exact": mine.dossier_id})
    assert list(answer.context_data["cl"].result_list) == [mine]
    assert other.pk not in [row.pk for row in answer.context_data["cl"].result_list]


def test_export_is_filtered_by_what_the_list_offers(firm: Firm) -> None:
    browser: Client = staff(firm)
    page = browser.post("/admin/invoicing/dossier/export/?company__connection__secret__startswith=x", {"format": "0"})
    assert page.status_code == 400


@pytest.mark.parametrize(
    ("model", "query"),
    [
        *(
            (LedgerRow, f"day__{query}")
            for query in ("year=9999", "year=0", "year=x", "year=2026&day__month=13", "gte=x")
        ),
        *(
            (Entry, f"started_at__{query}")
            for query in ("year=9999", "year=0", "year=2026&started_at__month=2&started_at__day=30")
        ),
        *((Entry, f"started_at__{query}") for query in ("month=x", "gte=x", "lt=2026-13-01")),
        *((Entry, f"workspace__id__exact={value}") for value in ("x", "1.5")),
        *((Entry, f"billable__exact={value}") for value in ("x", "2")),
        *((Entry, query) for query in ("_to_field=description", "no_such_thing=1", "e=1&no_such_thing=1")),
    ],
)
def test_list_that_is_asked_for_what_it_cannot_show_is_not_understood(
    model: type[models.Model], query: str, firm: Firm
) -> None:
    furnish(firm, "bakery")
    # Whose rows are all alike is offered no filter, and asks for nothing by it.
    furnish(firm, "garage")
    answer = superuser(firm).get(f"{address(model, 'changelist')}?{query}")
    assert (answer.status_code, "This address asks for" in answer.content.decode()) == (400, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["q=x", f"q={'9' * 30}", f"q={'9' * 5000}", "q=%22", "o=x.-1.99", f"p={'9' * 5000}", "all=x"]
)
def test_list_searches_for_any_text(query: str, firm: Firm) -> None:
    furnish(firm, "bakery")
    browser = superuser(firm)
    for model in admin.site._registry:
        assert browser.get(f"{address(model, 'changelist')}?{query}").status_code == 200, model


@pytest.mark.parametrize("number", ["9" * 19, "9" * 400])
def test_filter_by_a_number_that_no_row_has_shows_none(number: str, firm: Firm) -> None:
    furnish(firm, "bakery")
    furnish(firm, "garage")
    answer: Any = superuser(firm).get(f"{address(Entry, 'changelist')}?workspace__id__exact={number}")
    assert list(answer.context_data["cl"].result_list) == []
