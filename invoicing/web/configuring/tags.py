"""The pages of tag mappings: what the tags of a dossier lead to, and those that lead nowhere with the best guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from invoicing.admin.choices import PEOPLE
from invoicing.dossiers import decide
from invoicing.dossiers.faults import Refused
from invoicing.dossiers.people import people_of
from invoicing.models import Dossier, TagMapping
from invoicing.rules.judging.mapping import Product, TagRule
from invoicing.rules.text import text_key
from invoicing.web.configuring import forms, offers
from invoicing.web.configuring.labels import product_label
from invoicing.web.enqueue import judge
from invoicing.web.lookup import dossier_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member_required
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.read import Read


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping as it is listed; ``person``: for whom alone, by name, else the id; ``product``: what it leads to, ""
    for *do not bill*."""

    row: TagMapping
    person: str
    product: str
    is_unknown: bool
    read: str


@dataclass(frozen=True, slots=True)
class ToMap:
    """The tags that lead nowhere, as a form offers them: each with its choices, the guess chosen."""

    tags: Sequence[tuple[offers.WaitingTag, Sequence[tuple[str, str, bool]]]]
    more: int
    read: str


@member_required()
@require_GET
def listing(request: FirmRequest, key: str) -> HttpResponse:
    """What each tag of the dossier leads to."""
    row = dossier_of(request, key)
    products = offers.products_of(row)
    page = paged(request, row.tag_mappings.order_by("tag", "person_remote_id", "pk"))
    return render(
        request,
        "configuring/tags.html",
        {
            **page,
            "dossier": row,
            "mapped": _mapped(row, page["page"].object_list, products),
            "to_map": to_map(row, products),
            "same": [product_label(product) for product in products][:3],
            "may_map": may(request.membership, "map"),
        },
    )


def to_map(dossier: Dossier, products: Sequence[Product]) -> ToMap:
    """The tags of the dossier that lead nowhere, those with most time first."""
    waiting = offers.waiting_tags(dossier, products)
    shown = waiting[: offers.SHOWN]
    choices = [(each, _choices(each)) for each in shown]
    return ToMap(
        choices,
        len(waiting) - len(shown),
        Read.of(decide.tags_as_read(dossier, [each.tag for each in shown])).pack(),
    )


def _choices(waiting: offers.WaitingTag) -> list[tuple[str, str, bool]]:
    """Value, label, and whether it is chosen."""
    return [
        (forms.choice_of(product.reference), product_label(product), product.reference == waiting.guess)
        for product in waiting.products
    ]


def _mapped(dossier: Dossier, rows: Sequence[TagMapping], products: Sequence[Product]) -> list[Mapped]:
    labels = {text_key(product.reference): product_label(product) for product in products}
    as_read = decide.tags_as_read(dossier, [named(row) for row in rows])
    is_personal = any(row.person_remote_id is not None for row in rows)
    people = people_of(dossier.workspace) if is_personal else {}
    found = []
    for row, read in zip(rows, as_read, strict=True):
        key = text_key(row.product_reference)
        product = labels.get(key, row.product_reference) if row.bill else ""
        person = row.person_remote_id
        name = "" if person is None else people.get(person) or str(person)
        found.append(Mapped(row, name, product, row.bill and key not in labels, Read.of([read]).pack()))
    return found


def named(row: TagMapping) -> tuple[str, int | None]:
    """The tag of a mapping, and the person for whom alone it is mapped."""
    return row.tag, row.person_remote_id


def _was(request: FirmRequest) -> tuple[str, int | None]:
    """The mapping that was read (fields `was` and `was_person`)."""
    person = request.POST.get("was_person", "")
    return request.POST.get("was", ""), int(person) if re.fullmatch("[0-9]{1,18}", person) else None


@member_required("map")
@require_POST
def map_many(request: FirmRequest, key: str) -> HttpResponse:
    """Map the tags that lead nowhere (fields `tag-<n>` and `product-<n>`, an empty one is left; `read`)."""
    row = dossier_of(request, key)
    stated = []
    for number in range(offers.SHOWN):
        tag, chosen = request.POST.get(f"tag-{number}", ""), request.POST.get(f"product-{number}", "")
        if tag and chosen:
            reference, bill = forms.leads_to(chosen)
            stated.append(TagRule(tag=tag, product=reference, bill=bill))
    if stated:
        _changed(request, row, stated=stated)
    else:
        messages.info(request, _("No tag was mapped: choose what it leads to."))
    return redirect(page_of_ours(request, request.POST.get("next", "")) or reverse("firm:tags", args=[row.key]))


def _changed(request: FirmRequest, row: Dossier, **told: Any) -> bool:
    """Do it, judge the hours, and say so; whether it was done."""
    read = Read.unpack(request.POST.get("read", ""))
    try:
        decide.change_tags(dossier=row, **{"stated": (), **told}, by=actor(request), now=timezone.now(), read=read)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return False
    left = judge(row.workspace)
    count = len(told.get("stated", ())) or len(told.get("gone", ()))
    text = (
        ngettext("%(n)d tag is mapped.", "%(n)d tags are mapped.", count)
        if told.get("stated")
        else ngettext("%(n)d mapping is gone.", "%(n)d mappings are gone.", count)
    )
    messages.success(request, f"{text % {'n': count}} {judged(left)}")
    return True


def judged(left: int) -> str:
    """Whether the hours concerned are judged anew already."""
    if left:
        return _("The hours that are not billed yet are judged anew in a moment.")
    return _("The hours that are not billed yet are judged anew.")


@member_required("map")
@require_http_methods(["GET", "POST"])
def add(request: FirmRequest, key: str) -> HttpResponse:
    """Map a tag (the fields of ``TagForm``, and `read`)."""
    return _edit(request, dossier_of(request, key), None)


@member_required("map")
@require_http_methods(["GET", "POST"])
def change(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Change what a tag leads to (the fields of ``TagForm``; `was` and `was_person`: what was read; and `read`)."""
    row = dossier_of(request, key)
    return _edit(request, row, get_object_or_404(row.tag_mappings, pk=pk))


def _edit(request: FirmRequest, dossier: Dossier, row: TagMapping | None) -> HttpResponse:
    products, people = offers.products_of(dossier), people_of(dossier.workspace)
    form = forms.TagForm(
        request.POST or None,
        dossier=dossier,
        row=row,
        products=products,
        people=people,
        **({"initial": {"tag": request.GET.get("tag", "")[:255]}} if row is None else {}),
    )
    if request.method == "POST" and form.is_valid():
        rule = form.rule()
        renamed = {} if row is None else {(rule.tag, rule.person): _was(request)}
        if _changed(request, dossier, stated=[rule], renamed=renamed):
            return redirect("firm:tags", key=dossier.key)
    read = Read.of(decide.tags_as_read(dossier, [] if row is None else [named(row)])).pack()
    context = {"dossier": dossier, "form": form, "row": row, "read": read, "people": people, "people_list": PEOPLE}
    return render(request, "configuring/tag.html", context, status=422 if form.is_bound else 200)


@member_required("map")
@require_POST
def remove(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Take a mapping away (fields `was` and `was_person`: the tag that was read, and `read`)."""
    row = dossier_of(request, key)
    get_object_or_404(row.tag_mappings, pk=pk)
    _changed(request, row, gone=[_was(request)])
    return redirect("firm:tags", key=row.key)
