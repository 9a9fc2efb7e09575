"""Of each entry of a list: on which invoice and line it was billed, or why it was not. A fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from integrations.models import Project
from invoicing.ledger import attention
from invoicing.models import Claim, Dossier, Invoice, LedgerRow, TagMapping
from invoicing.rules.billing.rating import worth
from invoicing.rules.judging.unbilled import Why, not_billable
from invoicing.rules.text import text_key
from invoicing.web.hours import write_backs
from invoicing.web.hours.agreed import Agreed
from invoicing.web.hours.sums import WITHOUT_VALUE
from toggbill.firms.access import visible
from toggbill.firms.models import Membership

_State = LedgerRow.State
_Unbilled = dict[tuple[str, int | None], bool]
"""By text key of a mapped tag, and the person for whom alone it is mapped: whether it is not billed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line that an entry, or a difference to what was billed of it, stands on; ``position``: the line's number."""

    invoice: Invoice
    position: int
    kind: str

    @property
    def is_difference(self) -> bool:
        """Whether it is a later difference."""
        return self.kind == Claim.Kind.DIFFERENCE

    @property
    def is_credit(self) -> bool:
        """Whether a credit note takes the entry back."""
        return self.kind == Claim.Kind.CREDIT


@dataclass(frozen=True, slots=True)
class Hour:
    """A row of the ledger with the name of its project, the lines that it stands on, and why it is on none.

    ``todo``: what to do about that, where somebody has to; both are empty for what is billed. ``tag``: what is said of
    the tag that it has in Toggl from us.
    """

    row: LedgerRow
    project: str
    places: Sequence[Place]
    why: str
    todo: str
    tag: str = ""

    @property
    def value(self) -> Decimal | None:
        """In euro, excluding VAT; None without a price, and of what nobody is to pay for."""
        if self.row.price is None or self.row.state in WITHOUT_VALUE:
            return None
        return worth(self.row.seconds, self.row.price)


def hours(rows: Iterable[LedgerRow], *, member: Membership) -> list[Hour]:
    """These rows, which come with their entries, dossiers and agreements, as a list shows them: seven queries."""
    found = list(rows)
    places = _places(found, member)
    projects = _projects(found)
    unbilled = _unbilled_tags(row for row in found if row.state == _State.NOT_BILLABLE)
    tags = write_backs.of_hours(found)
    agreed = Agreed.of(row for row in found if row.entry_id not in places)
    listed = []
    for row in found:
        project = projects.get((row.entry.workspace_id, row.entry.project_remote_id or 0), "")
        own = places.get(row.entry_id, [])
        why, todo = ("", "") if own else _why(row, unbilled.get(row.dossier_id, {}), agreed)
        listed.append(Hour(row, project, own, why, todo, tags.get(row.entry_id, "")))
    return listed


def _places(rows: Sequence[LedgerRow], member: Membership) -> dict[int, list[Place]]:
    claims: QuerySet[Claim] = Claim.objects.live().filter(entry__in=[row.entry_id for row in rows])
    found: defaultdict[int, list[Place]] = defaultdict(list)
    for claim in visible(member, claims).select_related("line__invoice").order_by("pk"):
        found[claim.entry_id].append(Place(claim.line.invoice, claim.line.position, claim.kind))
    return found


def _projects(rows: Sequence[LedgerRow]) -> dict[tuple[int, int], str]:
    """Names by workspace (row id) and Toggl id: a member who sees an entry sees the name of its project."""
    ids = {row.entry.project_remote_id for row in rows if row.entry.project_remote_id}
    workspaces = {row.entry.workspace_id for row in rows}
    named = Project.objects.filter(workspace__in=workspaces, remote_id__in=ids)
    return {
        (workspace, remote_id): name
        for workspace, remote_id, name in named.values_list("workspace_id", "remote_id", "name")
    }


def _unbilled_tags(rows: Iterable[LedgerRow]) -> dict[int, _Unbilled]:
    """By dossier (row id): what its tags say, where one is mapped to *do not bill*, for a person or for everybody."""
    dossiers = {row.dossier_id for row in rows}
    found: defaultdict[int, _Unbilled] = defaultdict(dict)
    if dossiers:
        mappings = TagMapping.objects.filter(dossier__in=dossiers, contradicted_by=[])
        for dossier, key, person, bill in mappings.values_list("dossier_id", "tag_key", "person_remote_id", "bill"):
            found[dossier][key, person] = not bill
    return dict(found)


def _why(row: LedgerRow, unbilled_tags: _Unbilled, agreed: Agreed) -> tuple[str, str]:
    """Why an entry is on no invoice, and what to do about it."""
    if said := agreed.why(row):
        return said, ""
    match row.state:
        case _State.ATTENTION:
            known = attention.words(row.reason)
            return str(known.title), str(known.todo)
        case _State.NOT_BILLABLE:
            return _not_billable(row, unbilled_tags), ""
        case _State.HELD | _State.WRITTEN_OFF | _State.CREDITED:
            return row.decision_words, ""
        case _State.OPEN:
            return _("waits for the next draft"), ""
        case _State.ON_ACCOUNT:
            return _("waits for the settlement of its agreement"), ""
        case _State.RUNNING:
            return _("the timer still runs in Toggl"), ""
        case _State.DELETED:
            return _("deleted in Toggl"), ""
    return "", ""


def _is_unbilled(key: str, row: LedgerRow, unbilled_tags: _Unbilled) -> bool:
    """Whether a tag (its text key) is not billed: that of the person counts before that of everybody."""
    own = unbilled_tags.get((key, row.entry.person_remote_id))
    return unbilled_tags.get((key, None), False) if own is None else own


def _not_billable(row: LedgerRow, unbilled_tags: _Unbilled) -> str:
    found = not_billable(
        seconds=row.seconds,
        tags=row.entry.tags,
        has_flag=row.entry.billable,
        unbilled_tags={key for key in map(text_key, row.entry.tags) if _is_unbilled(key, row, unbilled_tags)},
        by_flag=row.dossier.billable == Dossier.Billable.FLAGGED,
    )
    if found is None:
        return _("a rule changed; it is judged anew in a moment")
    match found.why:
        case Why.zero_seconds:
            return _("it has no time: 0 seconds")
        case Why.tag:
            return _("the tag “%(tag)s” is mapped to “do not bill”") % {"tag": found.tag}
        case Why.flag:
            return _("Toggl’s billable flag is off, and the dossier bills flagged entries only")
