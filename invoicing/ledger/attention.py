"""The entries that need a decision, gathered by what one decision settles: reason and cause. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from integrations.models import Client, Project
from invoicing.ledger import reasons
from invoicing.models import Dossier, LedgerRow
from invoicing.rules.mapping import Reason
from toggbill.firms.access import visible
from toggbill.firms.models import Membership


class Cause(NamedTuple):
    """What one decision is about: all entries of a dossier with the same reason and the same cause."""

    dossier_id: int
    reason: str
    text: str


@dataclass
class Decision:
    """Entries that one decision settles. `client_id`, `tag`: what a mapping would be for, where there is one."""

    dossier: Dossier
    reason: str
    cause: str
    seconds: int = 0
    rows: list[LedgerRow] = field(default_factory=list)
    client_id: int | None = None
    tag: str = ""

    @property
    def words(self) -> reasons.Words:
        """Title and what to do."""
        return reasons.words(self.reason)

    @property
    def days(self) -> tuple[date, date]:
        """First and last local day."""
        return min(row.day for row in self.rows), max(row.day for row in self.rows)


@dataclass
class Group:
    """The decisions of one reason."""

    reason: str
    decisions: list[Decision]

    @property
    def words(self) -> reasons.Words:
        """Title and what to do."""
        return reasons.words(self.reason)

    @property
    def seconds(self) -> int:
        """The time that the reason holds back."""
        return sum(decision.seconds for decision in self.decisions)


def by_reason(found: Iterable[Decision]) -> list[Group]:
    """Decisions by reason; the reason that holds back most time comes first."""
    groups: dict[str, Group] = {}
    for decision in found:
        groups.setdefault(decision.reason, Group(decision.reason, [])).decisions.append(decision)
    return sorted(groups.values(), key=lambda group: (-group.seconds, group.reason))


def _cause(reason: str, row: dict[str, Any]) -> str:
    if reason in reasons.ABOUT_CLIENT:
        return str(row["client_name"])
    if reason in reasons.ABOUT_TAGS or (reason == Reason.unknown_product and row["entry__tags"]):
        return ", ".join(sorted(row["entry__tags"], key=str.casefold))
    if reason in reasons.ABOUT_PRODUCT:
        return str(row["product_reference"])
    if reason == Reason.no_project:
        return str(row["entry__person_name"])
    if reason == Reason.no_client:
        return str(row["entry__project_remote_id"] or "")
    return ""


def cause_of(row: LedgerRow) -> str:
    """What the decision on one entry is about, in words of Toggl: a client, tags, a product, a person."""
    return _cause(row.reason, _facts_of(row))


def _facts_of(row: LedgerRow) -> dict[str, Any]:
    return {
        "client_name": row.client_name,
        "product_reference": row.product_reference,
        "entry__tags": row.entry.tags,
        "entry__person_name": row.entry.person_name,
        "entry__project_remote_id": row.entry.project_remote_id,
    }


_FACTS = (
    "dossier_id",
    "reason",
    "client_name",
    "product_reference",
    "entry__tags",
    "entry__person_name",
    "entry__project_remote_id",
)


def causes_of(membership: Membership) -> set[Cause]:
    """The decisions that a member can take, without their entries: one query."""
    rows = visible(membership, LedgerRow.objects.attention()).values(*_FACTS).distinct()
    return {Cause(row["dossier_id"], row["reason"], _cause(row["reason"], row)) for row in rows}


def decisions(*, membership: Membership, dossier: Dossier | None = None) -> list[Decision]:
    """A member's entries that need a decision, by dossier, reason and cause; what holds back most time is first."""
    rows = (
        visible(membership, LedgerRow.objects.attention())
        .select_related("entry", "dossier__workspace")
        .order_by("day", "entry__started_at", "pk")
    )
    if dossier is not None:
        rows = rows.filter(dossier=dossier)
    projects = _projects(membership, (row.entry.project_remote_id for row in rows))
    clients = {
        (workspace, name): remote_id
        for workspace, name, remote_id in Client.objects.for_firm(membership.firm)
        .filter(name__in={row.client_name for row in rows if row.client_name})
        .values_list("workspace_id", "name", "remote_id")
    }
    found: dict[Cause, Decision] = {}
    for row in rows:
        cause = Cause(row.dossier_id, row.reason, cause_of(row))
        decision = found.get(cause)
        if decision is None:
            decision = found[cause] = Decision(row.dossier, row.reason, cause.text)
            place = row.dossier.workspace_id
            if row.reason == Reason.no_client:
                decision.cause = projects.get((place, row.entry.project_remote_id or 0), "")
            if row.reason in reasons.ABOUT_CLIENT:
                decision.client_id = clients.get((place, row.client_name))
            if row.reason in reasons.ABOUT_TAGS and row.entry.tags:
                decision.tag = str(row.entry.tags[0])
        decision.rows.append(row)
        decision.seconds += row.seconds
    return sorted(
        found.values(), key=lambda item: (-item.seconds, item.dossier.name.casefold(), item.reason, item.cause)
    )


def _projects(membership: Membership, ids: Iterable[int | None]) -> dict[tuple[int, int], str]:
    # Those of the rows: a member who sees an entry sees the name of its project.
    rows = Project.objects.for_firm(membership.firm).filter(remote_id__in={remote_id for remote_id in ids if remote_id})
    return {
        (workspace, remote_id): name
        for workspace, remote_id, name in rows.values_list("workspace_id", "remote_id", "name")
    }
