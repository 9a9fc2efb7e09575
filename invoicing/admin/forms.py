"""The forms of dossiers and mappings: what a person typed as the verbs want it, refused where the checks refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.forms.models import BaseInlineFormSet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from integrations.models import Client
from invoicing.admin.choices import (
    CLIENT_HELP,
    CLIENTS,
    CUSTOMER_HELP,
    CUSTOMERS,
    PRODUCTS,
    Choices,
    NamedIdField,
    offered,
)
from invoicing.dossiers import mappings, rules
from invoicing.dossiers.faults import Fault, repeated, sentence
from invoicing.dossiers.firm import standing
from invoicing.dossiers.rules import DossierRules, Wanted
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment, normalise_number

# Django's forms are generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _DossierForm = forms.ModelForm[Dossier]
    _TagMappingForm = forms.ModelForm[TagMapping]
    _ClientMappingForm = forms.ModelForm[ClientMapping]
    _DossierClientForm = forms.ModelForm[DossierClient]
    _FormSet = BaseInlineFormSet[Any, Any, Any]
else:
    _DossierForm = _TagMappingForm = _ClientMappingForm = _DossierClientForm = forms.ModelForm
    _FormSet = BaseInlineFormSet


# A form has fields with labels, where a file has columns.
_WORDS: Mapping[str, str] = {
    "no_product": gettext_noop("Name the product that the tag leads to, or switch “bill” off."),
    "two_customers": gettext_noop("Give the number or the PartyID, not both."),
    "limit_not_said": gettext_noop(
        "With this mode invoices go out by themselves: give the amount above which a person approves, "
        "or say that there is no limit."
    ),
    "limit_and_none": gettext_noop("Give the limit above, or say that there is none, not both."),
    "clients_elsewhere": gettext_noop("Dossier “%(name)s” bills this client already."),
}
_FIELDS: Mapping[str, str] = {
    "start": "start_date",
    "product": "product_reference",
    "client": "client_remote_id",
    "vat": "number",
    "customer": "customer_party_id",
    "po": "purchase_order",
}


def says(fault: Fault) -> str:
    """The words of a fault at the field of a form."""
    text = sentence(fault.code, fault.facts, _WORDS)
    return text[:1].upper() + text[1:]


def _note(form: forms.BaseForm, faults: Iterable[Fault]) -> None:
    """Show faults at their fields; one that rests on a field that is at fault itself says nothing new."""
    for fault in faults:
        name, *beside = (_FIELDS.get(each, each) for each in (fault.field, *fault.beside))
        if not any(form.has_error(each) for each in (name, *beside)):
            form.add_error(name if name in form.fields else None, says(fault))


class _ByName:
    """Of a form whose fields give ids by name: the admin says on the class what is known (``choices``)."""

    choices: Choices = Choices()
    fields: dict[str, forms.Field]

    def name_the_ids(self) -> None:
        """Tell the fields the names."""
        for name, names in (("client_remote_id", self.choices.clients), ("customer_party_id", self.choices.customers)):
            found = self.fields.get(name)
            if isinstance(found, NamedIdField):
                found.names = names


class DossierForm(_DossierForm):
    """The rules of a dossier."""

    class Meta:
        model = Dossier
        fields = (
            "name",
            "key",
            "workspace",
            "company",
            "start_date",
            "billable",
            "default_product",
            "price_decimals",
            "price_day",
            "group_by",
            "rounding_minutes",
            "rounding_direction",
            "rounding_level",
            "rounding_minimum",
            "every",
            "day",
            "mode",
            "auto_limit",
            "no_limit",
            "longest_hours",
            "four_eyes",
            "deviation",
            "payment_days",
            "email_allowed",
            "annex",
            "billed_tag",
        )
        widgets = {"default_product": offered(PRODUCTS)}

    def clean(self) -> dict[str, Any]:
        """What the checks of rules say; the clients are judged with their rows."""
        cleaned = super().clean() or {}
        workspace, company = self._value("workspace"), self._value("company")
        if workspace is None or company is None:
            return cleaned
        stands = standing(workspace.firm.slug)
        wanted = Wanted(workspace.remote_id, company.party_id, self.stated())
        faults = [*rules.check([wanted], stands)[0], *rules.check_firms(workspace.firm, workspace, company)]
        if self.instance._state.adding:
            faults += rules.check_new(wanted.rules.key, stands)
        _note(self, (fault for fault in faults if fault.field != "clients"))
        return cleaned

    def stated(self, clients: Iterable[int] = ()) -> DossierRules:
        """The rules that the form states; what it does not show stays as it is."""
        values = {name: self._value(name) for name in self._meta.fields or ()}
        return DossierRules.of(values | {"start": values["start_date"], "clients": frozenset(clients)})

    def _value(self, name: str) -> Any:
        return self.cleaned_data[name] if name in self.cleaned_data else getattr(self.instance, name, None)


def _dossier_of(form: forms.ModelForm[Any]) -> Dossier | None:
    """The dossier that a mapping is for: chosen in the form, or the parent's in an inline; None while it is new."""
    chosen = form.cleaned_data.get("dossier")
    if isinstance(chosen, Dossier):
        return chosen if chosen.pk else None
    return form.instance.dossier if form.instance.dossier_id else None


class TagMappingForm(_TagMappingForm):
    """A tag that leads to a product, or to *do not bill*."""

    class Meta:
        model = TagMapping
        fields = ("dossier", "tag", "person_remote_id", "bill", "product_reference", "priority")
        help_texts: ClassVar[dict[str, Any]] = {
            "person_remote_id": _("Id of the Toggl user for whom alone it is mapped; empty: everybody.")
        }
        widgets = {"product_reference": offered(PRODUCTS)}

    def clean(self) -> dict[str, Any]:
        """What the checks of mappings say; and a dossier maps a tag once."""
        cleaned = super().clean() or {}
        dossier = _dossier_of(self)
        written = () if dossier is None else dossier.workspace.own_tags
        _note(self, mappings.check_tags([self.rule()], written=written)[0])
        tag_key, person = self.key()
        self.instance.tag_key = tag_key
        if dossier is not None and (tag_key or person):
            same = TagMapping.objects.filter(dossier=dossier, tag_key=tag_key, person_remote_id=person)
            if same.exclude(pk=self.instance.pk).exists():
                self.add_error("tag", _("The dossier maps this tag already: change that mapping."))
        return cleaned

    def rule(self) -> TagRule:
        """The mapping that the form states."""
        given = self.cleaned_data
        return TagRule(
            tag=given.get("tag") or "",
            product=given.get("product_reference") or "",
            bill=bool(given.get("bill")),
            priority=given.get("priority"),
            person=given.get("person_remote_id"),
        )

    def key(self) -> tuple[str, int | None]:
        """What may occur once in a dossier."""
        return self.rule().key


class ClientMappingForm(_ByName, _ClientMappingForm):
    """A Toggl client and the customer that is billed for it."""

    client_remote_id = NamedIdField(offers=CLIENTS, label=_("Toggl client"), help_text=CLIENT_HELP)
    customer_party_id = NamedIdField(
        offers=CUSTOMERS, label=_("Billit customer"), help_text=CUSTOMER_HELP, required=False
    )

    class Meta:
        model = ClientMapping
        fields = (
            "dossier",
            "client_remote_id",
            "number",
            "customer_party_id",
            "treatment",
            "purchase_order",
            "buyer_reference",
        )
        help_texts = {"number": _("Leave empty to bill the number in the client's name.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name_the_ids()

    def clean(self) -> dict[str, Any]:
        """What the checks of mappings say; a dossier maps a client once, and one of its workspace."""
        cleaned = super().clean() or {}
        _note(self, mappings.check_clients([self.rule()])[0])
        cleaned["number"] = normalise_number(cleaned.get("number") or "")
        # What a person typed, or took away, is no longer a proposal.
        self.instance.is_proposed = self.rule().proposed
        dossier, client = _dossier_of(self), cleaned.get("client_remote_id")
        if dossier is not None and client is not None:
            same = ClientMapping.objects.filter(dossier=dossier, client_remote_id=client).exclude(pk=self.instance.pk)
            if same.exists():
                self.add_error("client_remote_id", _("The dossier maps this client already: change that mapping."))
            _refuse_unknown_client(self, dossier, client)
        return cleaned

    def rule(self) -> ClientRule:
        """The mapping that the form states."""
        given = self.cleaned_data
        touched = {"number", "customer_party_id"} & set(self.changed_data)
        treatment = given.get("treatment")
        return ClientRule(
            client_id=given.get("client_remote_id") or 0,
            number=given.get("number") or "",
            party_id=given.get("customer_party_id"),
            proposed=self.instance.is_proposed and not touched,
            treatment=Treatment(treatment) if treatment else None,
            purchase_order=given.get("purchase_order") or "",
            buyer_reference=given.get("buyer_reference") or "",
        )

    def key(self) -> str:
        """What may occur once in a dossier."""
        return str(self.cleaned_data.get("client_remote_id"))


class DossierClientForm(_ByName, _DossierClientForm):
    """A Toggl client that the dossier bills."""

    client_remote_id = NamedIdField(offers=CLIENTS, label=_("Toggl client"), help_text=CLIENT_HELP)

    class Meta:
        model = DossierClient
        fields = ("client_remote_id",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name_the_ids()

    def clean(self) -> dict[str, Any]:
        """A client of the dossier's workspace."""
        cleaned = super().clean() or {}
        dossier, client = _dossier_of(self), cleaned.get("client_remote_id")
        if dossier is not None and client is not None:
            _refuse_unknown_client(self, dossier, client)
        return cleaned

    def client(self) -> int | None:
        """The client, by its id in Toggl; None when it is at fault."""
        found: int | None = self.cleaned_data.get("client_remote_id")
        return found

    def key(self) -> str:
        """What may occur once in a dossier."""
        return str(self.cleaned_data.get("client_remote_id"))


def _refuse_unknown_client(form: forms.ModelForm[Any], dossier: Dossier, client: int) -> None:
    known = Client.objects.filter(workspace=dossier.workspace)
    # Before the first sync nothing is known, and nothing can be judged.
    if "client_remote_id" in form.changed_data and known.exists() and not known.filter(remote_id=client).exists():
        error = forms.ValidationError(
            _("Workspace “%(workspace)s” has no client %(client)s in Toggl."),
            params={"workspace": dossier.workspace.name, "client": str(client)},
        )
        form.add_error("client_remote_id", error)


class RowsOfOneDossier(_FormSet):
    """Inline rows that differ in their key, among themselves too."""

    def clean(self) -> None:
        """No tag or client twice in what is sent."""
        super().clean()
        sound = [form for form in self.standing_forms() if not form.errors]
        for place in repeated([form.key() for form in sound]):
            sound[place].add_error(None, _("This row stands here twice."))

    def standing_forms(self) -> list[Any]:
        """The forms of the rows that there will be, those at fault included."""
        filled = (form for form in self.forms if getattr(form, "cleaned_data", None))
        return [form for form in filled if not form.cleaned_data.get("DELETE")]


class ClientsOfOneDossier(RowsOfOneDossier):
    """The Toggl clients that a dossier bills: disjoint from those of the other dossiers of its workspace (R1)."""

    def clean(self) -> None:
        """A fault stands at the row of its client, one of all rows above them."""
        super().clean()
        workspace = getattr(self.instance, "workspace", None)
        if workspace is None:
            return
        stated = DossierRules.of({"key": self.instance.key, "clients": self.clients()})
        wanted = [Wanted(workspace.remote_id, 0, stated)]
        for fault in next(rules.overlaps(wanted, standing(workspace.firm.slug))):
            forms_of_it = [row for row in self.standing_forms() if row.client() in fault.facts["ids"]]
            for row in forms_of_it:
                row.add_error("client_remote_id", says(fault))
            if not forms_of_it:
                raise forms.ValidationError(says(fault))

    def clients(self) -> frozenset[int]:
        """The clients, by their ids in Toggl."""
        named = (form.client() for form in self.standing_forms())
        return frozenset(client for client in named if client is not None)
