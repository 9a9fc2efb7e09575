"""The forms of rules and mappings on the pages: what a person typed as the verbs want it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.forms.models import modelform_factory
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from invoicing.admin.choices import CUSTOMERS, PEOPLE, NamedIdField
from invoicing.admin.forms import DossierForm, says
from invoicing.dossiers import mappings, rules
from invoicing.dossiers.faults import Fault
from invoicing.dossiers.firm import standing
from invoicing.dossiers.people import has_person
from invoicing.dossiers.rules import DossierRules, Wanted
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.judging.mapping import ClientRule, Product, TagRule, Treatment, normalise_number
from invoicing.rules.text import text_key
from invoicing.web.configuring.labels import product_label
from toggbill.firms.models import Firm

DO_NOT_BILL = "-"
"""The choice that is no product: the tag is not billed. (Those of products begin with a sign of their own.)"""
_ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
_CHOSEN_ONCE = ("key", "workspace", "company")


def choice_of(reference: str) -> str:
    """A product's reference as the value of a choice."""
    return f"={reference}"


def leads_to(choice: str) -> tuple[str, bool]:
    """A choice as reference and whether it is billed."""
    return ("", False) if choice == DO_NOT_BILL else (choice.removeprefix("="), True)


def product_choices(products: Iterable[Product], standing_reference: str = "") -> list[tuple[str, str]]:
    """The choices of products, with one that stands and that Billit does not have (any more)."""
    found = [(choice_of(product.reference), product_label(product)) for product in products]
    known = {value for value, _label in found}
    if standing_reference and choice_of(standing_reference) not in known:
        found.append((choice_of(standing_reference), standing_reference))
    return found


def note(form: forms.BaseForm, faults: Iterable[Fault], names: Mapping[str, str]) -> None:
    """Show faults at their fields; one that rests on a field that is at fault itself says nothing new."""
    for fault in faults:
        name, *beside = (names.get(each, each) for each in (fault.field, *fault.beside))
        if not any(form.has_error(each) for each in (name, *beside) if each in form.fields):
            form.add_error(name if name in form.fields else None, says(fault))


class TagForm(forms.Form):
    """A tag that leads to a product, or is not billed."""

    tag = forms.CharField(
        label=_("tag"), max_length=255, required=False, help_text=_("May be empty beside a person: their product.")
    )
    person = NamedIdField(
        offers=PEOPLE,
        label=_("person"),
        required=False,
        help_text=_("Of whose hours alone: it wins over the mapping of the tag for everybody. Empty: everybody."),
    )
    product = forms.ChoiceField(label=_("leads to"))
    priority = forms.IntegerField(
        label=_("priority"),
        required=False,
        help_text=_("Of several tags on one entry the one with the highest priority decides. Empty counts as 0."),
    )

    def __init__(
        self,
        *args: Any,
        dossier: Dossier,
        row: TagMapping | None,
        products: Sequence[Product],
        people: Mapping[int, str],
        **kwargs: Any,
    ) -> None:
        if row is not None:
            product = choice_of(row.product_reference) if row.bill else DO_NOT_BILL
            person = row.person_remote_id
            kwargs["initial"] = {"tag": row.tag, "person": person, "product": product, "priority": row.priority}
        super().__init__(*args, **kwargs)
        self.dossier, self.row = dossier, row
        cast(NamedIdField, self.fields["person"]).names = people
        stands = row.product_reference if row is not None else ""
        field = cast(forms.ChoiceField, self.fields["product"])
        field.choices = [
            ("", _("choose a product")),
            *product_choices(products, stands),
            (DO_NOT_BILL, capfirst(str(_("do not bill")))),
        ]

    def clean(self) -> dict[str, Any]:
        """What the checks of mappings say; and a dossier maps a tag once."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        rule = self.rule()
        if not rule.tag.strip() and rule.person is None:
            self.add_error("tag", self.fields["tag"].error_messages["required"])
            return cleaned
        note(self, mappings.check_tags([rule], written=self.dossier.workspace.own_tags)[0], {"bill": "product"})
        is_same = self.row is not None and self.row.person_remote_id == rule.person
        if rule.person is not None and not is_same and not has_person(self.dossier.workspace, rule.person):
            self.add_error("person", _("This workspace has no hours of such a person."))
        same = self.dossier.tag_mappings.filter(tag_key=text_key(rule.tag), person_remote_id=rule.person)
        if (same if self.row is None else same.exclude(pk=self.row.pk)).exists():
            self.add_error("tag", _("The dossier maps this tag already: change that mapping."))
        return cleaned

    def rule(self) -> TagRule:
        """The mapping that the form states."""
        given = self.cleaned_data
        reference, bill = leads_to(given["product"])
        return TagRule(
            tag=given["tag"],
            product=reference,
            bill=bill,
            priority=given.get("priority"),
            person=given.get("person"),
        )


class CustomerField(NamedIdField):
    """A customer as a person says it: a VAT or enterprise number, or a name or PartyID of Billit's list.

    The value is a number (text), a PartyID, or None when it is empty.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(offers=CUSTOMERS, **kwargs)

    def to_python(self, value: Any) -> Any:
        """The number before the PartyID: a bare one of ten digits with a sound check is an enterprise number."""
        number = normalise_number(str(value or ""))
        return number or super().to_python(value)


class ClientForm(forms.Form):
    """The customer of a Toggl client, with its VAT treatment and references."""

    customer = CustomerField(
        label=_("customer"),
        required=False,
        help_text=_("A VAT or enterprise number, or a customer of Billit. Empty: the number in the client's name."),
    )
    treatment = forms.ChoiceField(
        label=_("VAT treatment"),
        required=False,
        choices=[("", _("as usual for its number")), *ClientMapping.Treatment.choices],
    )
    purchase_order = forms.CharField(label=_("purchase order"), max_length=200, required=False)
    buyer_reference = forms.CharField(label=_("buyer reference"), max_length=200, required=False)

    def __init__(
        self,
        *args: Any,
        client: int,
        row: ClientMapping | None,
        customers: Mapping[int, str],
        **kwargs: Any,
    ) -> None:
        if row is not None:
            kwargs["initial"] = {
                "customer": row.number or row.customer_party_id,
                "treatment": row.treatment,
                "purchase_order": row.purchase_order,
                "buyer_reference": row.buyer_reference,
            }
        super().__init__(*args, **kwargs)
        self.client, self.row = client, row
        cast(CustomerField, self.fields["customer"]).names = customers

    def clean(self) -> dict[str, Any]:
        """What the checks of mappings say."""
        cleaned = super().clean() or {}
        if not self.errors:
            names = {"vat": "customer", "po": "purchase_order"}
            note(self, mappings.check_clients([self.rule()])[0], names)
        return cleaned

    def rule(self) -> ClientRule:
        """The mapping that the form states; a number that was read in the name, and left, stays a proposal."""
        given, row = self.cleaned_data, self.row
        number, party = customer_of(given.get("customer"))
        return ClientRule(
            client_id=self.client,
            number=number,
            party_id=party,
            proposed=row is not None and row.is_proposed and number == row.number,
            treatment=Treatment(given["treatment"]) if given.get("treatment") else None,
            purchase_order=given.get("purchase_order") or "",
            buyer_reference=given.get("buyer_reference") or "",
        )


def customer_of(value: str | int | None) -> tuple[str, int | None]:
    """Number and PartyID of what a ``CustomerField`` gives; one of them at most."""
    return ("", value) if isinstance(value, int) else (value or "", None)


class RulesForm(DossierForm):
    """The rules of a dossier that stands; made by ``rules_form``, which leaves out what is chosen once."""

    clients = forms.TypedMultipleChoiceField(
        label=_("only these Toggl clients"),
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Where one workspace feeds several companies. None chosen: all of the workspace."),
    )

    def clean(self) -> dict[str, Any]:
        """As in the admin; and the clients are disjoint from those of the workspace's other dossiers (R1)."""
        cleaned = super().clean()
        dossier = self.instance
        stated = DossierRules.of({"key": dossier.key, "clients": self.chosen()})
        wanted = [Wanted(dossier.workspace.remote_id, dossier.company.party_id, stated)]
        note(self, next(rules.overlaps(wanted, standing(dossier.firm.slug))), {})
        return cleaned

    unseen: frozenset[int] = frozenset()
    """Clients that the dossier bills, and that are not offered: gone from Toggl, or not this member's to see."""

    def chosen(self) -> frozenset[int]:
        """The ids of the Toggl clients that the dossier bills; none: all of its workspace."""
        return frozenset(self.cleaned_data.get("clients") or ()) | self.unseen


def rules_form(
    dossier: Dossier, *, products: Sequence[Product], clients: Sequence[tuple[int, str]], data: Any = None
) -> RulesForm:
    """The form of a dossier's rules. Its start stays once something is invoiced (design section 10)."""
    start = ("start_date",) if dossier.invoices.standing().exists() else ()
    kind = modelform_factory(Dossier, form=RulesForm, fields=DossierForm.Meta.fields, exclude=(*_CHOSEN_ONCE, *start))
    initial = {"clients": list(dossier.named_clients.values_list("client_remote_id", flat=True))}
    # A row of its own: what is typed is put on it, sound or not.
    row = Dossier.objects.select_related("firm", "workspace", "company").get(pk=dossier.pk)
    form = cast(RulesForm, kind(data, instance=row, initial=initial))
    offered = [(product.reference, product_label(product)) for product in products]
    if dossier.default_product not in {reference for reference, _label in offered} | {""}:
        offered.append((dossier.default_product, dossier.default_product))
    form.fields["default_product"].widget = forms.Select(choices=[("", _("none: they wait for a person")), *offered])
    if "start_date" in form.fields:
        form.fields["start_date"].widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    form.unseen = frozenset(initial["clients"]) - {number for number, _name in clients}
    form.fields["clients"].choices = clients  # type: ignore[attr-defined]  # a choice field
    return form


class FirmForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Name, time zone and language of a firm."""

    class Meta:
        model = Firm
        fields = ("name", "timezone", "language")
        widgets = {"timezone": forms.Select(choices=[(zone, zone) for zone in _ZONES])}
