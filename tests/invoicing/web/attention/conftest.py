"""A firm with one dossier, whose hours wait for a decision."""

from __future__ import annotations

from decimal import Decimal

import pytest

from invoicing.models import Dossier
from tests.factories import (
    ClientFactory,
    DossierFactory,
    FirmFactory,
    ProductFactory,
    ProjectFactory,
)
from tests.invoicing.web.attention.deciding import NUMBER
from toggbill.firms.models import Firm


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    """A dossier with a client that has its number, one without, and two products."""
    made = DossierFactory(firm=firm, key="bakery", name="Bakery")
    ClientFactory(workspace=made.workspace, remote_id=501, name=f"Garage Lys {NUMBER}")
    ClientFactory(workspace=made.workspace, remote_id=502, name="Maison Voorbeeld")
    ProjectFactory(workspace=made.workspace, remote_id=601, client_remote_id=501)
    ProjectFactory(workspace=made.workspace, remote_id=602, client_remote_id=502)
    ProductFactory(company=made.company, reference="ADV", description="Advies", price=Decimal("93.00"))
    ProductFactory(company=made.company, reference="BKH", description="Boekhouding", price=Decimal("75.00"))
    return made
