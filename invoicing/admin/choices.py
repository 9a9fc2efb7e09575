"""What the services have, by name: the admin's forms offer it, and take a name, an offered line, or a bare id.

The rows are kept by the services' own ids, as ever; names are only how a person says them. Somebody who may not see
the clients of a workspace (``access.visible``) is offered none and reads the id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrations.models import Client, Customer, Product
from invoicing.models import Dossier
from invoicing.rules.text import text_key
from toggbill.firms.admin import firm_of, scoped

CLIENTS, CUSTOMERS, PRODUCTS = "known-clients", "known-customers", "known-products"
PEOPLE = "known-people"
"""The ids of the lists in the page (``datalist``)."""

MOST = 3000
"""Lines of a list; who has more types a part of the name and the id."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A line of a list: what is put into the field, and what stands beside it."""

    value: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The names of clients and customers by their ids, those that are gone too; and what is offered."""

    clients: Mapping[int, str] = field(default_factory=dict)
    customers: Mapping[int, str] = field(default_factory=dict)
    offers: Mapping[str, list[Offer]] = field(default_factory=dict)


def choices_of(request: HttpRequest, dossier: Dossier | None) -> Choices:
    """What the person may see of a dossier's workspace and company; of the whole firm while no dossier is chosen.

    Read once a request.
    """
    found: Choices | None = getattr(request, "choices", None)
    if found is None:
        found = _read(request, dossier)
        request.choices = found  # type: ignore[attr-defined]  # read above
    return found


def _read(request: HttpRequest, dossier: Dossier | None) -> Choices:
    firm = firm_of(request, dossier)
    if firm is None:
        return Choices()
    clients = scoped(request, Client.objects.filter(firm=firm)).select_related("workspace")
    customers = scoped(request, Customer.objects.filter(firm=firm))
    products = scoped(request, Product.objects.present().filter(firm=firm)).exclude(reference="")
    if dossier is not None:
        clients = clients.filter(workspace=dossier.workspace_id)
        customers = customers.filter(company=dossier.company_id)
        products = products.filter(company=dossier.company_id)
    some_clients = list(clients.order_by("name", "pk")[:MOST])
    some_customers = list(customers.order_by("name", "pk")[:MOST])
    return Choices(
        clients={row.remote_id: row.name for row in some_clients},
        customers={row.party_id: row.name for row in some_customers},
        offers={
            CLIENTS: [
                Offer(line(row.remote_id, row.name), "" if dossier else row.workspace.name)
                for row in some_clients
                if row.deleted_at is None
            ],
            CUSTOMERS: [
                Offer(line(row.party_id, row.name), row.vat_number) for row in some_customers if row.deleted_at is None
            ],
            PRODUCTS: [
                Offer(reference, description[:100])
                for reference, description in products.order_by("reference").values_list("reference", "description")
            ],
        },
    )


def line(number: int, name: str) -> str:
    """How an id with its name stands in a field: `Bakery (501)`."""
    return f"{' '.join(name.split())} ({number})" if name else str(number)


class NamedIdField(forms.Field):
    """An id of a service that a person gives by its name; the value is the number, None when it is empty."""

    def __init__(self, *, offers: str, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"list": offers, "autocomplete": "off", "class": "vNamedIdField"})
        super().__init__(widget=widget, **kwargs)
        self.names: Mapping[int, str] = {}

    def prepare_value(self, value: Any) -> Any:
        """A stored id is shown with its name; what was typed is shown as it was typed."""
        return line(value, self.names.get(value, "")) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        """The id. ValidationError for a name that nothing has, or several have."""
        if isinstance(value, int):
            return value
        text = " ".join(str(value or "").split())
        if not text:
            return None
        called = [number for number, name in self.names.items() if _same(name, text)]
        if len(called) == 1:
            return called[0]
        if len(called) > 1:
            raise forms.ValidationError(
                _("Several are called “%(name)s”: choose one of the list, or give its number."), params={"name": text}
            )
        found = re.fullmatch(r"(?:.*\()?([0-9]{1,18})\)?", text)
        if found is None:
            raise forms.ValidationError(
                _("Nothing known is called “%(name)s”: choose one of the list, or give its number."),
                params={"name": text},
            )
        return int(found[1])

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another id; the same one by another name is no change."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


def _same(name: str, text: str) -> bool:
    return text_key(name) == text_key(text)


def offered(offers: str) -> forms.TextInput:
    """A text field with a list beside it, in which anything may be typed."""
    return forms.TextInput(attrs={"list": offers, "autocomplete": "off", "class": "vTextField"})


CLIENT_HELP: str | Promise = _("The client in Toggl: choose it by its name, or give its number.")
CUSTOMER_HELP: str | Promise = _("Instead of a number: the customer in Billit, by its name or PartyID.")
