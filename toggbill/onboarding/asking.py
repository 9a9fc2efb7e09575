"""Asking the services whether the connections of an onboarding file open what its dossiers need. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from integrations.clients.http.transport import ServiceError
from integrations.connections import tokens
from integrations.connections.credentials import (
    BillitAccess,
    TogglAccess,
    ask_billit,
    ask_toggl,
    billit_hindrances,
    toggl_hindrances,
)
from integrations.models import Connection
from invoicing.dossiers.firm import Standing
from toggbill.onboarding.file import BillitSection, OnboardingFile, TogglSection

Access = TypeVar("Access", TogglAccess, BillitAccess)


class Hindered(Exception):
    """A connection does not open what is needed; ``sentences`` say which, why and what to do."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True, slots=True)
class Asked(Generic[Access]):
    """A connection that answered: the secret that it was asked with, and what it opens."""

    secret: str = field(repr=False)
    accept_partial: bool
    access: Access


@dataclass(frozen=True, slots=True)
class Answers:
    """The connections that answered, by key."""

    toggl: dict[str, Asked[TogglAccess]] = field(default_factory=dict)
    billit: dict[str, Asked[BillitAccess]] = field(default_factory=dict)


def ask(file: OnboardingFile, *, standing: Standing) -> Answers:
    """Ask with each credential of the file and of the dossiers in it: two calls for Toggl, one for Billit.

    A credential is checked against the dossiers that stand, too: a new token may not leave one of them behind.
    Raises Hindered with every sentence at once; a stored secret that cannot be read is one of them.
    """
    answers = Answers()
    hindrances: list[str] = []
    workspaces, companies = _needs(file, standing)
    for key, toggl in _sections(file.toggl, (row.toggl for row in file.dossiers)).items():
        try:
            secret, accept_partial = _credential(file.firm.slug, Connection.Service.TOGGL, key, toggl)
            asked = Asked(secret, accept_partial, ask_toggl(token=secret))
        except ServiceError as error:
            hindrances.append(f"Toggl connection {key}: {error}")
            continue
        answers.toggl[key] = asked
        hindrances += toggl_hindrances(
            asked.access, key=key, workspaces=workspaces[key], accept_partial=asked.accept_partial
        )
    for key, billit in _sections(file.billit, (row.billit for row in file.dossiers)).items():
        try:
            secret, _ = _credential(file.firm.slug, Connection.Service.BILLIT, key, billit)
            opened = Asked(secret, False, ask_billit(api_key=secret))
        except ServiceError as error:
            hindrances.append(f"Billit connection {key}: {error}")
            continue
        answers.billit[key] = opened
        hindrances += billit_hindrances(opened.access, key=key, companies=companies[key])
    if hindrances:
        raise Hindered(hindrances)
    return answers


Section = TypeVar("Section", TogglSection, BillitSection)


def _sections(sections: Iterable[Section], referred: Iterable[str]) -> dict[str, Section | None]:
    """The sections by key, and None for the connections that the dossiers name and the firm has already."""
    found: dict[str, Section | None] = {section.key: section for section in sections}
    for key in referred:
        found.setdefault(key, None)
    return found


def _credential(
    slug: str, service: Connection.Service, key: str, section: TogglSection | BillitSection | None
) -> tuple[str, bool]:
    """The secret of the file, else the stored one; and whether a partial reading is accepted."""
    accept_partial = section.accept_partial if isinstance(section, TogglSection) else False
    if section is not None and section.secret is not None:
        return section.secret, accept_partial
    row = Connection.objects.get(firm__slug=slug, service=service, key=key)
    return tokens.secret_of(row), accept_partial if section is not None else row.accept_partial


def _needs(file: OnboardingFile, standing: Standing) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """The workspaces and companies that each connection must open once the file is written, by the connection's key."""
    readers = {row.workspace: row.toggl for row in file.dossiers}
    billers = {row.company: row.billit for row in file.dossiers}
    in_file = {row.rules.key for row in file.dossiers}
    for key, stands in standing.dossiers.items():
        if key not in in_file:
            readers.setdefault(stands.workspace, stands.toggl)
            billers.setdefault(stands.company, stands.billit)
    workspaces: dict[str, set[int]] = defaultdict(set)
    companies: dict[str, set[int]] = defaultdict(set)
    for remote_id, key in readers.items():
        workspaces[key].add(remote_id)
    for party_id, key in billers.items():
        companies[key].add(party_id)
    return workspaces, companies
