"""What the forms of agreements offer: customers by their Toggl client or number, and the projects of a customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from invoicing.admin.choices import line
from invoicing.ledger.facts.books import Facts
from invoicing.models import Dossier
from invoicing.rules import agreement as rules
from invoicing.rules import days
from invoicing.rules.judging.mapping import read_number
from invoicing.web.configuring import offers
from toggbill.firms.models import Membership


def payers_of(dossier: Dossier, clients: Mapping[int, str], membership: Membership) -> list[tuple[str, str]]:
    """What is put into the field of a customer, with what stands beside it: Toggl's clients by name, then Billit's
    customers that have a number."""
    by_name = sorted(clients.items(), key=lambda each: (each[1].casefold(), each[0]))
    found = [(line(number, name), read_number(name).number) for number, name in by_name]
    customers = offers.customers_of(dossier, membership)
    return found + [(each.number, each.name) for each in customers if each.number]


def clients_of(dossier: Dossier, books: Facts) -> dict[int, str]:
    """The Toggl clients that the dossier bills, by id (R1)."""
    own = {client for client, of in books.named.items() if of == dossier}
    return {
        client: name for client, name in books.clients.items() if (client in own if own else client not in books.named)
    }


def of(payer: int | str, books: Facts) -> rules.Agreement:
    """An agreement with a Toggl client (id) or a number, with nothing else said yet."""
    return rules.Agreement(
        key="",
        title="",
        start=days.FIRST,
        product="",
        amount=Decimal(0),
        client_id=payer if isinstance(payer, int) else None,
        number="" if isinstance(payer, int) else payer,
        client_name=books.clients.get(payer, "") if isinstance(payer, int) else "",
    )


def named(terms: rules.Agreement, books: Facts) -> rules.Agreement:
    """The same terms with the name of their Toggl client, which the rules read."""
    return replace(terms, client_name=books.clients.get(terms.client_id or 0, ""))


def projects_of(dossier: Dossier, books: Facts, payer: rules.Agreement) -> list[tuple[int, str]]:
    """The projects of a customer by name, whichever of its Toggl clients they are of; those of the one client alone
    while nobody knows who that is billed to."""
    judge = books.judges[dossier.pk]
    customer = judge.customer_key(payer)
    clients = {
        client
        for client, name in clients_of(dossier, books).items()
        if customer and judge.customer_key(replace(payer, client_id=client, client_name=name, number="")) == customer
    }
    found = [
        (number, name)
        for number, (name, client) in books.projects.items()
        if number not in books.gone_projects and client is not None and client in clients | {payer.client_id}
    ]
    return sorted(found, key=lambda each: (each[1].casefold(), each[0]))
