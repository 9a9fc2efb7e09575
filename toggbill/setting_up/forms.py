"""The form that pairs a workspace with a company: what becomes a dossier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from integrations.models import Company, Workspace
from invoicing.dossiers.rules import DossierRules, Pairing
from invoicing.models import Dossier
from invoicing.rules.judging.likeness import likeness
from toggbill.firms.models import Firm

_LONGEST_KEY = 50
_COMPARED = 30
"""Workspaces, and companies, whose names are compared for a guess."""


class PairForm(forms.Form):
    """Workspace, company, a name, and the day from which toggbill bills."""

    workspace = forms.TypedChoiceField(label=_("Toggl workspace"), coerce=int)
    company = forms.TypedChoiceField(label=_("Billit company"), coerce=int)
    name = forms.CharField(label=_("name of the dossier"), max_length=200)
    start = forms.DateField(
        label=_("bill from this day on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Hours before it are billed elsewhere and never here: the day after the last one that was billed."),
    )

    def __init__(
        self,
        *args: Any,
        workspaces: Sequence[Workspace],
        companies: Sequence[Company],
        today: date,
        taken: Sequence[str],
        **kwargs: Any,
    ) -> None:
        workspace, company = _likeliest(workspaces, companies)
        kwargs["initial"] = {
            "workspace": workspace.remote_id if workspace else None,
            "company": company.party_id if company else None,
            "name": company.name if company else "",
            "start": today.replace(day=1),
        }
        super().__init__(*args, **kwargs)
        self._workspaces = {row.remote_id: row for row in workspaces}
        self._companies = {row.party_id: row for row in companies}
        self._taken = frozenset(taken)
        for name, rows in (("workspace", self._workspaces), ("company", self._companies)):
            field = cast(forms.TypedChoiceField, self.fields[name])
            field.choices = [(number, str(row)) for number, row in rows.items()]

    def pairing(self, firm: Firm) -> Pairing:
        """What is to become a dossier, with the rules that every one begins with."""
        given = self.cleaned_data
        rules = DossierRules(key=self._key(given["name"]), name=given["name"], start=given["start"])
        return Pairing(self._workspaces[given["workspace"]], self._companies[given["company"]], rules)

    def _key(self, name: str) -> str:
        """A short name that no dossier of the firm has."""
        first = slugify(name)[: _LONGEST_KEY - 4] or "dossier"
        number, key = 1, first
        while key in self._taken:
            number += 1
            key = f"{first}-{number}"
        return key


def _likeliest(
    workspaces: Sequence[Workspace], companies: Sequence[Company]
) -> tuple[Workspace | None, Company | None]:
    """The pair whose names are most alike, of those that are not paired yet if there are some; of many the first."""
    paired = set(Dossier.objects.filter(workspace__in=workspaces).values_list("workspace", flat=True))
    free = [row for row in workspaces if row.pk not in paired] or list(workspaces)
    pairs = [(workspace, company) for workspace in free[:_COMPARED] for company in companies[:_COMPARED]]
    if not pairs:
        return None, None
    return max(pairs, key=lambda pair: likeness(pair[0].name, pair[1].name))
