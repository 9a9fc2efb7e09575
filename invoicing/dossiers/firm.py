"""The firm as its dossiers see it: its name, zone and language, and what it has that a new statement must fit to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from django.db import transaction
from django.db.models import Exists, OuterRef

from integrations.models import Connection, Entry, Product
from invoicing.models import Dossier, Invoice
from invoicing.rules.schedule import starts_at
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor
from toggbill.firms.changes import Outcome, amend, change_firm
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm


@dataclass(frozen=True, slots=True)
class StandingDossier:
    """A dossier that stands: its remote ids, the keys of its connections, and whether it has invoiced.

    ``tags``: the text keys of those that lead somewhere, by a mapping or as a product's reference (R4); ``written``:
    the tags that toggbill itself writes in its workspace.
    """

    name: str
    toggl: str
    workspace: int
    billit: str
    company: int
    start: date
    clients: frozenset[int]
    has_invoiced: bool
    tags: frozenset[str] = frozenset()
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a firm has already, by short name. Empty for a firm that is not there yet.

    ``alike``: then the short name of a firm that is there and differs in its capitals alone, "" without one.
    """

    toggl: frozenset[str] = frozenset()
    billit: frozenset[str] = frozenset()
    dossiers: Mapping[str, StandingDossier] = field(default_factory=dict)
    alike: str = ""


def standing(slug: str) -> Standing:
    """What the firm of this short name has."""
    keys: dict[str, set[str]] = {"toggl": set(), "billit": set()}
    # A removed one has no secret left: a file that names it brings one, as for a new one.
    connections = Connection.objects.standing().filter(firm__slug=slug)
    for service, key in connections.values_list("service", "key"):
        keys[service].add(key)
    invoiced = Invoice.objects.standing().filter(dossier=OuterRef("pk"))
    dossiers = (
        Dossier.objects.filter(firm__slug=slug)
        .select_related("workspace__connection", "company__connection")
        .defer("workspace__connection__secret", "company__connection__secret")
        .prefetch_related("named_clients", "tag_mappings")
        .annotate(has_invoiced=Exists(invoiced))
        .order_by("pk")
    )
    products = defaultdict[int, set[str]](set)
    named = Product.objects.present().filter(firm__slug=slug).values_list("company", "reference")
    for company, reference in named:
        products[company].add(text_key(reference))
    alike = list(Firm.objects.filter(slug__iexact=slug).order_by("pk").values_list("slug", flat=True))
    return Standing(
        alike="" if slug in alike or not alike else alike[0],
        toggl=frozenset(keys["toggl"]),
        billit=frozenset(keys["billit"]),
        dossiers={
            row.key: StandingDossier(
                name=row.name,
                toggl=row.workspace.connection.key,
                workspace=row.workspace.remote_id,
                billit=row.company.connection.key,
                company=row.company.party_id,
                start=row.start_date,
                clients=frozenset(named.client_remote_id for named in row.named_clients.all()),
                has_invoiced=cast(Any, row).has_invoiced,
                tags=frozenset({each.tag_key for each in row.tag_mappings.all()} | products[row.company_id]) - {""},
                written=tuple(row.workspace.own_tags),
            )
            for row in dossiers
        },
    )


@transaction.atomic
def set_firm(*, slug: str, name: str, timezone: str, language: str, by: Actor, now: datetime) -> tuple[Firm, Outcome]:
    """Make a firm, or change its name, time zone or language.

    Another time zone moves days and cut-offs (R8): all entries are marked, and runs that lie ahead keep their day.
    """
    values = {"name": name, "timezone": timezone, "language": language}
    firm, is_new = Firm.objects.get_or_create(slug=slug, defaults=values)
    if is_new:
        return firm, "created"
    lock_firm(firm)
    firm.refresh_from_db()
    old_zone = firm.zone
    changed = change_firm(firm=firm, values=values, by=by, now=now)
    if "timezone" in changed.new:
        ahead = Dossier.objects.for_firm(firm).filter(due_at__gt=now).order_by("pk")
        for dossier in ahead.select_for_update(no_key=True):
            if dossier.due_at is not None:
                amend(dossier, {"due_at": starts_at(dossier.due_at.astimezone(old_zone).date(), firm.zone)})
        Entry.objects.for_firm(firm).mark(now=now)
    return firm, "updated" if changed else "unchanged"
