"""The forms of dossiers and mappings: what a person typed is made whole, or refused with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.forms.models import BaseInlineFormSet
from django.utils.translation import gettext_lazy as _

from integrations.models import Client
from invoicing.admin.known_names import (
    CLIENT_HELP,
    CLIENTS,
    CUSTOMER_HELP,
    CUSTOMERS,
    PRODUCTS,
    Known,
    NamedIdField,
    offered,
)
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from invoicing.rules import mapping, schedule
from invoicing.rules.mapping import tag_key

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


class _ByName:
    """Of a form whose fields give ids by name: the admin says on the class what is known (``known.known``)."""

    known: Known = Known()
    fields: dict[str, forms.Field]

    def name_the_ids(self) -> None:
        """Tell the fields the names."""
        for name, names in (("client_remote_id", self.known.clients), ("customer_party_id", self.known.customers)):
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
            "group_by",
            "rounding_minutes",
            "rounding_direction",
            "rounding_level",
            "rounding_minimum",
            "every",
            "day",
            "mode",
            "auto_limit",
            "payment_days",
            "email_allowed",
        )
        widgets = {"default_product": offered(PRODUCTS)}

    def clean(self) -> dict[str, Any]:
        """The day fits the schedule, and the firm has no other dossier of this short name."""
        cleaned = super().clean() or {}
        every, day = cleaned.get("every"), cleaned.get("day")
        if every in (Dossier.Every.MANUAL, Dossier.Every.DAILY):
            cleaned["day"] = None
        elif every:
            try:
                schedule.Schedule(str(every), day)
            except ValueError:
                weekly = every == Dossier.Every.WEEKLY
                self.add_error(
                    "day",
                    _("Give the day of the week: 1 (Monday) to 7.")
                    if weekly
                    else _("Give the day of the month: 1 to 28."),
                )
        workspace = cleaned.get("workspace")
        if workspace is not None:
            same = Dossier.objects.filter(firm=workspace.firm_id, key=cleaned.get("key") or "").exclude(
                pk=self.instance.pk
            )
            if same.exists():
                self.add_error("key", _("The firm already has a dossier of this short name: choose another one."))
            company = cleaned.get("company")
            if company is not None and company.firm_id != workspace.firm_id:
                self.add_error("company", _("Workspace and company belong to different firms."))
        return cleaned


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
        fields = ("dossier", "tag", "bill", "product_reference", "priority")
        widgets = {"product_reference": offered(PRODUCTS)}

    def clean(self) -> dict[str, Any]:
        """The tag is compared trimmed, case ignored; it is mapped once; a billed tag names a product."""
        cleaned = super().clean() or {}
        tag = cleaned["tag"] = (cleaned.get("tag") or "").strip()
        product = cleaned["product_reference"] = (cleaned.get("product_reference") or "").strip()
        if cleaned.get("bill") and not product:
            self.add_error("product_reference", _("Name the product that the tag leads to, or switch “bill” off."))
        elif not cleaned.get("bill") and product:
            self.add_error("product_reference", _("A tag that is not billed leads to no product: leave this empty."))
        dossier = _dossier_of(self)
        self.instance.tag_key = tag_key(tag)
        if dossier is not None and tag:
            same = TagMapping.objects.filter(dossier=dossier, tag_key=tag_key(tag)).exclude(pk=self.instance.pk)
            if same.exists():
                self.add_error("tag", _("The dossier maps this tag already: change that mapping."))
        return cleaned

    def key(self) -> str:
        """What may occur once in a dossier."""
        return tag_key(self.cleaned_data.get("tag") or "")


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

    def clean_number(self) -> str:
        """A number is normalised, or refused."""
        text = str(self.cleaned_data.get("number") or "").strip()
        number = mapping.normalise_number(text)
        if text and not number:
            raise forms.ValidationError(
                _("“%(number)s” is not a valid VAT or Belgian enterprise number: check its digits."),
                params={"number": text},
            )
        return number

    def clean(self) -> dict[str, Any]:
        """One customer, named one way; a client is mapped once and is a client of the dossier's workspace."""
        cleaned = super().clean() or {}
        if cleaned.get("number") and cleaned.get("customer_party_id"):
            self.add_error("customer_party_id", _("Give the number or the PartyID, not both."))
        # What a person typed, or took away, is no longer a proposal.
        if {"number", "customer_party_id"} & set(self.changed_data):
            self.instance.is_proposed = False
        dossier, client = _dossier_of(self), cleaned.get("client_remote_id")
        if dossier is not None and client is not None:
            same = ClientMapping.objects.filter(dossier=dossier, client_remote_id=client).exclude(pk=self.instance.pk)
            if same.exists():
                self.add_error("client_remote_id", _("The dossier maps this client already: change that mapping."))
            _refuse_unknown_client(self, dossier, client)
        return cleaned

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
        """A client is billed by one dossier of its workspace (R1)."""
        cleaned = super().clean() or {}
        dossier, client = _dossier_of(self), cleaned.get("client_remote_id")
        if dossier is not None and client is not None:
            others = DossierClient.objects.filter(workspace=dossier.workspace, client_remote_id=client)
            other = others.exclude(pk=self.instance.pk).select_related("dossier").first()
            if other is not None:
                self.add_error(
                    "client_remote_id",
                    forms.ValidationError(
                        _("Dossier “%(dossier)s” bills this client already."), params={"dossier": other.dossier.name}
                    ),
                )
            _refuse_unknown_client(self, dossier, client)
        return cleaned

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
        seen: set[str] = set()
        for form in self.forms:
            if form.errors or not form.cleaned_data or form.cleaned_data.get("DELETE"):
                continue
            key = form.key()
            if key in seen:
                form.add_error(None, _("This row stands here twice."))
            seen.add(key)
