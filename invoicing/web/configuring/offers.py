"""What the pages of rules and mappings offer: products with their prices and customers, the likeliest first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet, Sum

from integrations.models import Client, Customer, Product, Project
from invoicing.admin.choices import line
from invoicing.ledger import attention
from invoicing.models import Dossier, DossierClient, LedgerRow
from invoicing.rules.judging import likeness, mapping
from invoicing.rules.judging.mapping import Reason, read_number
from invoicing.rules.text import text_key
from toggbill.firms.access import visible
from toggbill.firms.models import Membership

SHOWN = 50
"""Tags, or clients, that are decided at once; then how many more."""
TAG_REASONS = (Reason.unknown_tag, Reason.unknown_product, Reason.contradicting_mappings)
TREATMENT_REASONS = (Reason.foreign_vat, Reason.treatment_number)
CLIENT_REASONS = (
    Reason.no_vat,
    Reason.invalid_vat,
    Reason.unsure_vat,
    Reason.several_vats,
    Reason.client_vat_changed,
    Reason.several_customers,
    Reason.unknown_customer,
    Reason.customer_changed,
    *TREATMENT_REASONS,
)


@dataclass(frozen=True, slots=True)
class WaitingTag:
    """A tag of hours that leads nowhere; ``guess``: the reference of the product that it most likely means, or ""."""

    tag: str
    entries: int
    seconds: int
    products: Sequence[mapping.Product]
    guess: str


@dataclass(frozen=True, slots=True)
class WaitingClient:
    """A Toggl client whose hours have no customer, and why. ``guess``: what its customer most likely is, as it is put
    into the field, or ""."""

    client: int
    name: str
    why: str
    entries: int
    seconds: int
    guess: str
    needs_treatment: bool


def products_of(dossier: Dossier) -> list[mapping.Product]:
    """The products of the dossier's company that a tag may lead to, by reference."""
    rows = Product.objects.present().filter(company=dossier.company_id).exclude(reference="")
    return [
        mapping.Product(row.remote_id, row.reference, row.description, row.price, row.vat_rate)
        for row in rows.order_by("reference", "pk")
    ]


def customers_of(dossier: Dossier, membership: Membership) -> list[mapping.Customer]:
    """The customers of the dossier's company that a member may see, by name."""
    rows = visible(membership, Customer.objects.present()).filter(company=dossier.company_id)
    return [
        mapping.Customer(row.party_id, row.name, row.vat_number, row.language, row.country)
        for row in rows.order_by("name", "pk")
    ]


def clients_of(dossier: Dossier, membership: Membership) -> QuerySet[Client]:
    """The Toggl clients that the dossier bills and a member may see, by name."""
    rows = all_clients(dossier, membership)
    if named := list(dossier.named_clients.values_list("client_remote_id", flat=True)):
        rows = rows.filter(remote_id__in=named)
    else:
        elsewhere = DossierClient.objects.filter(workspace=dossier.workspace_id)
        rows = rows.exclude(remote_id__in=elsewhere.values("client_remote_id"))
    return rows


def all_clients(dossier: Dossier, membership: Membership) -> QuerySet[Client]:
    """The Toggl clients of the dossier's workspace that a member may see, by name."""
    rows = visible(membership, Client.objects.present()).filter(workspace=dossier.workspace_id)
    return rows.order_by("name", "pk")


def waiting_tags(dossier: Dossier, products: Sequence[mapping.Product]) -> list[WaitingTag]:
    """The tags of hours that wait because they lead nowhere, those with most time first."""
    rows = LedgerRow.objects.attention().filter(dossier=dossier, reason__in=TAG_REASONS)
    leading = _leading(dossier, products)
    spelled: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seconds: Counter[str] = Counter()
    for tags, time in rows.order_by().values_list("entry__tags", "seconds").iterator():
        for tag in tags:
            key = text_key(tag)
            if key and key not in leading:
                spelled[key][tag.strip()] += 1
                seconds[key] += time
    found = []
    for key in sorted(spelled, key=lambda each: (-seconds[each], each)):
        tag = min(spelled[key], key=lambda each: (-spelled[key][each], each))
        rated = likeness.products_for(tag, products)
        guess = rated[0][0].reference if rated and rated[0][1] >= likeness.LIKELY else ""
        offered = [product for product, _alike in rated]
        found.append(WaitingTag(tag, sum(spelled[key].values()), seconds[key], offered, guess))
    return found


def _leading(dossier: Dossier, products: Iterable[mapping.Product]) -> set[str]:
    """The text keys of tags that lead somewhere, or are not billed."""
    known = {text_key(product.reference) for product in products}
    mapped = {
        row.tag_key
        for row in dossier.tag_mappings.all()
        if row.person_remote_id is None
        and not row.contradicted_by
        and (not row.bill or text_key(row.product_reference) in known)
    }
    return mapped | (known - {row.tag_key for row in dossier.tag_mappings.exclude(contradicted_by=[])})


def waiting_clients(
    dossier: Dossier, customers: Sequence[mapping.Customer], membership: Membership
) -> list[WaitingClient]:
    """The Toggl clients whose hours wait for a customer or for its VAT treatment, those with most time first."""
    sums = _waiting_by_client(dossier)
    clients = visible(membership, Client.objects.all()).filter(workspace=dossier.workspace_id, remote_id__in=sums)
    found = []
    for remote_id, name in clients.values_list("remote_id", "name"):
        reason, entries, seconds = sums[remote_id]
        words = attention.words(reason)
        guess = "" if reason in TREATMENT_REASONS else guess_of(name, customers)
        found.append(
            WaitingClient(
                remote_id, name, str(words.title), entries, seconds, guess, needs_treatment=reason in TREATMENT_REASONS
            )
        )
    return sorted(found, key=lambda each: (-each.seconds, each.name.casefold(), each.client))


def _waiting_by_client(dossier: Dossier) -> Mapping[int, tuple[str, int, int]]:
    """Reason, entries and seconds by the id of a Toggl client."""
    rows = LedgerRow.objects.attention().filter(dossier=dossier, reason__in=CLIENT_REASONS)
    projects = dict(
        Project.objects.filter(workspace=dossier.workspace_id, client_remote_id__isnull=False).values_list(
            "remote_id", "client_remote_id"
        )
    )
    found: dict[int, tuple[str, int, int]] = {}
    summed = rows.order_by("reason").values_list("entry__project_remote_id", "reason")
    for project, reason, count, seconds in summed.annotate(n=Count("pk"), total=Sum("seconds")):
        client = projects.get(project)
        if client is not None:
            _reason, entries, before = found.get(client, (reason, 0, 0))
            found[client] = (reason, entries + count, before + seconds)
    return found


def guess_of(name: str, customers: Sequence[mapping.Customer]) -> str:
    """What the customer of a Toggl client most likely is: the one number in its name, else a customer named alike."""
    numbers = read_number(name).numbers
    if len(numbers) == 1:
        return numbers[0]
    alike = likeness.customers_for(name, customers)
    return line(alike[0][0].party_id, alike[0][0].name) if alike else ""
