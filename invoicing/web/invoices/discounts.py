"""Another amount for a line of a waiting draft, typed on the invoice's page beside its value at rate."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from invoicing.drafting.changing import discounts
from invoicing.drafting.changing.discounts import Wish
from invoicing.web.amounts import typed
from invoicing.web.lookup import invoice_of
from toggbill.firms.access import FirmRequest, actor, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read


@member_required("draft")
@require_POST
def write(request: FirmRequest, reference: str, position: int) -> HttpResponse:
    """Write a line down or up, as the invoice was read (field `read`): `value` is the amount, or per cent off it.

    Beyond 10 % it takes a right of its own (403); 409 when the invoice changed since.
    """
    row = invoice_of(request, reference)
    given = request.POST
    try:
        discounts.write_line(
            invoice=row,
            position=position,
            wish=_wish(given.get("value", ""), given.get("unit", "")),
            reason=given.get("reason", ""),
            by=actor(request),
            now=timezone.now(),
            read=Read.unpack(given.get("read", "")),
        )
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The line has another amount. Its value at rate stays beside it."))
    return redirect(f"{reverse('firm:invoice', args=[row.reference])}#line-{position}")


def _wish(text: str, unit: str) -> Wish:
    """What was typed, as people write numbers. Raises ``NotPossible`` for what is none."""
    if unit not in ("amount", "per_cent"):
        raise NotPossible(_("Say whether that is an amount or per cent."))
    try:
        value = typed(text.replace("%", ""))
    except ValidationError as fault:
        raise NotPossible(fault.messages[0]) from None
    return Wish(amount=value) if unit == "amount" else Wish(per_cent=value)
