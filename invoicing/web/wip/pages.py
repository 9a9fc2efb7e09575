"""Work in progress: where money lies, how old it is, and which customers cost more than they pay."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from invoicing.due.mails import budget_mails
from invoicing.models import Dossier
from invoicing.web.lookup import PER_PAGE, months
from invoicing.web.wip import sums
from invoicing.web.wip.filters import BY, Filter, Span
from invoicing.wip import as_of, lock_up
from invoicing.wip import budgets as of_budgets
from invoicing.wip.realisation import Realisation, Realised, realisation
from toggbill.firms.access import FirmRequest, member_required, visible


def dossiers_of(request: FirmRequest) -> list[Dossier]:
    """The dossiers that the member sees, by name."""
    return list(visible(request.membership, Dossier.objects.all()).select_related("firm").order_by("name", "pk"))


@member_required()
@require_GET
def wip(request: FirmRequest) -> HttpResponse:
    """Work in progress at the end of a day, by customer unless the address asks for another (`filters.Filter`)."""
    asked = Filter.of(request.GET, today=timezone.localdate())
    dossiers = dossiers_of(request)
    chosen = asked.dossiers(dossiers)
    rows = [row for row in as_of.rows(dossiers=chosen, as_of=asked.as_of) if asked.holds(row)]
    whole, grouped = sums.whole(rows), sums.grouped(rows, asked)
    page = Paginator(grouped, PER_PAGE).get_page(request.GET.get("page"))
    # Of some of a dossier's hours there is no lock-up: an invoice holds them all.
    only_some = asked.customer or asked.product or asked.person
    return render(
        request,
        "invoicing/wip.html",
        {
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "query": f"{asked.query()}&",
            "asked": asked,
            "export_query": asked.query(),
            "today": timezone.localdate(),
            "dossiers": dossiers,
            "whole": whole,
            "bands": whole.slices(whole.value),
            "shares": [
                (sums.LABELS[band], sums.COLOURS[band], value, int(value * 100 / whole.value) if whole.value else 0)
                for band, value in whole.bands.items()
            ],
            "lines": sums.lines(page.object_list, max((each.value for each in grouped), default=Decimal(0))),
            "ways": [(name, label, asked.query(by=name)) for name, label in BY.items()],
            "tied": None if only_some else lock_up.of(dossiers=chosen, value=whole.value, as_of=asked.as_of),
        },
    )


@member_required()
@require_GET
def realised(request: FirmRequest) -> HttpResponse:
    """What is billed of the hours of some months beside what they are worth, by customer and by person."""
    asked = Span.of(request.GET, today=timezone.localdate())
    dossiers = dossiers_of(request)
    found = found_in(asked, dossiers)
    page = Paginator(found.customers, PER_PAGE).get_page(request.GET.get("page"))
    by_customer = [each for _whose, each in found.customers]
    by_person = [each for _name, each in found.people]
    return render(
        request,
        "invoicing/realisation.html",
        {
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "query": f"{asked.query}&",
            "asked": asked,
            "months": list(months(dossiers, asked.first)),
            "dossiers": dossiers,
            "whole": found.whole,
            "short": sum(1 for each in by_customer if each.difference < 0),
            "customers": [(whose, each, _bars(each, _most(by_customer))) for whose, each in page.object_list],
            "people": [(name, each, _bars(each, _most(by_person))) for name, each in found.people],
        },
    )


@member_required()
@require_GET
def budgets(request: FirmRequest) -> HttpResponse:
    """What is worked of fixed fees and of projects that are estimated in Toggl, the most used first."""
    found = of_budgets.budgets(dossiers=dossiers_of(request), today=timezone.localdate())
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    since = budget_mails.noticed(page.object_list)
    notices = [each.notice for each in found]
    return render(
        request,
        "invoicing/budgets.html",
        {
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "query": "",
            "rows": [(each, since.get(each)) for each in page.object_list],
            "used_up": notices.count(of_budgets.USED_UP),
            "nearly": notices.count(of_budgets.NEARLY),
        },
    )


def found_in(asked: Span, dossiers: Iterable[Dossier]) -> Realisation:
    """The realisation of the months and the dossier that are asked for."""
    first, last = asked.days
    return realisation(dossiers=[row for row in dossiers if asked.dossier in ("", row.key)], first=first, last=last)


def _most(every: Iterable[Realised]) -> Decimal:
    return max((max(sums.value, sums.billed) for sums in every), default=Decimal(0))


def _bars(found: Realised, most: Decimal) -> tuple[int, int]:
    """How wide the bars of the value and of what was billed are."""
    if most <= 0:
        return 0, 0
    return int(found.value * sums.WIDTH / most), int(max(found.billed, Decimal(0)) * sums.WIDTH / most)
