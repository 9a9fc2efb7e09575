"""Writing what an onboarding file says, in one transaction, after the services have been asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from integrations.connections.choosing import take_company, take_workspace
from integrations.connections.credentials import connect_billit, connect_toggl
from integrations.models import Company, Connection, Workspace
from invoicing.dossiers.agreements.agreements import set_agreements
from invoicing.dossiers.firm import set_firm
from invoicing.dossiers.mappings import map_clients, map_tags
from invoicing.dossiers.rules import Pairing, set_dossiers
from toggbill.firms.audit import Actor
from toggbill.firms.changes import Outcome
from toggbill.firms.errors import NotPossible
from toggbill.firms.membership.invitations import add_member
from toggbill.firms.models import Firm, Membership, User
from toggbill.onboarding.asking import Answers
from toggbill.onboarding.file import OnboardingFile

KINDS = ("users", "toggl", "billit", "workspaces", "companies", "dossiers", "tags", "client_map", "agreements")


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it: counts by kind, and whom to mail an invitation now that all is committed."""

    firm: Firm
    created: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    updated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    to_invite: list[User] = field(default_factory=list)

    def count(self, kind: str, outcomes: Mapping[Outcome, int]) -> None:
        """Add outcomes of a kind; what stayed as it was does not count."""
        self.created[kind] += outcomes.get("created", 0)
        self.updated[kind] += outcomes.get("updated", 0)


@transaction.atomic
def write(file: OnboardingFile, answers: Answers, *, by: Actor, now: datetime) -> Written:
    """Bring the firm to what the file says; all of it or nothing.

    Raises ``faults.Refused`` and IntegrityError when somebody else changed the firm since the file was checked, and
    ``NotPossible`` when the firm would be left without an owner.
    """
    firm, _outcome = set_firm(
        slug=file.firm.slug,
        name=file.firm.name,
        timezone=file.firm.timezone,
        language=file.firm.language,
        by=by,
        now=now,
    )
    written = Written(firm)
    # Owners first: a file may hand the firm over from one owner to another.
    for user in sorted(file.users, key=lambda row: row.role != Membership.Role.OWNER):
        joining = add_member(firm=firm, email=user.email, role=user.role, password=user.password, by=by, now=now)
        written.count("users", {joining.outcome: 1})
        if joining.to_invite:
            written.to_invite.append(joining.membership.user)
    if not Membership.objects.filter(firm=firm, role=Membership.Role.OWNER).exists():
        raise NotPossible(_("The firm needs an owner: give one of the users the role owner."))
    _connections(file, answers, written, by=by, now=now)
    workspaces, companies = _remotes(file, answers, written, by=by, now=now)
    pairings = [Pairing(workspaces[row.workspace], companies[row.company], row.rules) for row in file.dossiers]
    results = set_dossiers(firm=firm, pairings=pairings, by=by, now=now)
    for section, (dossier, outcome) in zip(file.dossiers, results, strict=True):
        written.count("dossiers", {outcome: 1})
        written.count("tags", map_tags(dossier=dossier, rules=section.tags, by=by, now=now))
        written.count("client_map", map_clients(dossier=dossier, rules=section.client_map, by=by, now=now))
        written.count("agreements", set_agreements(dossier=dossier, agreements=section.agreements, by=by, now=now))
    return written


def _connections(file: OnboardingFile, answers: Answers, written: Written, *, by: Actor, now: datetime) -> None:
    for toggl in file.toggl:
        asked = answers.toggl[toggl.key]
        _, outcome = connect_toggl(
            firm=written.firm,
            key=toggl.key,
            token=asked.secret,
            accept_partial=asked.accept_partial,
            access=asked.access,
            by=by,
            now=now,
        )
        written.count("toggl", {outcome: 1})
    for billit in file.billit:
        _, outcome = connect_billit(
            firm=written.firm, key=billit.key, api_key=answers.billit[billit.key].secret, by=by, now=now
        )
        written.count("billit", {outcome: 1})


def _remotes(
    file: OnboardingFile, answers: Answers, written: Written, *, by: Actor, now: datetime
) -> tuple[dict[int, Workspace], dict[int, Company]]:
    """The workspaces and companies that the dossiers name, by the ids of Toggl and Billit."""
    connections = {(row.service, row.key): row for row in Connection.objects.for_firm(written.firm)}
    workspaces: dict[int, Workspace] = {}
    companies: dict[int, Company] = {}
    for remote_id, key in {row.workspace: row.toggl for row in file.dossiers}.items():
        found = answers.toggl[key].access.workspaces[remote_id]
        workspaces[remote_id], outcome = take_workspace(connection=connections["toggl", key], found=found, now=now)
        written.count("workspaces", {outcome: 1})
    for party_id, key in {row.company: row.billit for row in file.dossiers}.items():
        company = answers.billit[key].access.companies[party_id]
        connection = connections["billit", key]
        companies[party_id], outcome = take_company(connection=connection, found=company, by=by, now=now)
        written.count("companies", {outcome: 1})
    return workspaces, companies
