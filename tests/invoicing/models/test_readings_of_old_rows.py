"""Rows of before names were read as one, and numbers as sure or not: nothing told is lost, nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.text import text_key
from tests.factories import (
    ClientFactory,
    ClientMappingFactory,
    DossierFactory,
    LedgerRowFactory,
    enterprise_number,
)

BEFORE = [("invoicing", "0009_einvoice")]


@pytest.fixture
def before() -> Iterator[Any]:
    """The models of the version before; whatever the test leaves, the tables are today's when it has ended."""
    MigrationExecutor(connection).migrate(BEFORE)
    yield MigrationExecutor(connection).loader.project_state(BEFORE).apps
    call_command("migrate", verbosity=0)


def _tag(dossier: Dossier, apps: Any, tag: str, product: str = "ADV", priority: int | None = None) -> None:
    apps.get_model("invoicing", "TagMapping").objects.create(
        firm_id=dossier.firm_id,
        dossier_id=dossier.pk,
        tag=tag,
        tag_key=tag.strip().casefold(),
        bill=bool(product),
        product_reference=product,
        priority=priority,
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_was_kept_of_names_is_read_anew(request: pytest.FixtureRequest) -> None:
    dossier, other = DossierFactory(), DossierFactory()
    DossierFactory(mode="post", key="post"), DossierFactory(mode="send", auto_limit=5, key="limited")
    number = enterprise_number(1)
    names = {501: f"Bakery {number}", 502: f"Bakery {number[3:]}", 503: f"Garage {number[3:]}", 504: "Florist"}
    for client, name in names.items():
        ClientFactory(workspace=dossier.workspace, remote_id=client, name=name)
        more = {"treatment": "domestic"} if client == 503 else {}
        ClientMappingFactory(dossier=dossier, client_remote_id=client, number=number, is_proposed=True, **more)
    ClientFactory(workspace=dossier.workspace, remote_id=505, name=names[502])
    ClientMappingFactory(dossier=dossier, client_remote_id=505, number=number)
    waiting = LedgerRowFactory(dossier=dossier).entry
    billed = LedgerRowFactory(dossier=dossier, state="credited", decision="credited", decision_text="tb-1").entry

    apps = request.getfixturevalue("before")
    _tag(dossier, apps, "Été", "ADV", 5)
    _tag(dossier, apps, "E\u0301te\u0301", "ADV", 5)
    _tag(dossier, apps, "non facturable", "")
    _tag(dossier, apps, "non\u00a0facturable", "ADV")
    _tag(dossier, apps, "non\u00adfacturable", "BOOK")
    _tag(other, apps, "non  facturable", "ADV")
    _tag(other, apps, "\u200b", "ADV")
    then = apps.get_model("invoicing", "Dossier").objects.filter(key="post")
    assert then.count() == 1
    call_command("migrate", verbosity=0)

    kept = {row.tag: row for row in TagMapping.objects.filter(dossier=dossier)}
    assert kept.keys() == {"Été", "non facturable", "non\u00adfacturable"}
    assert {row.tag_key for row in kept.values()} == {"été", "non facturable", "nonfacturable"}
    assert all(row.tag_key == text_key(row.tag) for row in TagMapping.objects.exclude(tag="\u200b"))
    # No tag of an entry has this key: the mapping is kept, and billed as little as before.
    unseen = TagMapping.objects.get(dossier=other, tag="\u200b")
    assert (unseen.tag_key, unseen.product_reference) == (f"#{unseen.pk}", "ADV")
    assert kept["Été"].contradicted_by == []
    assert kept["non facturable"].contradicted_by == [
        {"tag": "non\u00a0facturable", "bill": True, "product": "ADV", "priority": None}
    ]
    assert TagMapping.objects.get(dossier=other, tag_key="non facturable").contradicted_by == []

    found = {row.client_remote_id: (row.number, row.is_proposed) for row in ClientMapping.objects.all()}
    assert found == {501: (number, True), 503: ("", False), 504: (number, True), 505: (number, False)}
    limits = dict(Dossier.objects.values_list("key", "no_limit"))
    assert (limits["post"], limits["limited"], limits[dossier.key]) == (True, False, False)
    waiting.refresh_from_db()
    billed.refresh_from_db()
    assert (waiting.marked_at is not None, billed.marked_at) == (True, None)
