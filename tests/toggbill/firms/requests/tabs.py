"""Two tabs of one browser, each with another firm, and the forms and links of their pages."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from django.test import Client

from invoicing.models import Correction, Dossier, Invoice, TagMapping
from tests.factories import (
    ClientFactory,
    ClientMappingFactory,
    CustomerFactory,
    LedgerRowFactory,
    ProductFactory,
    ProjectFactory,
)
from tests.visitors import Tab
from toggbill.firms.models import AuditEvent, Firm, Invitation, Membership


@dataclass
class Form:
    """A form of a page: where it goes, and what its hidden fields hold."""

    action: str
    fields: dict[str, str]


class Markup(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.links: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(named.get("action", ""), {}))
        elif tag == "input" and named.get("type") == "hidden" and self.found:
            self.found[-1].fields[named["name"]] = named.get("value", "")
        for name in ("href", "action", "formaction"):
            if named.get(name):
                self.links.append(named[name])


def forms(tab: Client, path: str) -> list[Form]:
    """The forms of a page; one that names no address goes back to its page."""
    found = Markup(tab.get(path).content.decode()).found
    return [Form(form.action or path, form.fields) for form in found]


def form(tab: Client, path: str, ending: str) -> Form:
    """The form of a page that goes to an address with this ending."""
    [only] = [found for found in forms(tab, path) if found.action.endswith(ending)]
    return only


@dataclass
class Two:
    """One browser of one person who owns two firms, with a tab for each."""

    ours: Tab
    theirs: Tab


def an_hour_to_draft(dossier: Dossier) -> None:
    ProductFactory(company=dossier.company, reference="ADV")
    customer = CustomerFactory(company=dossier.company)
    client = ClientFactory(workspace=dossier.workspace)
    ClientMappingFactory(
        dossier=dossier, client_remote_id=client.remote_id, number="", customer_party_id=customer.party_id
    )
    project = ProjectFactory(workspace=dossier.workspace, client_remote_id=client.remote_id)
    LedgerRowFactory(dossier=dossier, entry__project_remote_id=project.remote_id)


def counted(firm: Firm) -> list[int]:
    models: list[Any] = [
        AuditEvent,
        Invitation,
        Membership,
        Invoice,
        TagMapping,
        Correction.objects.exclude(decision="open"),
    ]
    return [(rows.all() if hasattr(rows, "all") else rows.objects).filter(firm=firm).count() for rows in models]
