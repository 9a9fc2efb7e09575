"""Having Toggl and Billit tell of changes at once: opened, renewed and ended on the connection's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from integrations.clients.http.transport import ServiceError
from integrations.connections import failures, webhook_addresses
from integrations.models import Company, Connection, Workspace
from toggbill.firms.access import FirmRequest, actor, member_required, visible


@dataclass(frozen=True, slots=True)
class Told:
    """A workspace or company of the page: since when its service tells of changes, at which addresses."""

    id: int
    name: str
    since: datetime | None
    latest: datetime | None
    addresses: Sequence[str]


def listed(connection: Connection) -> list[Told]:
    """What the connection opens, each with its webhooks. The addresses are for who may change connections."""
    return [_told(target) for target in targets(connection)]


def targets(connection: Connection) -> list[Workspace | Company]:
    """What the connection opens, by name."""
    found: list[Workspace | Company] = [
        *connection.workspaces.prefetch_related("webhooks"),
        *connection.companies.prefetch_related("webhooks"),
    ]
    return sorted(found, key=lambda target: (target.name.casefold(), target.pk))


def number(target: Workspace | Company) -> int:
    """The service's own id of a workspace or company."""
    return target.remote_id if isinstance(target, Workspace) else target.party_id


def are_reachable() -> bool:
    """Whether this installation has an address of its own over https: Billit calls no other (Billit docs: webhooks)."""
    return str(settings.PUBLIC_URL).startswith("https://")


def _told(target: Workspace | Company) -> Told:
    rows = sorted(target.webhooks.all(), key=lambda row: row.pk)
    calls = [row.called_at for row in rows if row.called_at is not None]
    return Told(
        number(target),
        target.name,
        min((row.made_at for row in rows), default=None),
        max(calls, default=None),
        [webhook_addresses.address(row) for row in rows],
    )


@member_required("connect")
@require_POST
def webhook(request: FirmRequest, service: str, key: str, remote_id: int) -> HttpResponse:
    """Open the webhook of a workspace or company, or renew it (field `do`: open), or end it (close)."""
    row = get_object_or_404(
        visible(request.membership, Connection.objects.select_related("firm")), service=service, key=key
    )
    target = next((found for found in targets(row) if number(found) == remote_id), None)
    if target is None:
        raise Http404
    do = request.POST.get("do", "")
    if do == "open":
        _open(request, target)
    elif do == "close":
        close(request, [target])
        messages.success(request, _("“%(name)s” is read every quarter of an hour again.") % {"name": target.name})
    return redirect("firm:connection", service=service, key=key)


def _open(request: FirmRequest, target: Workspace | Company) -> None:
    try:
        webhook_addresses.open_for(target=target, by=actor(request), now=timezone.now())
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
    else:
        messages.success(request, _("From now on changes in “%(name)s” are told at once.") % {"name": target.name})


def close(request: FirmRequest, these: Sequence[Workspace | Company]) -> None:
    """End the webhooks of some workspaces or companies; what a service could not be told is said."""
    for target in these:
        if not target.webhooks.exists():
            continue
        if trouble := webhook_addresses.close_for(target=target, by=actor(request), now=timezone.now()):
            text = _("The webhook of “%(name)s” is dead here, but could not be ended at the service. %(why)s")
            messages.warning(request, text % {"name": target.name, "why": failures.words(trouble)})
