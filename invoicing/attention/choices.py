"""What can be chosen of the decisions on a page, the best guess first: products, customers, numbers. Reads only.

A fixed number of queries, however many decisions; what is offered of each is bounded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from integrations.connections.opening import open_billit
from integrations.models import Client, Customer, Product
from invoicing.attention import people
from invoicing.attention.causes import Decision
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from invoicing.rules.judging import likeness, mapping
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Reason, Treatment, read_number
from invoicing.rules.text import text_key
from toggbill.firms.access import visible
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import Membership

MAPS_TAG = frozenset({Reason.unknown_tag, Reason.unknown_product, Reason.contradicting_mappings})
"""A tag of the entries is given a product, or is not billed."""
SETS_DEFAULT = frozenset({Reason.no_tag, Reason.unknown_product})
"""Where there is no tag, the dossier is given the product of hours without one."""
CHOOSES_CUSTOMER = frozenset(
    {
        Reason.no_vat,
        Reason.invalid_vat,
        Reason.unsure_vat,
        Reason.several_vats,
        Reason.client_vat_changed,
        Reason.several_customers,
        Reason.unknown_customer,
        Reason.customer_changed,
    }
)
CHOOSES_TREATMENT = frozenset({Reason.foreign_vat, Reason.treatment_number})
_SUGGESTED = 3
_FOUND = 10
_READ = 300
_LONGEST_SEARCH = 100


@dataclass
class Choices:
    """What one decision offers.

    ``products``: the likeliest first, of which ``guess`` is worth naming. ``picks``: products that the tags lead to at
    once, each by one of them. ``customers`` are Billit's, ``numbers`` stand in the client's name or its mapping.
    ``dossiers``: those that may bill the client. ``searches``: a customer may be looked for.
    """

    tags: list[str] = field(default_factory=list)
    products: list[mapping.Product] = field(default_factory=list)
    guess: mapping.Product | None = None
    picks: list[tuple[mapping.Product, str]] = field(default_factory=list)
    customers: list[mapping.Customer] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    treatments: list[Treatment] = field(default_factory=list)
    dossiers: list[Dossier] = field(default_factory=list)
    searches: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """A company of the public registers: `number` as the rules know it, `place` its town."""

    name: str
    number: str
    place: str


def choices_of(found: Sequence[Decision], *, membership: Membership) -> dict[str, Choices]:
    """By the name of a decision what it offers to a member."""
    made = {decision.name: Choices() for decision in found}
    _tags(found, made)
    _customers(found, made, visible(membership, Customer.objects.present()))
    unassigned = [decision for decision in found if decision.reason == Reason.unassigned_client]
    _dossiers(unassigned, made, visible(membership, Dossier.objects.all()))
    return made


def search(dossier: Dossier, words: str, *, membership: Membership) -> list[mapping.Customer]:
    """Billit's customers by name or number that a member may see, ten at most; those that begin alike first."""
    wanted = text_key(words[:_LONGEST_SEARCH])
    if not wanted:
        return []
    digits = re.sub(r"\D", "", wanted)
    rows = visible(membership, Customer.objects.present()).filter(company=dossier.company_id)
    found = [
        customer
        for customer in map(_customer, rows.iterator())
        if wanted in text_key(customer.name) or (len(digits) >= 4 and digits in customer.number)
    ]
    found.sort(key=lambda each: (not text_key(each.name).startswith(wanted), each.name.casefold(), each.party_id))
    return found[:_FOUND]


def search_register(dossier: Dossier, words: str) -> list[Registered]:
    """Companies of the public registers by name or number, ten at most, as Billit finds them; not in a transaction.

    Raises the client's ``ServiceError``.
    """
    number = mapping.normalise_number(words[:_LONGEST_SEARCH])
    with open_billit(dossier.company) as api:
        rows = api.search_companies(number.removeprefix("BE") or words[:_LONGEST_SEARCH])
    found = [Registered(row.name, _registered(row.number, row.country), row.city) for row in rows]
    return [each for each in found if each.number][:_FOUND]


def _registered(number: str, country: str) -> str:
    return mapping.normalise_number(number) or mapping.normalise_number(f"{country}{number}")


def clients_named(dossier: Dossier, name: str) -> dict[int, ClientMapping | None]:
    """The Toggl clients of that name in the dossier's workspace, by id, with their mappings in the dossier."""
    ids = Client.objects.filter(workspace=dossier.workspace_id, name=name).values_list("remote_id", flat=True)
    rows = {row.client_remote_id: row for row in dossier.client_mappings.filter(client_remote_id__in=ids)}
    if not ids:
        raise NotPossible(gettext("Toggl has no client of this name any more: read Toggl again, then decide."))
    return {client: rows.get(client) for client in sorted(ids)}


# --- tags and products ------------------------------------------------------------------------------------------------


def product_by(decision: Decision) -> Callable[[str, int | None], mapping.Product | None]:
    """The product that a single tag leads to (R4) at the hours of a person, by the dossier's mappings."""
    judge = _judge(
        decision, _products([decision])[decision.dossier.company_id], list(decision.dossier.tag_mappings.all())
    )
    return lambda tag, person: judge.product_of((tag,), person)


def _tags(found: Sequence[Decision], made: Mapping[str, Choices]) -> None:
    about = [each for each in found if each.reason in MAPS_TAG | SETS_DEFAULT | {Reason.several_products}]
    if not about:
        return
    products = _products(about)
    rules = defaultdict[int, list[TagMapping]](list)
    for row in TagMapping.objects.filter(dossier__in={each.dossier.pk for each in about}):
        rules[row.dossier_id].append(row)
    workers = people.worked_by([each for each in about if _is_personal(each, rules[each.dossier.pk])])
    for decision in about:
        choices = made[decision.name]
        own = products[decision.dossier.company_id]
        if decision.reason == Reason.several_products:
            choices.picks = _picks(decision, own, rules[decision.dossier.pk], workers.get(decision.name, [None]))
            continue
        choices.tags = _in_question(decision.tags, rules[decision.dossier.pk])
        rated = likeness.products_for(choices.tags[0] if choices.tags else "", own)
        choices.products = [product for product, _alike in rated]
        if rated and rated[0][1] >= likeness.LIKELY:
            choices.guess = rated[0][0]


def _products(found: Iterable[Decision]) -> Mapping[int, list[mapping.Product]]:
    products = defaultdict[int, list[mapping.Product]](list)
    rows = Product.objects.present().filter(company__in={each.dossier.company_id for each in found})
    for row in rows.order_by("remote_id"):
        product = mapping.Product(row.remote_id, row.reference, row.description, row.price, row.vat_rate)
        products[row.company_id].append(product)
    return products


def _in_question(tags: Sequence[str], rules: Sequence[TagMapping]) -> list[str]:
    """Tags as they are spelled, once each; those first of which a mapping is the trouble."""
    mapped: dict[str, bool] = {}
    for row in rules:
        mapped[row.tag_key] = mapped.get(row.tag_key, False) or bool(row.contradicted_by)
    once = {text_key(tag): tag.strip() for tag in reversed(tags) if text_key(tag)}
    return [once[key] for key in sorted(once, key=lambda key: (not mapped.get(key, False), key not in mapped, key))]


def _is_personal(decision: Decision, rules: Sequence[TagMapping]) -> bool:
    """Whether the choice between products hangs on who worked."""
    keys = {text_key(tag) for tag in decision.tags}
    return decision.reason == Reason.several_products and any(
        row.person_remote_id is not None and row.tag_key in keys for row in rules
    )


def _picks(
    decision: Decision,
    products: Sequence[mapping.Product],
    rules: Sequence[TagMapping],
    workers: Sequence[int | None],
) -> list[tuple[mapping.Product, str]]:
    """The products that single tags lead to (R4) for these people (Toggl ids; None: everybody), the dearest first."""
    judge = _judge(decision, products, rules)
    by_product: dict[mapping.Product, str] = {}
    for person in workers:
        for tag in decision.tags:
            product = judge.product_of((tag,), person)
            if product is not None:
                by_product.setdefault(product, tag.strip())
    return sorted(by_product.items(), key=lambda each: (-(each[0].price or 0), each[0].reference))


def _judge(decision: Decision, products: Sequence[mapping.Product], rules: Sequence[TagMapping]) -> Judge:
    return Judge(
        mapping.Rules(
            start=decision.dossier.start_date,
            clients=None,
            takes_unassigned=True,
            named_elsewhere=frozenset(),
            billable="all",
            tags=tuple(
                mapping.TagRule(row.tag, row.product_reference, row.bill, row.priority, person=row.person_remote_id)
                for row in rules
            ),
            clients_map=(),
            products=tuple(products),
            customers=(),
            pins={},
            default_product="",
        )
    )


# --- clients and customers --------------------------------------------------------------------------------------------


def _customers(found: Sequence[Decision], made: Mapping[str, Choices], rows: QuerySet[Customer]) -> None:
    about = [each for each in found if each.reason in CHOOSES_CUSTOMER | CHOOSES_TREATMENT]
    if not about:
        return
    stated = _stated(about)
    parties = _parties(about, stated, rows)
    for decision in about:
        choices = made[decision.name]
        row = stated.get((decision.dossier.pk, decision.text))
        own = parties[decision.dossier.company_id]
        number = mapping.normalise_number(row.number if row is not None else "")
        if decision.reason in CHOOSES_TREATMENT:
            party = own.get(row.customer_party_id or 0) if row is not None else None
            number = number or (party.number if party else "") or read_number(decision.text).number
            choices.treatments = _treatments(number)
            continue
        choices.searches = True
        choices.numbers = _numbers(decision, number)
        if decision.reason == Reason.several_customers:
            wanted = number or read_number(decision.text).number
            choices.customers = [party for party in own.values() if party.number == wanted][:_FOUND]
        else:
            guesses = likeness.customers_for(decision.text, own.values())
            choices.customers = [customer for customer, _alike in guesses[:_SUGGESTED]]


def _numbers(decision: Decision, mapped: str) -> list[str]:
    in_name = list(read_number(decision.text).numbers)
    if decision.reason == Reason.client_vat_changed:
        return list(dict.fromkeys([mapped, *in_name])) if mapped else in_name
    return in_name if decision.reason in (Reason.unsure_vat, Reason.several_vats) else []


def _treatments(number: str) -> list[Treatment]:
    """Those of R6 that fit a customer with this number, the usual one first."""
    if number.startswith("BE"):
        return [Treatment.domestic, Treatment.reverse_charge, Treatment.outside_scope]
    if mapping.normalise_number(number):
        return [Treatment.eu_services, Treatment.outside_scope, Treatment.domestic]
    return [Treatment.outside_scope, Treatment.domestic]


def _stated(found: Sequence[Decision]) -> dict[tuple[int, str], ClientMapping]:
    """The mappings of the clients that the decisions are about, by dossier and the client's name."""
    workspaces = {each.dossier.workspace_id for each in found}
    named = Client.objects.filter(workspace__in=workspaces, name__in={each.text for each in found})
    names = {
        (workspace, client): name for workspace, client, name in named.values_list("workspace", "remote_id", "name")
    }
    rows = ClientMapping.objects.filter(
        dossier__in={each.dossier.pk for each in found}, client_remote_id__in={client for _workspace, client in names}
    )
    return {
        (row.dossier_id, names[row.dossier.workspace_id, row.client_remote_id]): row
        for row in rows.select_related("dossier")
        if (row.dossier.workspace_id, row.client_remote_id) in names
    }


def _parties(
    found: Sequence[Decision], stated: Mapping[tuple[int, str], ClientMapping], rows: QuerySet[Customer]
) -> Mapping[int, dict[int, mapping.Customer]]:
    """Customers that may be meant, by company and PartyID: such as share a word with the client, or its number."""
    wanted = Q()
    for decision in found:
        row = stated.get((decision.dossier.pk, decision.text))
        alike = Q()
        for word in likeness.words_of(decision.text)[:4]:
            alike |= Q(name__icontains=word)
        number = (row.number if row is not None else "") or read_number(decision.text).number
        if decision.reason == Reason.several_customers and len(number) > 6:
            # Written with blanks, dots or a prefix: the last three digits stand together in every notation.
            alike = Q(vat_number__contains=number[-3:])
        if row is not None and row.customer_party_id:
            alike |= Q(party_id=row.customer_party_id)
        if alike:
            wanted |= Q(company=decision.dossier.company_id) & alike
    parties = defaultdict[int, dict[int, mapping.Customer]](dict)
    if wanted:
        for party in rows.filter(wanted).order_by("name", "pk")[:_READ]:
            parties[party.company_id][party.party_id] = _customer(party)
    return parties


def _customer(row: Customer) -> mapping.Customer:
    return mapping.Customer(row.party_id, row.name, mapping.customer_number(row.vat_number), row.language, row.country)


def _dossiers(found: Sequence[Decision], made: Mapping[str, Choices], seen: QuerySet[Dossier]) -> None:
    """Those of the same workspace that name their clients."""
    if not found:
        return
    naming = DossierClient.objects.filter(workspace__in={each.dossier.workspace_id for each in found})
    rows = defaultdict[int, list[Dossier]](list)
    for row in seen.filter(pk__in=naming.values("dossier")).order_by("name", "pk"):
        rows[row.workspace_id].append(row)
    for decision in found:
        made[decision.name].dossiers = rows[decision.dossier.workspace_id][:_FOUND]
