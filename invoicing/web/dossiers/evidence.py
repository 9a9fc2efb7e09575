"""The page on which a member takes the evidence of a dossier's month."""

from __future__ import annotations

import tempfile
from typing import cast

from django.contrib import messages
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from invoicing.evidence import pack
from invoicing.ledger import balance
from invoicing.models import Dossier
from invoicing.rules import days
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, member_required


@member_required("prove", proof=True)
@require_http_methods(["GET", "HEAD", "POST"])
def evidence(request: FirmRequest, key: str) -> HttpResponse:
    """The months that can be proved; POST (field `month`, YYYY-MM): the pack of one, as a download."""
    row = dossier_of(request, key)
    if request.method == "POST":
        return _download(request, row)
    found = balance.months(dossiers=[row])
    return render(request, "invoicing/evidence.html", {"dossier": row, "months": reversed(found)})


def _download(request: FirmRequest, row: Dossier) -> HttpResponse:
    try:
        month = days.month(request.POST.get("month", ""))
    except ValueError:
        messages.error(request, _("Nothing was made: choose a month of the list."))
        return redirect("firm:evidence", key=row.key)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it once it was sent
    try:
        pack.make(dossier=row, month=month, to=file, by=actor(request), now=timezone.now())
    except BaseException:
        file.close()
        raise
    file.seek(0)
    name = f"evidence-{request.firm.slug}-{row.key}-{month:%Y-%m}.zip"
    answer = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    return cast(HttpResponse, answer)  # it streams, so it is not quite one
