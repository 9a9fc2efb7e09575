"""Which entries a change of a rule, a mapping or an agreement can touch: those are marked, and no others.

Whoever changes one locks the rules of the workspace first (``locks.lock_rules``), so that nobody judges by the earlier
ones meanwhile: an entry that is not marked was judged before, or will be by the new ones.

What was billed is not judged by rules any more, unless it is another by now than was billed (``_differing``). What
becomes a twin of another entry, or no longer is one, is reached when that one is judged (``states.twins``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from integrations.models import Project
from invoicing.ledger import locks
from invoicing.ledger.facts.books import Facts
from invoicing.ledger.rule_events import Stated
from invoicing.models import Agreement, Claim, Correction, Dossier, LedgerRow
from invoicing.rules.text import text_key

_State = LedgerRow.State
_WITHOUT_CUSTOMER = [_State.RUNNING, _State.NOT_BILLABLE, _State.DELETED]
"""Of these nobody asks who is billed (R1 and R2 come first)."""
_CHUNK = 5000
TagKey = tuple[str, int | None]
"""A tag as tags are compared, and the person that its mapping names."""


def differs(old: Stated | None, new: Stated | None, *, besides: Collection[str]) -> bool:
    """Whether what is stated of a mapping or an agreement (``rule_events``) differs in more than these names."""
    if old is None or new is None:
        return True
    return any(old.get(name) != new.get(name) for name in (old.keys() | new.keys()) - set(besides))


def mark_all(*, dossier: Dossier, now: datetime) -> None:
    """A rule of the dossier changed: all that is not billed."""
    _mark(dossier, _unbilled(dossier).values_list("entry", flat=True), now)


def mark_tags(*, dossier: Dossier, keys: Set[TagKey], now: datetime) -> None:
    """Mappings of these tags and people changed."""
    tags = {tag for tag, _person in keys if tag}
    persons = {person for tag, person in keys if not tag}
    rows = _unbilled(dossier).values_list("entry_id", "entry__tags", "entry__person_remote_id")
    _mark(
        dossier,
        (
            entry
            for entry, given, person in rows.iterator(chunk_size=_CHUNK)
            if person in persons or not tags.isdisjoint(map(text_key, given))
        ),
        now,
    )


def mark_clients(*, dossier: Dossier, clients: Set[int], now: datetime) -> None:
    """Mappings of these Toggl clients changed. Of one that an agreement names, the agreement covers other hours, too:
    then it is all that is not billed."""
    if Agreement.objects.filter(dossier=dossier, client_remote_id__in=clients).exists():
        mark_all(dossier=dossier, now=now)
        return
    projects = Project.objects.filter(workspace=dossier.workspace_id)
    own = projects.filter(Q(client_remote_id__in=clients) | Q(last_client_remote_id__in=clients))
    rows = _unbilled(dossier).exclude(state__in=_WITHOUT_CUSTOMER)
    rows = rows.filter(entry__project_remote_id__in=list(own.values_list("remote_id", flat=True)))
    _mark(dossier, rows.values_list("entry", flat=True), now)


def customers_of(dossier: Dossier, agreements: Collection[str]) -> set[str]:
    """The keys of the customers of these agreements (short names), as the rules stand now."""
    judge = Facts.load(dossier.workspace, of=dossier).judges[dossier.pk]
    return {judge.customer_key(each) for each in judge.agreements if each.key in agreements}


def mark_agreements(*, dossier: Dossier, keys: Collection[str], customers: Collection[str], now: datetime) -> None:
    """Agreements (short names) of these customers, before the change and after it, changed."""
    rows = _unbilled(dossier).exclude(state__in=_WITHOUT_CUSTOMER)
    # Of an hour that cannot be billed as it is, the customer may not be written down.
    reached = Q(agreement__key__in=keys) | Q(buyer_key__in={*customers, ""})
    _mark(dossier, rows.filter(reached).values_list("entry", flat=True), now)


def _unbilled(dossier: Dossier) -> QuerySet[LedgerRow]:
    return LedgerRow.objects.filter(dossier=dossier, entry__firm=dossier.firm_id).exclude(state=_State.INVOICED)


def _differing(dossier: Dossier) -> QuerySet[Claim, int]:
    """The billed entries (row ids) that have other tags, another project or another client by now than was billed, or
    ever had a correction: what they lead to now counts."""
    firm = dossier.firm_id
    claims = Claim.objects.live().of_entries().posted().filter(firm=firm, line__firm=firm, entry__firm=firm)
    of_project = Project.objects.filter(workspace=OuterRef("entry__workspace"), remote_id=OuterRef("project_remote_id"))
    client_now = Coalesce(Subquery(of_project.values("client_remote_id")[:1]), 0)
    corrected = Correction.objects.filter(claim=OuterRef("pk"))
    found = claims.filter(line__invoice__dossier=dossier).annotate(
        client_now=client_now,
        client_then=Coalesce("client_remote_id", 0),
        project_now=Coalesce("entry__project_remote_id", 0),
        project_then=Coalesce("project_remote_id", 0),
    )
    same = Q(project_now=F("project_then"), client_now=F("client_then"), tags=F("entry__tags"))
    return found.filter(~same | Exists(corrected)).values_list("entry", flat=True)


def _mark(dossier: Dossier, entries: Iterable[int], now: datetime) -> None:
    locks.mark(entries={*entries, *_differing(dossier)}, now=now)
