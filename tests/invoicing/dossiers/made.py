"""A dossier that stands, made by the verbs, and what the tests of the verbs say in short."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from invoicing.dossiers.rules import DossierRules, Pairing, set_dossiers
from invoicing.models import Dossier
from tests.factories import CompanyFactory, FirmFactory, LedgerRowFactory, ProjectFactory, WorkspaceFactory
from toggbill.firms.audit import Actor
from toggbill.firms.changes import Outcome

NOW = datetime(2026, 9, 10, 22, 30, tzinfo=UTC)  # the 11th in Brussels, a Friday
LATER = datetime(2026, 9, 11, 8, tzinfo=UTC)
START = date(2026, 9, 1)
BY = Actor.command()


def rules(key: str = "bakery", **values: Any) -> DossierRules:
    return DossierRules(**{"key": key, "name": key, "start": START, **values})


def pairing(dossier: Dossier, **values: Any) -> Pairing:
    return Pairing(dossier.workspace, dossier.company, rules(dossier.key, **values))


def made(**values: Any) -> Dossier:
    """A dossier that stands, with one entry in its workspace that is not marked."""
    firm = FirmFactory.create()
    workspace = WorkspaceFactory.create(firm=firm, read_from=None)
    company = CompanyFactory.create(firm=firm)
    wanted = [Pairing(workspace, company, rules(**values))]
    ((dossier, outcome),) = set_dossiers(firm=firm, pairings=wanted, by=BY, now=NOW)
    assert outcome == "created"
    ProjectFactory.create(workspace=workspace, remote_id=601, client_remote_id=501)
    LedgerRowFactory.create(
        dossier=dossier, entry__marked_at=None, tags=["Advies", "Non facturable"], entry__project_remote_id=601
    )
    return dossier


def changed(dossier: Dossier, *pairings: Pairing) -> list[Outcome]:
    return [row[1] for row in set_dossiers(firm=dossier.firm, pairings=pairings, by=BY, now=LATER)]
