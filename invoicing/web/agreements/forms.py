"""The forms of fee agreements, one for each kind: what a person typed as the verbs want it.

A kind is a form of its own, found in ``FORMS``: the fields that all kinds have, then its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, cast

from django import forms
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from invoicing.admin.choices import CLIENTS, NamedIdField
from invoicing.dossiers.agreements.agreements import check_agreements
from invoicing.dossiers.faults import Fault
from invoicing.models import Agreement
from invoicing.rules import agreement as rules
from invoicing.rules.judging.mapping import Product, normalise_number
from invoicing.web.agreements.plan import PlanField
from invoicing.web.amounts import AmountField
from invoicing.web.configuring.forms import note
from invoicing.web.configuring.labels import product_label

_LONGEST_KEY = 50
_BUDGET = ("budget_hours", "budget_amount")
_FIELDS: Mapping[str, str] = {"from": "start", "until": "end"}
"""Where a fault of the onboarding file's key is shown."""


class PayerField(NamedIdField):
    """Whom an agreement is made with: a Toggl client by its name or id, or a VAT or enterprise number.

    The value is the id, or the number as a text; None when it is empty.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(offers=CLIENTS, **kwargs)

    def to_python(self, value: Any) -> Any:
        """A bare number of ten digits with a sound check is an enterprise number."""
        return normalise_number(str(value or "")) or super().to_python(value)

    def validate(self, value: Any) -> None:
        """One of the two has to be known; a client is one that the dossier bills."""
        super().validate(value)
        if isinstance(value, int) and value not in self.names:
            raise forms.ValidationError(
                _("This dossier bills no Toggl client of this number: choose one of the list, or give a VAT number.")
            )


class PayerForm(forms.Form):
    """With whom, and how it bills."""

    customer = PayerField(
        label=_("customer"),
        help_text=_(
            "A client of Toggl, whose references and VAT treatment are then on the invoice, or a VAT or enterprise "
            "number."
        ),
    )
    kind = forms.ChoiceField(label=_("kind"), widget=forms.RadioSelect, initial=Agreement.Kind.FIXED)

    def __init__(self, *args: Any, clients: Mapping[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(PayerField, self.fields["customer"]).names = clients
        cast(forms.ChoiceField, self.fields["kind"]).choices = [(kind, form.says) for kind, form in FORMS.items()]


class AgreementForm(forms.Form):
    """What every agreement has: a title, days, and the hours that it is about."""

    says: ClassVar[str | Promise]
    """The kind in a sentence, where one is chosen."""
    kind: ClassVar[str]
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        "agreement": ("title", "start", "end"),
        "scope": ("products", "projects"),
    }
    """The fields by the heading under which they stand."""

    title = forms.CharField(
        label=_("title"),
        max_length=200,
        help_text=_("In the customer’s language: it is on each invoice."),
    )
    start = forms.DateField(label=_("from"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    end = forms.DateField(
        label=_("until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("The last day. Empty: it goes on until somebody ends it."),
    )
    products = forms.MultipleChoiceField(
        label=_("only hours of these products"), required=False, widget=forms.CheckboxSelectMultiple
    )
    projects = forms.TypedMultipleChoiceField(
        label=_("only hours of these projects"),
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Nothing chosen in either: all hours of the customer."),
    )

    budget_hours = AmountField(label=_("budget in hours"), required=False)
    budget_amount = AmountField(
        label=_("budget excl. VAT"),
        required=False,
        help_text=_("Of each period, or until the next settlement. You are told by mail when 80 and 100 % are used."),
    )

    def __init__(
        self,
        *args: Any,
        row: Agreement | None,
        payer: int | str,
        products: Sequence[Product],
        projects: Sequence[tuple[int, str]],
        taken: Collection[str] = (),
        start: date | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = {"start": start} if row is None else self.shown(row)
        super().__init__(*args, **kwargs)
        self.row, self.payer, self.taken = row, payer, taken
        stands = () if row is None else row.products
        self._offer("products", [*_products(products, stands)])
        known = {number for number, _name in projects}
        gone = [number for number in (() if row is None else row.projects) if number not in known]
        self._offer("projects", [*((str(number), name) for number, name in projects), *_named(gone)])
        self.offer(products)

    def _offer(self, name: str, choices: Iterable[tuple[str, str | Promise]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = list(choices)

    def offer(self, products: Sequence[Product]) -> None:
        """What the fields of the kind offer."""

    def shown(self, row: Agreement) -> dict[str, Any]:
        """What stands, by field."""
        return {
            "title": row.title,
            "start": row.start_date,
            "end": row.end_date,
            "products": list(row.products),
            "projects": [str(number) for number in row.projects],
            "budget_hours": row.budget_hours,
            "budget_amount": row.budget_amount,
        }

    def of_kind(self) -> dict[str, Any]:
        """What the fields of the kind say, by field of ``rules.Agreement``; every kind bills by a product."""
        return {"product": self.cleaned_data["product"]}

    def grouped(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields by heading, in their order."""
        return [(name, [self[field] for field in fields]) for name, fields in self.groups.items()]

    def clean(self) -> dict[str, Any]:
        """What the checks of agreements say, at the fields."""
        cleaned = super().clean() or {}
        if not self.errors:
            self.note(check_agreements([self.terms()], {} if self.row is None else {self.row.key: self.row})[0])
        return cleaned

    def note(self, faults: Iterable[Fault]) -> None:
        """Show faults at their fields; one of a field that is not here stands above the form."""
        note(self, faults, _FIELDS)

    def terms(self) -> rules.Agreement:
        """The agreement that the form states, and that has no fault in its fields."""
        given = self.cleaned_data
        return rules.Agreement(
            key=self._key(given["title"]) if self.row is None else self.row.key,
            id=0 if self.row is None else self.row.pk,
            kind=self.kind,
            client_id=self.payer if isinstance(self.payer, int) else None,
            number=self.payer if isinstance(self.payer, str) else "",
            title=given["title"],
            start=given["start"],
            end=given.get("end"),
            products=tuple(given.get("products") or ()),
            projects=tuple(given.get("projects") or ()),
            budget_hours=given.get("budget_hours"),
            budget_amount=given.get("budget_amount"),
            **self.of_kind(),
        )

    def _key(self, title: str) -> str:
        """A short name that no agreement of the firm has."""
        first = slugify(title)[: _LONGEST_KEY - 4] or "agreement"
        number, key = 1, first
        while key in self.taken:
            number += 1
            key = f"{first}-{number}"
        return key


class FixedForm(AgreementForm):
    """A fixed fee for each period."""

    says = _("A fixed fee (forfait): an amount for each period, which covers the hours, or some of them")
    kind = rules.Kind.fixed.value
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        **AgreementForm.groups,
        "fee": ("product", "amount", "every", "in_advance", "part_periods"),
        "included": ("included_hours", "extra_product"),
        "budget": _BUDGET,
    }

    product = forms.ChoiceField(
        label=_("billed as product"), help_text=_("Its text and VAT rate; the amount is yours.")
    )
    amount = AmountField(label=_("amount excl. VAT"))
    every = forms.ChoiceField(label=_("period"), choices=Agreement.Every.choices)
    in_advance = forms.ChoiceField(
        label=_("when it is due"),
        choices=[
            ("arrears", _("in arrears: on the last day of the period")),
            ("advance", _("in advance: on its first day")),
        ],
    )
    part_periods = forms.ChoiceField(
        label=_("a first or last period that is cut"), choices=Agreement.PartPeriods.choices
    )
    included_hours = AmountField(
        label=_("hours included in each period"),
        required=False,
        help_text=_("Empty: all hours are covered. What is beyond these hours is billed at the price of a product."),
    )
    extra_product = forms.ChoiceField(label=_("hours beyond are billed as"), required=False)

    def offer(self, products: Sequence[Product]) -> None:
        """The products of the company."""
        stands = self.row
        fee, extra = (None, None) if stands is None else (stands.product_reference, stands.extra_product)
        self._offer("product", [("", _("choose a product")), *_products(products, [fee or ""])])
        self._offer("extra_product", [("", _("none: all hours are covered")), *_products(products, [extra or ""])])

    def shown(self, row: Agreement) -> dict[str, Any]:
        """What stands, by field."""
        return super().shown(row) | {
            "product": row.product_reference,
            "amount": row.amount,
            "every": row.every,
            "in_advance": "advance" if row.in_advance else "arrears",
            "part_periods": row.part_periods,
            "included_hours": row.included_hours,
            "extra_product": row.extra_product,
        }

    def of_kind(self) -> dict[str, Any]:
        """What the fields of the kind say, by field of ``rules.Agreement``."""
        given = self.cleaned_data
        return super().of_kind() | {
            "amount": given["amount"],
            "every": given["every"],
            "in_advance": given["in_advance"] == "advance",
            "part_periods": given["part_periods"],
            "included_hours": given.get("included_hours"),
            "extra_product": given.get("extra_product") or "",
        }


class AdvanceForm(AgreementForm):
    """Advances, which a settlement of the hours takes off."""

    says = _("Advances (provisions): amounts on their days; the hours wait on account and are settled with them")
    kind = rules.Kind.advance.value
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        **AgreementForm.groups,
        "advances": ("product", "amount", "every", "plan"),
        "settlement": ("settle_on",),
        "budget": _BUDGET,
    }

    product = forms.ChoiceField(
        label=_("billed as product"), help_text=_("Its text and VAT rate; the amount is yours.")
    )
    amount = AmountField(label=_("amount of each advance excl. VAT"), required=False)
    every = forms.ChoiceField(label=_("period"), choices=Agreement.Every.choices)
    plan = PlanField(
        label=_("or days with amounts of their own"),
        required=False,
        help_text=_("One on each line, such as 2026-01-01 250.00. Leave the amount above empty then."),
    )
    settle_on = forms.CharField(
        label=_("settled each year on"),
        required=False,
        max_length=5,
        help_text=_("Month and day, such as 12-31. The end of the agreement settles as well."),
    )

    def offer(self, products: Sequence[Product]) -> None:
        """The products of the company."""
        stands = "" if self.row is None else self.row.product_reference
        self._offer("product", [("", _("choose a product")), *_products(products, [stands])])

    def shown(self, row: Agreement) -> dict[str, Any]:
        """What stands, by field."""
        return super().shown(row) | {
            "product": row.product_reference,
            "amount": row.amount or None,
            "every": row.every,
            "plan": [(each["day"], each["amount"]) for each in row.plan],
            "settle_on": row.settle_on,
        }

    def of_kind(self) -> dict[str, Any]:
        """What the fields of the kind say, by field of ``rules.Agreement``."""
        given = self.cleaned_data
        return super().of_kind() | {
            "amount": given.get("amount") or Decimal(0),
            "every": given["every"],
            "plan": given.get("plan") or (),
            "settle_on": given.get("settle_on") or "",
        }


class PrepaidForm(AgreementForm):
    """Blocks of hours, which are drawn down."""

    says = _("Prepaid hours: blocks of hours at a price, each ordered and paid before they are worked")
    kind = rules.Kind.prepaid.value
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        **AgreementForm.groups,
        "blocks": ("product", "hours", "price", "refill_at"),
    }

    # What is left of the block is its budget.
    budget_hours = None  # type: ignore[assignment]  # so Django has a form leave a field out
    budget_amount = None  # type: ignore[assignment]  # as above

    product = forms.ChoiceField(
        label=_("billed as product"), help_text=_("Its text and VAT rate; the price of an hour is yours.")
    )
    hours = AmountField(label=_("hours of a block"))
    price = AmountField(label=_("price of an hour excl. VAT"))
    refill_at = AmountField(
        label=_("a new block when fewer hours are left than"),
        required=False,
        help_text=_("Empty: a person orders each block."),
    )

    def offer(self, products: Sequence[Product]) -> None:
        """The products of the company."""
        stands = "" if self.row is None else self.row.product_reference
        self._offer("product", [("", _("choose a product")), *_products(products, [stands])])

    def shown(self, row: Agreement) -> dict[str, Any]:
        """What stands, by field."""
        own = {"product": row.product_reference, "hours": row.hours, "price": row.price, "refill_at": row.refill_at}
        return super().shown(row) | own

    def of_kind(self) -> dict[str, Any]:
        """What the fields of the kind say, by field of ``rules.Agreement``."""
        return super().of_kind() | {name: self.cleaned_data.get(name) for name in self.groups["blocks"]}


FORMS: Mapping[str, type[AgreementForm]] = {form.kind: form for form in (FixedForm, AdvanceForm, PrepaidForm)}
"""The form of each kind, in the order in which they are offered."""


class EndForm(forms.Form):
    """The last day of an agreement."""

    last_day = forms.DateField(
        label=_("last day"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Hours through this day fall under the agreement."),
    )


def _products(products: Iterable[Product], standing: Iterable[str]) -> list[tuple[str, str]]:
    """The products, with references that stand and that Billit does not have (any more)."""
    found = {product.reference: product_label(product) for product in products}
    return [*found.items(), *((reference, reference) for reference in standing if reference and reference not in found)]


def _named(numbers: Iterable[int]) -> list[tuple[str, str]]:
    return [(str(number), str(number)) for number in numbers]
