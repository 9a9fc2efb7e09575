"""What a preview may try without saving it: rules of the dossier, its start and named clients, mappings, agreements.

All of it comes with the address: a trial is kept as a bookmark, sent to a colleague, and read without a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from invoicing.admin.choices import CLIENTS, CUSTOMERS, PRODUCTS, Offer, line
from invoicing.dossiers.agreements.agreements import check_agreements
from invoicing.dossiers.trial import TRIED, Tried
from invoicing.ledger.facts.books import Facts, in_scope
from invoicing.models import Agreement, Dossier
from invoicing.rules import agreement as agreed
from invoicing.rules import days
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import ClientRule, Product, TagRule
from invoicing.rules.text import text_key
from invoicing.web.agreements.forms import PayerField
from invoicing.web.amounts import AmountField
from invoicing.web.configuring.forms import CustomerField, customer_of, note
from invoicing.web.dossiers.tried_books import BooksForm, ClientsField, TriedForm, column, named_by

MOST_MAPPINGS = 10
"""Of tags, and of clients, that are tried at once."""
_OFFERED = 200
"""Lines of a list: who has more types a name or a number."""
_AGREED = "agreed"
"""Before the names of the fields of an agreement that is tried."""


class ProductField(forms.CharField):
    """The reference of a product that the company has, however spelled, or the one that ``stands``; "" for none."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"list": PRODUCTS, "autocomplete": "off"})
        super().__init__(max_length=200, widget=widget, **kwargs)
        self.products: Sequence[Product] = ()
        self.stands = ""

    def clean(self, value: Any) -> str:
        """Raises ValidationError for one that Billit does not have."""
        reference: str = super().clean(value)
        known = [self.stands, *(product.reference for product in self.products)]
        if reference and reference not in known and text_key(reference) not in map(text_key, known):
            raise forms.ValidationError(
                gettext_lazy("Billit has no product “%(product)s”: choose one of the list."),
                params={"product": reference},
            )
        return reference


class RulesForm(TriedForm):
    """The rules of a dossier that change what is drafted, or how."""

    billable = forms.ChoiceField(label=gettext_lazy("Bill"), choices=Dossier.Billable.choices)
    group_by = forms.ChoiceField(label=gettext_lazy("One line per"), choices=Dossier.GroupBy.choices)
    rounding_minutes = forms.IntegerField(label=gettext_lazy("Round to minutes"), min_value=0, max_value=480)
    rounding_direction = forms.ChoiceField(label=gettext_lazy("Direction"), choices=Dossier.Direction.choices)
    rounding_level = forms.ChoiceField(label=gettext_lazy("Level"), choices=Dossier.Level.choices)
    rounding_minimum = forms.IntegerField(label=gettext_lazy("Minimum minutes per entry"), min_value=0, max_value=480)
    price_day = forms.ChoiceField(label=column("price_day"), choices=Dossier.PriceDay.choices)
    price_decimals = forms.IntegerField(label=column("price_decimals"), min_value=2, max_value=5)
    default_product = ProductField(label=column("default_product"), required=False)
    longest_hours = forms.IntegerField(label=column("longest_hours"), min_value=0, max_value=1000)

    def changes(self, dossier: Dossier) -> dict[str, Any]:
        """Those that are another than the dossier's."""
        return {name: value for name, value in self.cleaned_data.items() if value != getattr(dossier, name)}


class TagRow(TriedForm):
    """A tag that leads to a product, or is not billed."""

    tag = forms.CharField(label=gettext_lazy("Tag"), max_length=255, required=False)
    product = ProductField(label=gettext_lazy("leads to product (empty: not billed)"), required=False)

    def clean(self) -> dict[str, Any]:
        """A product without a tag says nothing."""
        cleaned = super().clean() or {}
        if not self.errors and cleaned["product"] and not text_key(cleaned["tag"]):
            self.add_error("tag", gettext("Give the tag that leads to it."))
        return cleaned


class ClientRow(TriedForm):
    """A Toggl client that is billed to a customer."""

    client = PayerField(label=gettext_lazy("Client of Toggl"), required=False)
    customer = CustomerField(label=gettext_lazy("is billed to (number or customer)"), required=False)

    def clean(self) -> dict[str, Any]:
        """Both or neither; a client by its name or id."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        client, customer = cleaned["client"], cleaned["customer"]
        if isinstance(client, str):
            self.add_error("client", gettext("This is a number of a customer: give the client by its name in Toggl."))
        elif client is None and customer is not None:
            self.add_error("client", gettext("Give the client that is billed to it."))
        elif client is not None and customer is None:
            self.add_error("customer", gettext("Give the customer: a number, or one of Billit's list."))
        return cleaned


class AgreementForm(TriedForm):
    """A fee, advances or a block of hours of a customer, in simple terms; agreements that stand are left out beside it
    (``without``)."""

    title = gettext_lazy("Agreement that is tried")

    customer = PayerField(label=gettext_lazy("Agreement with (client, or number)"), required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("kind"),
        choices=Agreement.Kind.choices,
        required=False,
    )
    product = ProductField(label=gettext_lazy("billed as product"), required=False)
    amount = AmountField(label=gettext_lazy("amount excl. VAT"), required=False)
    every = forms.ChoiceField(label=gettext_lazy("period"), choices=Agreement.Every.choices, required=False)
    due = forms.ChoiceField(
        label=gettext_lazy("when it is due"),
        choices=[
            ("arrears", gettext_lazy("in arrears: on the last day of the period")),
            ("advance", gettext_lazy("in advance: on its first day")),
        ],
        required=False,
    )
    start = forms.DateField(
        label=gettext_lazy("from"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        required=False,
    )
    hours = AmountField(label=gettext_lazy("hours of a block"), required=False)
    price = AmountField(label=gettext_lazy("price of an hour excl. VAT"), required=False)
    refill_at = AmountField(label=gettext_lazy("a new block when fewer hours are left than"), required=False)

    def __init__(self, *args: Any, dossier: Dossier, **kwargs: Any) -> None:
        super().__init__(*args, prefix=_AGREED, **kwargs)
        self.dossier = dossier

    def clean(self) -> dict[str, Any]:
        """What the checks of agreements say; without a customer nothing is tried."""
        cleaned = super().clean() or {}
        if self.errors or cleaned["customer"] is None:
            return cleaned
        # What is at fault is no longer among what was cleaned.
        start = cleaned["start"]
        is_prepaid = cleaned["kind"] == agreed.Kind.prepaid
        needed = ("product", "start", *(("hours", "price") if is_prepaid else ("amount",)))
        for name in [name for name in needed if not cleaned[name]]:
            self.add_error(name, self.fields[name].error_messages["required"])
        if start and not self.dossier.start_date <= start <= days.LAST:
            self.add_error("start", gettext("Give a day from the start of the dossier on."))
        if not self.errors:
            note(self, check_agreements([cast(agreed.Agreement, self.terms())])[0], {"from": "start"})
        return cleaned

    def terms(self) -> agreed.Agreement | None:
        """The agreement that the form states, None for none."""
        given = self.cleaned_data
        payer = given["customer"]
        if payer is None:
            return None
        kind = agreed.Kind(given["kind"] or agreed.Kind.fixed)
        client = payer if isinstance(payer, int) else None
        stated = agreed.Agreement(
            key="tried",
            title=str(self.title),
            id=TRIED,
            kind=kind.value,
            client_id=client,
            client_name=cast(PayerField, self.fields["customer"]).names.get(client or 0, ""),
            number=payer if isinstance(payer, str) else "",
            start=given["start"],
            product=given["product"],
            books_from=self.dossier.start_date,
        )
        if kind is agreed.Kind.prepaid:
            return replace(stated, hours=given["hours"], price=given["price"], refill_at=given["refill_at"])
        return replace(
            stated,
            amount=given["amount"],
            every=given["every"] or agreed.Every.month.value,
            in_advance=kind is agreed.Kind.fixed and given["due"] == "advance",
        )


class WithoutForm(TriedForm):
    """Agreements that stand and are left out."""

    without = forms.MultipleChoiceField(
        label=gettext_lazy("Leave out these agreements"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class Asked:
    """Everything that an address asks to be tried on a dossier, in forms that say what is wrong with it.

    ``dossier``: a row that says whether it ``has_invoiced``; ``books``: as they were read for the preview;
    ``sees_all``: whether who asks sees all customers of the firm, so that they are offered by name.
    """

    def __init__(self, given: QueryDict, dossier: Any, books: Facts, *, sees_all: bool) -> None:
        judge = books.judges[dossier.pk]
        clients = dict(in_scope(dossier, books))
        customers = {each.party_id: each.name for each in judge.customers} if sees_all else {}
        self._dossier = dossier
        standing = {name: getattr(dossier, name) for name in RulesForm.base_fields}
        self.rules = RulesForm(standing | {name: given[name] for name in standing if name in given})
        named = named_by(dossier, books)
        # Who does not see all customers tries those that the dossier bills.
        offered = books.clients if sees_all else clients
        shown = "\n".join(line(client, offered[client]) for client in sorted(named & offered.keys()))
        standing = {"start_date": dossier.start_date, "named": shown}
        stated = standing | {name: given[name] for name in standing if name in given}
        self.books = BooksForm(stated, dossier=dossier, books=books, unseen=named - offered.keys())
        cast(ClientsField, self.books.fields["named"]).names = offered
        self.tags = _rows(TagRow, given)
        self.clients = _rows(ClientRow, given)
        # Nothing of it is wrong before something is said of it.
        is_agreed = bool(given.get(f"{_AGREED}-customer", "").strip())
        self.agreement = AgreementForm(given if is_agreed else None, dossier=dossier)
        self.without = WithoutForm(given if "without" in given else {})
        cast(forms.ChoiceField, self.without.fields["without"]).choices = [
            (each.key, each.title) for each in judge.agreements
        ]
        self._agreements = {each.key: each.id for each in judge.agreements}
        for form in self.forms:
            _know(form, judge, clients, customers)
        cast(ProductField, self.rules.fields["default_product"]).stands = dossier.default_product
        self.too_many = max(len(given.getlist(name)) for name in ("tag", "client")) > MOST_MAPPINGS
        self.offers = _offers(judge, clients, customers)

    most_mappings = MOST_MAPPINGS

    @property
    def forms(self) -> list[forms.Form]:
        """All of them."""
        return [self.rules, self.books, *self.tags, *self.clients, self.agreement, self.without]

    @property
    def is_faulty(self) -> bool:
        """Whether something that is asked cannot be tried."""
        return self.too_many or any(form.is_bound and form.errors for form in self.forms)

    def tried(self) -> Tried:
        """What is another than it stands; nothing where something is faulty."""
        if self.is_faulty:
            return Tried()
        tags = [form.cleaned_data for form in self.tags if text_key(form.cleaned_data["tag"])]
        clients = [form.cleaned_data for form in self.clients if form.cleaned_data["client"] is not None]
        return Tried(
            rules=self.rules.changes(self._dossier),
            tags=tuple(TagRule(each["tag"], each["product"], bill=bool(each["product"])) for each in tags),
            clients=tuple(ClientRule(each["client"], *customer_of(each["customer"])) for each in clients),
            without=frozenset(self._agreements[key] for key in self.without.cleaned_data["without"]),
            agreement=self.agreement.terms() if self.agreement.is_bound else None,
            **self.books.changes(),
        )


def _rows(form: type[TriedForm], given: QueryDict) -> list[TriedForm]:
    """A form for each mapping that an address states, and an empty one while another may be added."""
    names = list(form.base_fields)
    stated = list(zip_longest(*(given.getlist(name)[:MOST_MAPPINGS] for name in names), fillvalue=""))
    filled = [row for row in stated if any(map(str.strip, row))]
    rows = [*filled, *([("",) * len(names)] if len(filled) < MOST_MAPPINGS else [])]
    return [
        form(dict(zip(names, row, strict=True)), auto_id=f"{names[0]}-{place}-%s") for place, row in enumerate(rows)
    ]


def _know(form: forms.Form, judge: Judge, clients: Mapping[int, str], customers: Mapping[int, str]) -> None:
    """Give the fields the names that they are asked for."""
    for field in form.fields.values():
        if isinstance(field, ProductField):
            field.products = judge.products
        elif isinstance(field, PayerField):
            field.names = clients
        elif isinstance(field, CustomerField):
            field.names = customers


def _offers(judge: Judge, clients: Mapping[int, str], customers: Mapping[int, str]) -> dict[str, list[Offer]]:
    """The lists of the page."""
    described = [Offer(each.reference, each.description[:60]) for each in judge.products if each.reference]
    return {
        PRODUCTS: sorted(described, key=lambda each: each.value)[:_OFFERED],
        CLIENTS: _by_name(clients),
        CUSTOMERS: _by_name(customers),
    }


def _by_name(names: Mapping[int, str]) -> list[Offer]:
    ordered: Iterable[tuple[int, str]] = sorted(names.items(), key=lambda each: (each[1].casefold(), each[0]))
    return [Offer(line(number, name)) for number, name in ordered][:_OFFERED]
