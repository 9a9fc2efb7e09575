"""How a connection is, in plain words: what it opens, what hangs on it, what is left of its quota, what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.connections import failures, hindrances
from integrations.models import Company, Connection, Quota, Workspace
from invoicing.models import Dossier
from toggbill.firms.models import Firm

State = Literal["works", "new", "paused", "removed", "broken", "resting"]

WORDS: dict[State, str | Promise] = {
    "works": gettext_lazy("works"),
    "new": gettext_lazy("not used yet"),
    "paused": gettext_lazy("paused"),
    "removed": gettext_lazy("removed"),
    "broken": gettext_lazy("does not work"),
    "resting": gettext_lazy("left alone for a while"),
}


@dataclass(frozen=True, slots=True)
class Health:
    """A connection with all that a person wants to know of it."""

    row: Connection
    state: State
    workspaces: Sequence[Workspace]
    companies: Sequence[Company]
    dossiers: Sequence[Dossier]
    quotas: Sequence[Quota]
    warnings: Sequence[str]

    @property
    def word(self) -> str:
        """The state in a word or two."""
        return str(WORDS[self.state])

    @property
    def trouble(self) -> str:
        """What is wrong with it and what to do, "" when nothing is."""
        found = hindrances.trouble(self.row)
        return failures.words(found) if found else failures.words_of(self.row.failure_code, self.row.failure_facts)

    @property
    def opens(self) -> list[str]:
        """The names of its workspaces or companies."""
        return [*(row.name for row in self.workspaces), *(row.name for row in self.companies)]


def of(row: Connection, *, firm: Firm, now: datetime) -> Health:
    """How one connection of the firm is."""
    workspaces = list(row.workspaces.order_by("name", "pk"))
    companies = list(row.companies.order_by("name", "pk"))
    if row.service == Connection.Service.TOGGL:
        dossiers = Dossier.objects.for_firm(firm).filter(workspace__connection=row)
    else:
        dossiers = Dossier.objects.for_firm(firm).filter(company__connection=row)
    return Health(
        row,
        _state(row, now),
        workspaces,
        companies,
        list(dossiers.order_by("name", "pk")),
        list(row.quotas.filter(resets_at__gt=now).order_by("organization_id")),
        _warnings(row, firm, workspaces, companies),
    )


def every(rows: QuerySet[Connection], *, firm: Firm, now: datetime) -> list[Health]:
    """How these connections of a firm are; of the removed ones only those on which a dossier hangs."""
    found = [of(row, firm=firm, now=now) for row in rows.defer("secret", "refresh_secret").order_by("-service", "key")]
    return [health for health in found if health.state != "removed" or health.dossiers]


def _state(row: Connection, now: datetime) -> State:
    if row.removed_at is not None:
        return "removed"
    if row.paused_at is not None:
        return "paused"
    if row.failure != Connection.Failure.NONE or row.sign_in_lost_at is not None:
        return "broken"
    if row.rest_until is not None and row.rest_until > now:
        return "resting"
    return "works" if row.latest_ok_at is not None else "new"


def _warnings(row: Connection, firm: Firm, workspaces: Sequence[Workspace], companies: Sequence[Company]) -> list[str]:
    if row.removed_at is not None:
        return []
    found = []
    if row.service == Connection.Service.TOGGL:
        found += _toggl_warnings(row, firm, workspaces)
    else:
        found += _billit_warnings(row, companies)
    if not workspaces and not companies:
        found.append(_("Nothing is chosen yet of what it opens, so nothing is read through it."))
    return found


def _toggl_warnings(row: Connection, firm: Firm, workspaces: Sequence[Workspace]) -> list[str]:
    found = [
        _(
            "The token is not an admin's in “%(workspace)s”: Toggl silently leaves out the hours of others. "
            "Use an admin's token."
        )
        % {"workspace": workspace.name}
        for workspace in workspaces
        if not workspace.is_admin
    ]
    free = [workspace.name for workspace in workspaces if workspace.plan.lower() == "free"]
    if free:
        found.append(
            ngettext(
                "“%(names)s” is on Toggl's Free plan: 30 requests an hour, and no billable flag.",
                "“%(names)s” are on Toggl's Free plan: 30 requests an hour, and no billable flag.",
                len(free),
            )
            % {"names": "”, “".join(free)}
        )
    if row.timezone and row.timezone != firm.timezone:
        found.append(
            _("The owner of the token lives in %(zone)s, the firm in %(firm)s: days are counted in the firm's zone.")
            % {"zone": row.timezone, "firm": firm.timezone}
        )
    return found


def _billit_warnings(row: Connection, companies: Sequence[Company]) -> list[str]:
    found = [
        _(
            "Billit does not allow “%(company)s” to use its API. Have API access switched on for it in Billit; "
            "it depends on the subscription."
        )
        % {"company": company.name}
        for company in companies
        if not company.api_allowed
    ]
    found += [
        _(
            "Billit does not let “%(company)s” send yet: sign in to Billit and finish what it asks for, such as "
            "proving the identity of the legal representative (itsme) and the address of e-mail."
        )
        % {"company": company.name}
        for company in companies
        if not company.sending_open
    ]
    found.append(
        _(
            "If “Automatically send your invoices” is on in Billit's settings, Billit sends every unsent invoice at "
            "09:00, also one that you only posted. toggbill cannot see that setting: switch it off."
        )
    )
    if row.method == Connection.Method.KEY:
        found.append(
            _("A Billit API key is for the firm's own use; an installation that serves several firms signs in instead.")
        )
    return found
