"""Signing in at Billit: off to its page, and back from there.

Billit knows one address of this installation, which lies outside of firms. The state that goes along says for which
firm, and as which connection, the sign-in was begun; it is kept in the session, one for each sign-in under way, since
two tabs may be at it for two firms.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from integrations.clients.billit_sign_in import Pair
from integrations.clients.http.transport import ServiceError
from integrations.connections import credentials, failures, tokens
from integrations.models import Connection
from toggbill.connecting.forms import KeyForm
from toggbill.firms.access import FirmRequest, actor, member_required
from toggbill.firms.errors import Changed, Unread
from toggbill.firms.read import Read
from toggbill.firms.requests.addresses import in_firm
from toggbill.firms.requests.middleware import refused

STATES = "billit_sign_ins"
"""The key of the session for the sign-ins under way, by their states."""

STATE_LIFE = timedelta(minutes=30)
_MOST_STATES = 5


@member_required("connect", proof=True)
@require_POST
def sign_in(request: FirmRequest) -> HttpResponse:
    """Off to Billit's page (field `key`: the connection's short name), for a new connection, or for one that stands
    again: its page says what it showed (`read`)."""
    if not tokens.is_set_up():
        raise Http404
    form = KeyForm(request.POST, firm=request.firm, service=Connection.Service.BILLIT)
    key, read = request.POST.get("key", ""), request.POST.get("read")
    known = Connection.objects.for_firm(request.firm).filter(service="billit", key=key).first()
    if known is not None and read is not None:
        credentials.check_read(connection=known, by=actor(request), read=Read.unpack(read))
    elif form.is_valid():
        key, read = str(form.cleaned_data["key"]), None
    else:
        unfit = _("Give the connection a short name: letters, digits, hyphens and underscores.")
        messages.error(request, unfit if known is None else " ".join(map(str, form.errors["key"])))
        return redirect("firm:connection_add", service="billit")
    state = secrets.token_urlsafe(32)
    begun = {"firm": request.firm.pk, "key": key, "read": read, "at": timezone.now().isoformat()}
    others = list(request.session.get(STATES, {}).items())[-_MOST_STATES + 1 :]
    request.session[STATES] = dict([*others, (state, begun)])
    return redirect(tokens.sign_in_address(state=state))


@login_required
@require_GET
def signed_in(request: FirmRequest) -> HttpResponse:
    """Billit sends the person back here: with a code, or without, after a no. The state leads to the firm."""
    begun = _begun(request)
    request.membership = next((row for row in request.memberships if row.firm_id == begun.get("firm")), None)
    if request.membership is None:
        messages.error(
            request,
            _("This sign-in was not begun here, or too long ago. Nothing was connected: begin under Connections."),
        )
        return redirect("home")
    request.firm = request.membership.firm
    with in_firm(request.firm.slug):
        try:
            return _signed_in(request, str(begun["key"]), begun.get("read"))
        except (Changed, Unread) as refusal:
            return refused(request, refusal)


def _begun(request: FirmRequest) -> dict[str, Any]:
    """The sign-in of this session that the state names, taken from it; empty without one, or when it is too old."""
    states: dict[str, dict[str, Any]] = request.session.get(STATES, {})
    # A state is 32 random bytes, so that comparing it in constant time would hide nothing that helps to guess it.
    begun = states.pop(request.GET.get("state", ""), None)
    if begun is None:
        return {}
    request.session[STATES] = states
    return begun if timezone.now() - datetime.fromisoformat(begun["at"]) <= STATE_LIFE else {}


@member_required("connect")
def _signed_in(request: FirmRequest, key: str, read: str | None) -> HttpResponse:
    if "code" not in request.GET:
        messages.info(request, _("Billit was not opened for toggbill, so nothing was connected."))
        return redirect("firm:connections")
    try:
        row, kept = _connect_signed_in(request, key, read)
    except ServiceError as error:
        messages.error(request, _("Nothing was connected. %(why)s") % {"why": failures.words(error.message)})
        return redirect("firm:connections")
    if kept:
        messages.success(request, _("Signed in to Billit again: the connection works."))
        return redirect("firm:connection", service="billit", key=row.key)
    return redirect("firm:connection_choose", service="billit", key=row.key)


@sensitive_variables("pair")
def _connect_signed_in(request: FirmRequest, key: str, read: str | None) -> tuple[Connection, bool]:
    """The connection, and whether it has companies already.

    Raises ``ServiceError``, and ``Changed`` where a colleague changed it while the person was at Billit.
    """
    pair: Pair = tokens.first_pair(code=request.GET["code"])
    access = credentials.ask_billit_signed_in(pair=pair)
    standing = Connection.objects.for_firm(request.firm).filter(service="billit", key=key).first()
    if standing is not None:
        used = standing.companies.filter(dossiers__isnull=False).values_list("party_id", flat=True)
        for sentence in credentials.billit_hindrances(access, key=key, companies=used):
            messages.warning(request, sentence)
    try:
        row, _outcome = credentials.connect_billit_signed_in(
            firm=request.firm,
            key=key,
            pair=pair,
            access=access,
            by=actor(request),
            now=timezone.now(),
            read=None if read is None else Read.unpack(read),
        )
    except (Changed, Unread):
        # Nobody keeps this pair.
        tokens.revoke(access=pair.access)
        raise
    return row, row.companies.exists()
