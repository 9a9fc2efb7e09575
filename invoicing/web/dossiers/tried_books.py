"""From which day, and for which clients of Toggl, a preview may try that a dossier bills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from invoicing.dossiers import rules
from invoicing.dossiers.faults import Fault
from invoicing.dossiers.firm import Standing, StandingDossier
from invoicing.dossiers.rules import DossierRules, Wanted
from invoicing.ledger.facts.books import Facts
from invoicing.models import Dossier
from invoicing.rules import days
from invoicing.web.agreements.forms import PayerField
from invoicing.web.configuring.forms import note


def column(name: str) -> Any:
    """The name of a rule as everywhere else."""
    return Dossier._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # a column has one


class TriedForm(forms.Form):
    """Fields that look as all others do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxSelectMultiple):
                is_choice = isinstance(field, forms.ChoiceField)
                field.widget.attrs["class"] = "form-select" if is_choice else "form-control"


class ClientsField(forms.CharField):
    """Toggl clients by their names or ids, one a line; the value is the set of their ids."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 4, "cols": 40}), **kwargs)
        self.names: Mapping[int, str] = {}

    def clean(self, value: Any) -> frozenset[int]:
        """Raises ValidationError for one that nothing is called, or that is not offered."""
        one = PayerField(required=False)
        one.names = self.names
        found = {one.clean(text) for text in str(value or "").splitlines()} - {None}
        for each in found:
            if not isinstance(each, int):
                raise forms.ValidationError(
                    gettext_lazy("“%(value)s” is a number of a customer: give the client by its name in Toggl."),
                    params={"value": each},
                )
        return frozenset(found)


class BooksForm(TriedForm):
    """From which day a dossier bills, and whose hours (R1)."""

    start_date = forms.DateField(
        label=column("start_date"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    named = ClientsField(label=gettext_lazy("only these Toggl clients, one a line (empty: all)"), required=False)

    def __init__(self, given: Mapping[str, Any], *, dossier: Any, books: Facts, unseen: frozenset[int]) -> None:
        super().__init__(given)
        self._dossier, self._books, self._unseen = dossier, books, unseen

    def clean(self) -> dict[str, Any]:
        """A start stays once something is invoiced, and the clients of a workspace's dossiers are disjoint."""
        cleaned = super().clean() or {}
        start, dossier = cleaned.get("start_date"), self._dossier
        if start and not days.FIRST <= start <= days.LAST:
            facts = {"value": start.isoformat(), "least": days.FIRST.year, "most": days.LAST.year}
            note(self, [Fault("start_date", "day_out_of_range", facts)], {})
        elif start and start != dossier.start_date and dossier.has_invoiced:
            note(self, [Fault("start_date", "invoiced", {"old": str(dossier.start_date), "dossier": dossier.key})], {})
        if "named" in cleaned:
            cleaned["named"] |= self._unseen
            note(self, self._overlaps(cleaned["named"]), {"clients": "named"})
        return cleaned

    def _overlaps(self, named: frozenset[int]) -> Iterable[Fault]:
        """What the rules of dossiers say of it, beside the others of the workspace."""
        workspace = self._dossier.workspace.remote_id
        others = {
            row.key: StandingDossier(row.name, "", workspace, "", 0, row.start_date, named_by(row, self._books), False)
            for row in self._books.dossiers
            if row != self._dossier
        }
        stated = DossierRules.of({"key": self._dossier.key, "clients": named})
        return next(rules.overlaps([Wanted(workspace, 0, stated)], Standing(dossiers=others)))

    def changes(self) -> dict[str, Any]:
        """The start and the clients that are another than the dossier's, as ``Tried`` has them."""
        start, named = self.cleaned_data["start_date"], self.cleaned_data["named"]
        return {
            "start": start if start != self._dossier.start_date else None,
            "named": named if named != named_by(self._dossier, self._books) else None,
        }


def named_by(dossier: Dossier, books: Facts) -> frozenset[int]:
    """The Toggl clients that a dossier names."""
    return frozenset(client for client, other in books.named.items() if other == dossier)
