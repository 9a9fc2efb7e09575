"""The page on which an owner takes everything along, or closes the firm."""

from __future__ import annotations

import tempfile
from typing import cast

from django.contrib import messages
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from integrations.connections import failures, tokens
from toggbill.firms.access import FirmRequest, actor, member_required
from toggbill.firms.read import Read
from toggbill.leaving import archive, closing


@member_required("firm", proof=True)
@require_GET
def leaving(request: FirmRequest) -> HttpResponse:
    """What can be taken along, and what closing would leave unfinished."""
    read = Read.of([closing.as_read(request.firm)]).pack()
    return render(request, "leaving/leaving.html", {"unfinished": closing.unfinished(request.firm), "read": read})


@member_required("firm", proof=True)
@require_POST
def export(request: FirmRequest) -> HttpResponse:
    """The archive, as a download. It is made in a file that is gone when it was sent."""
    now = timezone.now()
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it once it was sent
    archive.write(firm=request.firm, to=file, by=actor(request), now=now)
    file.seek(0)
    name = f"toggbill-{request.firm.slug}-{now.astimezone(request.firm.zone):%Y-%m-%d}.zip"
    answer = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    return cast(HttpResponse, answer)  # it streams, so it is not quite one


@member_required("firm", proof=True)
@require_POST
@sensitive_variables("done", "access")
def close(request: FirmRequest) -> HttpResponse:
    """Close the firm (field `sure`: its short name, typed by the owner; `read`)."""
    if request.POST.get("sure", "").strip() != request.firm.slug:
        messages.error(request, _("Nothing was closed: type the firm's short name to be sure."))
        return redirect("firm:leaving")
    try:
        read = Read.unpack(request.POST.get("read", ""))
        done = closing.close(firm=request.firm, by=actor(request), now=timezone.now(), read=read)
    except closing.CannotClose as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:leaving")
    messages.success(request, _("The firm is closed: its secrets are destroyed, and its books are only read."))
    for access in done.to_revoke:
        if trouble := tokens.revoke(access=access):
            text = _("The sign-in could not be ended at Billit, so end it there in your profile. %(why)s")
            messages.warning(request, text % {"why": failures.words(trouble)})
    return redirect("firm:leaving")
