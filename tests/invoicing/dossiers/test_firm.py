"""The firm of the dossiers: its zone, and what it has already."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.models import Entry
from invoicing.dossiers.firm import StandingDossier, set_firm, standing
from tests.factories import InvoiceFactory
from tests.invoicing.dossiers.made import BY, LATER, NOW, START, made
from tests.visitors import events

pytestmark = pytest.mark.django_db


def test_set_firm_is_written_once() -> None:
    first = set_firm(slug="f", name="F", timezone="Europe/Brussels", language="fr", by=BY, now=NOW)
    again = set_firm(slug="f", name="F", timezone="Europe/Brussels", language="fr", by=BY, now=NOW)
    assert (first[1], again) == ("created", (first[0], "unchanged"))
    assert events(first[0]) == []


def test_set_firm_in_another_zone_moves_its_days() -> None:
    dossier = made(every="daily")
    firm = dossier.firm
    assert dossier.due_at == datetime(2026, 9, 11, 22, tzinfo=UTC)
    _, outcome = set_firm(slug=firm.slug, name=firm.name, timezone="UTC", language="nl", by=BY, now=LATER)
    assert outcome == "updated"
    dossier.refresh_from_db()
    assert dossier.due_at == datetime(2026, 9, 12, tzinfo=UTC)
    assert Entry.objects.get().marked_at == LATER
    old = {"name": firm.name, "timezone": "Europe/Brussels", "language": "en", "requires_mfa": False}
    new = old | {"timezone": "UTC", "language": "nl"}
    assert events(firm)[-1] == ("rule_changed", f"firm {firm.slug}", {"old": old, "new": new})


def test_standing_tells_what_the_firm_has() -> None:
    dossier = made(clients=frozenset({501}))
    InvoiceFactory.create(dossier=dossier)
    toggl, billit = dossier.workspace.connection.key, dossier.company.connection.key
    stands = standing(dossier.firm.slug)
    assert (stands.toggl, stands.billit) == (frozenset({toggl}), frozenset({billit}))
    assert stands.dossiers == {
        "bakery": StandingDossier(
            name="bakery",
            toggl=toggl,
            workspace=dossier.workspace.remote_id,
            billit=billit,
            company=dossier.company.party_id,
            start=START,
            clients=frozenset({501}),
            has_invoiced=True,
        )
    }
    assert standing("nobody").dossiers == {}
