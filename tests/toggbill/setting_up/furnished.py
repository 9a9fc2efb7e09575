"""A firm in the middle of its set-up: connected, paired and read, with tags and clients that lead nowhere yet."""

from __future__ import annotations

from datetime import date, datetime

from invoicing.models import Dossier
from tests.factories import (
    PASSWORD,
    ClientFactory,
    ClientMappingFactory,
    CustomerFactory,
    DossierFactory,
    FirmFactory,
    LedgerRowFactory,
    MembershipFactory,
    ProductFactory,
    ProjectFactory,
    TagMappingFactory,
)
from toggbill.firms.models import User

LYS, KADE = 571, 572
"""Toggl clients: one whose name is like a customer's, one that has a mapping."""


def furnished(now: datetime) -> tuple[Dossier, User]:
    """The dossier and the owner of its firm: 2 h of the tag "Advies" and 1 h of the client "Garage Lys" wait."""
    firm = FirmFactory(slug="ours", name="Our Firm", language="en")
    dossier = DossierFactory(firm=firm, key="bakery", name="Bakery", start_date=date(2026, 10, 1))
    dossier.workspace.reread_at = dossier.workspace.synced_at = dossier.company.synced_at = now
    dossier.workspace.save()
    dossier.company.save()
    ProductFactory(company=dossier.company, reference="ADV", description="Advies", price="95.00")
    ProductFactory(company=dossier.company, reference="BKH", description="Boekhouding", price="60.00")
    CustomerFactory(company=dossier.company, party_id=88_001, name="Garage Lys SRL")
    ClientFactory(workspace=dossier.workspace, remote_id=LYS, name="Garage Lys")
    ClientFactory(workspace=dossier.workspace, remote_id=KADE, name="Studio Kade")
    ProjectFactory(workspace=dossier.workspace, remote_id=671, client_remote_id=LYS)
    TagMappingFactory(dossier=dossier, tag="Books", product_reference="BKH")
    ClientMappingFactory(dossier=dossier, client_remote_id=KADE, purchase_order="PO 7")
    for _number in range(2):
        LedgerRowFactory(dossier=dossier, state="attention", reason="unknown_tag", tags=["Advies"])
    row = LedgerRowFactory(dossier=dossier, state="attention", reason="no_vat", client_name="Garage Lys")
    row.entry.project_remote_id = 671
    row.entry.save()
    return dossier, MembershipFactory(firm=firm, user__password=PASSWORD).user
