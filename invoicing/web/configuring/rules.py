"""The page on which the rules of a dossier are changed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from invoicing.dossiers import decide
from invoicing.dossiers.faults import Refused
from invoicing.web.configuring import offers
from invoicing.web.configuring.forms import RulesForm, rules_form
from invoicing.web.enqueue import judge
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, member, member_required
from toggbill.firms.read import Read

_SECTIONS = (
    ("dossier", ("name", "start_date", "clients")),
    ("billed", ("billable", "default_product", "longest_hours", "price_decimals", "price_day", "group_by")),
    ("rounding", ("rounding_minutes", "rounding_direction", "rounding_level", "rounding_minimum")),
    ("schedule", ("every", "day", "mode", "auto_limit", "no_limit")),
    ("guards", ("four_eyes", "deviation")),
    ("invoice", ("payment_days", "email_allowed", "annex")),
    ("toggl", ("billed_tag",)),
)


@member_required("configure")
@require_http_methods(["GET", "POST"])
def change(request: FirmRequest, key: str) -> HttpResponse:
    """Change the rules of a dossier (the fields of ``RulesForm``, and `read`)."""
    row = dossier_of(request, key)
    products = offers.products_of(row)
    clients = [(client.remote_id, client.name) for client in offers.all_clients(row, member(request))]
    form = rules_form(row, products=products, clients=clients, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            outcome = decide.change_rules(
                dossier=row,
                stated=form.stated(form.chosen()),
                by=actor(request),
                now=timezone.now(),
                read=Read.unpack(request.POST.get("read", "")),
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            left = 0 if outcome == "unchanged" else judge(row.workspace)
            messages.success(request, _saved(outcome != "unchanged", left))
            return redirect("firm:dossier_rules", key=row.key)
    return render(
        request,
        "configuring/rules.html",
        {
            "dossier": row,
            "form": form,
            "sections": _sections(form),
            "read": Read.of([decide.rules_as_read(row)]).pack(),
        },
        status=422 if form.is_bound else 200,
    )


def _sections(form: RulesForm) -> list[tuple[str, list[object]]]:
    return [(name, [form[field] for field in fields if field in form.fields]) for name, fields in _SECTIONS]


def _saved(is_changed: bool, left: int) -> str:
    if not is_changed:
        return _("Nothing differs from what stood there.")
    if left:
        return _("Saved. The hours that are not billed yet are judged anew in a moment.")
    return _("Saved. The hours that are not billed yet are judged anew.")
