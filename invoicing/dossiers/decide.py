"""Rules and mappings as a member decides them on a page: by the right for it, and on what was read (design D12).

They are written by the verbs of ``rules``, ``mappings`` and ``firm``, as those of a file or of the admin are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction

from integrations.models import Client
from invoicing.deciding import configured, rights
from invoicing.dossiers import firm as firms
from invoicing.dossiers import mappings, rules
from invoicing.dossiers.mappings import TagName
from invoicing.dossiers.rules import DossierRules, Pairing
from invoicing.models import Dossier
from invoicing.rules.judging.mapping import ClientRule, TagRule
from toggbill.firms.access import demand_of_firm
from toggbill.firms.audit import Actor
from toggbill.firms.changes import Outcome, firm_as_read
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm
from toggbill.firms.read import Figures, Read, check


@transaction.atomic
def change_rules(
    *, dossier: Dossier, stated: DossierRules, by: Actor, now: datetime, read: Read | None = None
) -> Outcome:
    """Bring a dossier to these rules; its short name, workspace and company stay.

    Raises ``faults.Refused`` as ``rules.set_dossiers`` does, ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(dossier.firm)
    rights.demand(by, "configure", dossier)
    row = Dossier.objects.select_related("firm", "workspace", "company").get(pk=dossier.pk)
    check(read, lambda: [rules_as_read(row)], by=by)
    [(_row, outcome)] = rules.set_dossiers(
        firm=row.firm, pairings=[Pairing(row.workspace, row.company, stated)], by=by, now=now
    )
    return outcome


@transaction.atomic
def change_tags(
    *,
    dossier: Dossier,
    stated: Sequence[TagRule],
    renamed: Mapping[TagName, TagName] | None = None,
    gone: Iterable[TagName] = (),
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> Counter[Outcome]:
    """Map tags, and take the mappings of others (``gone``) away; ``renamed`` as in ``mappings.map_tags``.

    A tag that has no mapping, and of which the page said nothing, is new: nothing had to be read of it. Raises
    ``faults.Refused``, ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(dossier.firm)
    rights.demand(by, "map", dossier)
    told = {mappings.key_of(tag) for tag in renamed or {}}
    tags = [*(renamed or {}).values(), *((rule.tag, rule.person) for rule in stated if rule.key not in told), *gone]
    known = set() if read is None else read.figures.keys()

    def current() -> list[Figures]:
        rows = dossier.tag_mappings.values_list("tag_key", "person_remote_id")
        mapped = {configured.tag_subject(key, person) for key, person in rows}
        return [each for each in tags_as_read(dossier, tags) if each.subject in known | mapped]

    check(read, current, by=by)
    outcomes = mappings.map_tags(dossier=dossier, rules=stated, renamed=renamed, by=by, now=now)
    mappings.unmap_tags(dossier=dossier, tags=gone, by=by, now=now)
    return outcomes


@transaction.atomic
def change_clients(
    *,
    dossier: Dossier,
    stated: Sequence[ClientRule],
    gone: Iterable[int] = (),
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> Counter[Outcome]:
    """Map Toggl clients to customers, and take the mappings of others (``gone``) away.

    Raises ``faults.Refused``, ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(dossier.firm)
    rights.demand(by, "map", dossier)
    clients = [*(rule.client_id for rule in stated), *gone]
    check(read, lambda: clients_as_read(dossier, clients), by=by)
    outcomes = mappings.map_clients(dossier=dossier, rules=stated, keep_read=False, by=by, now=now)
    mappings.unmap_clients(dossier=dossier, clients=gone, by=by, now=now)
    return outcomes


@transaction.atomic
def change_firm(
    *, firm: Firm, name: str, timezone: str, language: str, by: Actor, now: datetime, read: Read | None = None
) -> Outcome:
    """Another name, time zone or language of a firm, see ``firm.set_firm``.

    Raises ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(firm)
    demand_of_firm(by, "firm", firm)
    row = Firm.objects.get(pk=firm.pk)
    check(read, lambda: [firm_as_read(row)], by=by)
    _row, outcome = firms.set_firm(slug=row.slug, name=name, timezone=timezone, language=language, by=by, now=now)
    return outcome


def rules_as_read(dossier: Dossier) -> Figures:
    """The rules of a dossier as they stand."""
    clients = dossier.named_clients.values_list("client_remote_id", flat=True)
    return configured.of_rules(dossier, clients=clients)


def tags_as_read(dossier: Dossier, tags: Iterable[TagName]) -> list[Figures]:
    """What tags of a dossier lead to as it stands, for everybody or for a person, each once."""
    keys = dict.fromkeys(mappings.key_of(tag) for tag in tags)
    found = dossier.tag_mappings.filter(tag_key__in={tag for tag, _person in keys})
    rows = {(row.tag_key, row.person_remote_id): row for row in found}
    return [configured.of_tag(*key, rows.get(key)) for key in keys]


def clients_as_read(dossier: Dossier, clients: Iterable[int]) -> list[Figures]:
    """The customers of Toggl clients of a dossier as they stand, each once."""
    ids = dict.fromkeys(clients)
    rows = {row.client_remote_id: row for row in dossier.client_mappings.filter(client_remote_id__in=ids)}
    known = Client.objects.filter(workspace=dossier.workspace_id, remote_id__in=ids)
    names = dict(known.values_list("remote_id", "name"))
    return [configured.of_customer(each, names.get(each, ""), rows.get(each)) for each in ids]
