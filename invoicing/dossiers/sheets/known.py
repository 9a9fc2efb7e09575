"""What the services have that a file may name: the products and customers of a company, the clients and projects of a
workspace.

Of a company or workspace that was never read nothing is known, and nothing can be judged: None.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from integrations.models import Client, Company, Customer, Product, Project, Workspace
from invoicing.dossiers.people import has_person
from invoicing.rules.text import text_key


class Known:
    """Reads each company and workspace once."""

    def __init__(self) -> None:
        self._products: dict[int, AbstractSet[str] | None] = {}
        self._customers: dict[int, AbstractSet[int] | None] = {}
        self._clients: dict[int, AbstractSet[int] | None] = {}
        self._projects: dict[int, AbstractSet[int] | None] = {}
        self._people: dict[tuple[int, int], bool] = {}

    def has_product(self, company: Company, reference: str) -> bool:
        """Whether the company has a product of this reference, as tags and references are compared (R4)."""
        if company.pk not in self._products:
            found = Product.objects.present().filter(company=company).values_list("reference", flat=True)
            self._products[company.pk] = {text_key(each) for each in found} if company.synced_at else None
        known = self._products[company.pk]
        return known is None or text_key(reference) in known

    def has_customer(self, company: Company, party_id: int) -> bool:
        """Whether the company has a customer of this PartyID."""
        if company.pk not in self._customers:
            found = Customer.objects.present().filter(company=company).values_list("party_id", flat=True)
            self._customers[company.pk] = set(found) if company.synced_at else None
        known = self._customers[company.pk]
        return known is None or party_id in known

    def has_client(self, workspace: Workspace, client: int) -> bool:
        """Whether the workspace has a client of this id at Toggl, or had it: its hours may still be billed."""
        if workspace.pk not in self._clients:
            found = Client.objects.filter(workspace=workspace).values_list("remote_id", flat=True)
            self._clients[workspace.pk] = set(found) if workspace.synced_at else None
        known = self._clients[workspace.pk]
        return known is None or client in known

    def has_project(self, workspace: Workspace, project: int) -> bool:
        """Whether the workspace has a project of this id at Toggl, or had it."""
        if workspace.pk not in self._projects:
            found = Project.objects.filter(workspace=workspace).values_list("remote_id", flat=True)
            self._projects[workspace.pk] = set(found) if workspace.synced_at else None
        known = self._projects[workspace.pk]
        return known is None or project in known

    def has_person(self, workspace: Workspace, person: int) -> bool:
        """Whether the workspace has hours of this Toggl user."""
        if (workspace.pk, person) not in self._people:
            known = not workspace.synced_at or has_person(workspace, person)
            self._people[workspace.pk, person] = known
        return self._people[workspace.pk, person]
