"""Judging entries by the rules of one dossier (design R1 to R4 and the treatment of R6).

Pure, as ``mapping`` is: no clock, database or setting is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from invoicing.rules.agreement import Agreement, Kind
from invoicing.rules.judging.mapping import (
    Buyer,
    Choice,
    ClientRule,
    Customer,
    Entry,
    Product,
    Reason,
    Rules,
    State,
    TagRule,
    Treatment,
    Verdict,
    is_another,
    normalise_number,
    read_number,
)
from invoicing.rules.judging.tags import Tagged, Tags
from invoicing.rules.judging.vat_numbers import rest_of_name


@dataclass(frozen=True, slots=True)
class _Billed:
    """R3 on one client: a buyer, or the reason why there is none; `unfit` when the VAT treatment (R6) stands in the
    way, which is said last. `known`: who it is, whether or not that does."""

    buyer: Buyer | None = None
    reason: Reason | None = None
    unfit: Reason | None = None
    known: Buyer | None = None


def _unfit(treatment: Treatment | None, number: str, country: str) -> Reason | None:
    """Why a customer with this number and country cannot be billed by this treatment (R6)."""
    is_belgian = number.startswith("BE")
    if treatment is None:
        abroad = bool(number) or country.strip().upper() not in ("", "BE")
        return Reason.foreign_vat if abroad and not is_belgian else None
    if treatment is Treatment.reverse_charge:
        return None if is_belgian else Reason.treatment_number
    if treatment is Treatment.eu_services:
        return None if normalise_number(number) and not is_belgian else Reason.treatment_number
    return None


_OUTSIDE = Verdict(None)
_DELETED = Verdict(State.deleted)
_RUNNING = Verdict(State.running)
_NOT_BILLABLE = Verdict(State.not_billable)
_BILLED_ELSEWHERE = Verdict(State.attention, Reason.billed_elsewhere)
_NO_PROJECT = Verdict(State.attention, Reason.no_project)
_NO_CLIENT = Verdict(State.attention, Reason.no_client)
_UNASSIGNED_CLIENT = Verdict(State.attention, Reason.unassigned_client)


class Judge:
    """Judges entries by the rules of one dossier. Each client and each set of tags is looked into once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._longest = rules.longest_hours * 3600
        self._tags = Tags(rules)
        self._client_rules = {rule.client_id: rule for rule in rules.clients_map}
        self._parties = {customer.party_id: customer for customer in rules.customers}
        self._numbered: defaultdict[str, list[Customer]] = defaultdict(list)
        for customer in self._parties.values():
            if customer.number:
                self._numbered[customer.number].append(customer)
        self._billed: dict[tuple[int, str], _Billed] = {}
        self._verdicts: dict[tuple[tuple[str, ...], int | None, int, str, Decimal | None], Verdict] = {}
        self._by_day = rules.price_day == "work"
        self.agreements = rules.agreements
        self._scopes = self._read_agreements()
        self._settled: dict[tuple[int, int], Verdict] = {}
        self._in_scope: dict[tuple[str, int | None, int | None], list[Agreement]] = {}

    def _read_agreements(self) -> dict[str, list[tuple[Agreement, frozenset[int]]]]:
        """The agreements of each customer (key), with the products (ids) that each names."""
        found: defaultdict[str, list[tuple[Agreement, frozenset[int]]]] = defaultdict(list)
        for agreement in self.agreements:
            buyer = self._customer_of(agreement).known
            if buyer is not None:
                named = (product.id for reference in agreement.products for product in self._tags.named(reference))
                found[buyer.key].append((agreement, frozenset(named)))
        return dict(found)

    def under(self, **changes: Any) -> "Judge":
        """A judge by the same rules but for these (fields of ``Rules``)."""
        return Judge(replace(self._rules, **changes))

    def mapped(self, tags: Iterable[TagRule] = (), clients: Iterable[ClientRule] = ()) -> "Judge":
        """A judge by the same rules but for what these tags (of these persons, if they name one) lead to, and whom
        these clients are billed to: treatment and references of a client stay as they are."""
        leads = {rule.key: rule for rule in (*self._rules.tags, *tags)}
        billed = dict(self._client_rules)
        for rule in clients:
            old = billed.get(rule.client_id, rule)
            billed[rule.client_id] = replace(old, number=rule.number, party_id=rule.party_id, proposed=False)
        return self.under(tags=tuple(leads.values()), clients_map=tuple(billed.values()))

    @property
    def products(self) -> tuple[Product, ...]:
        """Those that tags may lead to."""
        return self._rules.products

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Those that the company has at Billit."""
        return self._rules.customers

    def verdict(self, entry: Entry) -> Verdict:
        """The state of an entry, and the first reason met in the order of design section 5.

        Whose books an entry is in comes first: a deleted or running entry, too, is in one dossier's books only."""
        if entry.day < self._rules.start or not self._in_these_books(entry.client_id):
            return _OUTSIDE
        if entry.deleted:
            return _DELETED
        if entry.running or entry.seconds < 0:
            return _RUNNING
        tagged = self._tags.read(entry.tags, entry.person_id)
        if entry.seconds == 0 or not tagged.bill or (self._rules.billable == "flagged" and not entry.billable):
            return _NOT_BILLABLE
        if entry.billed_elsewhere:
            return _BILLED_ELSEWHERE
        if entry.project_id is None:
            return _NO_PROJECT
        if entry.client_id is None:
            return _NO_CLIENT
        if self._rules.clients is not None and entry.client_id not in self._rules.clients:
            return _UNASSIGNED_CLIENT
        agreed = self._agreed(entry, tagged) if self._scopes or entry.covered_by else None
        return agreed or self._by_the_hour(entry, entry.client_id, tagged)

    def _by_the_hour(self, entry: Entry, client_id: int, tagged: Tagged) -> Verdict:
        price = tagged.product.price_on(entry.day) if self._by_day and tagged.product else None
        billed_as = (entry.tags, self._tags.own(entry.person_id), client_id, entry.client_name, price)
        verdict = self._verdicts.get(billed_as)
        if verdict is None:
            verdict = self._combine(self._priced(tagged, price), client_id, entry.client_name)
            self._verdicts[billed_as] = verdict
        if verdict.reason is None and not entry.is_confirmed and (doubt := self._doubt(entry)) is not None:
            return replace(verdict, state=State.attention, reason=doubt)
        return verdict

    def _combine(self, tagged: Tagged, client_id: int, client_name: str) -> Verdict:
        """What R3, R4 and R6 say of such tags with such a client."""
        billed = self._buyer_of(client_id, client_name)
        reason = billed.reason or tagged.reason or billed.unfit or self._no_vat(billed, tagged)
        state = State.attention if reason else State.open
        return Verdict(state, reason, tagged.product, billed.buyer, tagged.ignored)

    def _buyer_of(self, client_id: int, client_name: str) -> _Billed:
        client = (client_id, client_name)
        billed = self._billed.get(client)
        if billed is None:
            rule = self._client_rules.get(client_id, ClientRule(client_id))
            billed = self._billed[client] = self._find_buyer(rule, client_name)
        return billed

    def customer_of(self, entry: Entry) -> Buyer | None:
        """Whom the hours of an entry's client are billed to (R3), whatever its tags and its flag say; None: nobody."""
        is_named = self._rules.clients is None or entry.client_id in self._rules.clients
        if entry.project_id is None or entry.client_id is None or not is_named:
            return None
        return self._buyer_of(entry.client_id, entry.client_name).known

    def _agreed(self, entry: Entry, tagged: Tagged) -> Verdict | None:
        """What the agreements of its customer say of an entry (section 11); None: nothing, it is billed by the hour.

        Of covered hours R4 is asked only for the product, where a scope names products, and R6 for nothing; hours on
        account are judged as they will be billed."""
        buyer = self._buyer_of(entry.client_id or 0, entry.client_name).known
        if buyer is None:
            return None
        product = None if tagged.product is None else tagged.product.id
        scope = buyer.key, product, entry.project_id
        in_scope = self._in_scope.get(scope)
        if in_scope is None:
            in_scope = self._in_scope[scope] = [*self._of_scope(*scope)]
        covering = [agreement for agreement in in_scope if agreement.in_force(entry.day)]
        if len(covering) > 1:
            return Verdict(State.attention, Reason.several_agreements, tagged.product, buyer)
        if entry.covered_by is not None and [agreement.id for agreement in covering] != [entry.covered_by]:
            return Verdict(State.attention, Reason.left_agreement, tagged.product, buyer)
        if not covering:
            return None
        if covering[0].kind == Kind.advance:
            return self._on_account(self._by_the_hour(entry, entry.client_id or 0, tagged), covering[0])
        if covering[0].kind == Kind.prepaid:
            return self._prepaid(covering[0], entry, tagged.product, buyer)
        return Verdict(State.covered, None, tagged.product, buyer, agreement=covering[0].id)

    def _of_scope(self, buyer_key: str, product: int | None, project: int | None) -> Iterator[Agreement]:
        """The agreements of a customer in whose scope hours of such a product and project are, on whatever day."""
        for agreement, products in self._scopes.get(buyer_key, ()):
            is_whole = not (agreement.products or agreement.projects)
            if is_whole or product in products or project in agreement.projects:
                yield agreement

    def _on_account(self, verdict: Verdict, agreement: Agreement) -> Verdict:
        """What is said of an hour that an agreement settles, and that is judged so by the hour."""
        if verdict.state is not State.open:
            return verdict
        # One that is open is kept in ``_verdicts``: what it is stays what it is.
        key = id(verdict), agreement.id
        found = self._settled.get(key)
        if found is None:
            found = self._settled[key] = replace(verdict, state=State.on_account, agreement=agreement.id)
        return found

    def _prepaid(self, agreement: Agreement, entry: Entry, product: Product | None, buyer: Buyer) -> Verdict | None:
        """An hour that drew a block, or that waits to draw one; None: there is none to draw."""
        if entry.covered_by is not None:
            return Verdict(State.prepaid, None, product, buyer, agreement=agreement.id)
        if not agreement.draws:
            return None
        if entry.is_duplicate and not entry.is_confirmed:
            return Verdict(State.attention, Reason.duplicate_entry, product, buyer)
        return Verdict(State.open, None, product, buyer, agreement=agreement.id)

    def by_the_hour(self, entry: Entry) -> Verdict:
        """What is said of an hour that a prepaid agreement covers and that no block pays."""
        return self._by_the_hour(entry, entry.client_id or 0, self._tags.read(entry.tags, entry.person_id))

    def _customer_of(self, agreement: Agreement) -> _Billed:
        if agreement.client_id is not None:
            return self._buyer_of(agreement.client_id, agreement.client_name)
        return self._find_buyer(ClientRule(0, number=agreement.number), "")

    def billed_to(self, agreement: Agreement) -> tuple[Buyer | None, Reason | None]:
        """The customer of an agreement (R3, R6), or why its lines cannot be billed."""
        billed = self._customer_of(agreement)
        return billed.buyer, billed.reason or billed.unfit

    def customer_key(self, agreement: Agreement) -> str:
        """What tells the customer of an agreement from others, "" where there is none."""
        known = self._customer_of(agreement).known
        return "" if known is None else known.key

    def product_for(
        self, reference: str, buyer: Buyer | None, *, is_priced: bool
    ) -> tuple[Product | None, Reason | None]:
        """The product of this reference as the line of an agreement needs it, or why it cannot be billed. Without
        `is_priced` its own price counts for nothing."""
        tagged = self._tags.only(self._tags.named(reference), is_priced=is_priced)
        return tagged.product, tagged.reason or self._no_vat(_Billed(buyer), tagged)

    def _priced(self, tagged: Tagged, price: Decimal | None) -> Tagged:
        """The same at the price of the day of the work, where the dossier bills that (section 11)."""
        if not self._by_day or tagged.product is None:
            return tagged
        return self._tags.only([replace(tagged.product, price=price)], tagged.ignored)

    def _no_vat(self, billed: _Billed, tagged: Tagged) -> Reason | None:
        """A company under the scheme of small enterprises charges no VAT: its products have to say so (R6)."""
        if not self._rules.small_enterprise or billed.buyer is None or tagged.product is None:
            return None
        is_charged = billed.buyer.treatment is Treatment.domestic and bool(tagged.product.vat_rate)
        return Reason.small_enterprise if is_charged else None

    def product_of(self, tags: tuple[str, ...], person: int | None = None) -> Product | None:
        """The product that tags lead to (R4) at the entries of a person, whoever the customer is; None when they lead
        to none, or bill nothing."""
        tagged = self._tags.read(tags, person)
        return tagged.product if tagged.bill else None

    def choice_of(self, tags: tuple[str, ...], person: int | None = None) -> Choice | None:
        """The product that tags lead to (R4) at the entries of a person, and why; None when they lead to none, to
        several, or bill nothing."""
        return self._tags.read(tags, person).choice

    def lets_through(self, entry: Entry) -> bool:
        """Whether R1 and R2 leave it to be billed, whatever the later rules say of it."""
        return self.verdict(entry).state in (State.open, State.attention, State.on_account)

    def _doubt(self, entry: Entry) -> Reason | None:
        """R4, asked last: hours that nobody can have worked, or that stand there twice."""
        if self._longest and entry.seconds > self._longest:
            return Reason.implausible
        return Reason.duplicate_entry if entry.is_duplicate else None

    def _in_these_books(self, client_id: int | None) -> bool:
        if client_id is not None and client_id in self._rules.named_elsewhere:
            return False
        return self._rules.clients is None or client_id in self._rules.clients or self._rules.takes_unassigned

    def _find_buyer(self, rule: ClientRule, client_name: str) -> _Billed:
        reading = read_number(client_name)
        number = normalise_number(rule.number)
        if rule.number and not number:
            return _Billed(reason=Reason.invalid_vat)
        if number and rule.proposed and reading.numbers not in ((), (number,)):
            return _Billed(reason=Reason.client_vat_changed)
        if rule.party_id is not None:
            party = self._parties.get(rule.party_id)
            if party is None:
                return _Billed(reason=Reason.unknown_customer)
            return self._bill(rule, party.number or number, party)
        number = number or reading.number
        if not number:
            return _Billed(reason=reading.reason)
        own_name = rest_of_name(client_name) or number
        pinned = self._rules.pins.get(number)
        if pinned is not None:
            party = self._parties.get(pinned)
            if pinned in self._rules.gone or (party is not None and is_another(number, party.number)):
                return _Billed(reason=Reason.customer_changed)
            # A party that Billit has just made may be pinned before it is read among the customers.
            return self._bill(rule, number, party or Customer(pinned, own_name, number, ""))
        known = self._numbered.get(number, [])
        if len(known) > 1:
            return _Billed(reason=Reason.several_customers)
        return self._bill(rule, number, known[0] if known else None, own_name)

    @staticmethod
    def _bill(rule: ClientRule, number: str, customer: Customer | None, name: str = "") -> _Billed:
        """R6. A foreign buyer without a treatment is nobody to bill yet: it must not be mistaken for a domestic one."""
        unfit = _unfit(rule.treatment, number, "" if customer is None else customer.country)
        treatment = rule.treatment or Treatment.domestic
        references = rule.purchase_order.strip(), rule.buyer_reference.strip()
        if customer is None:
            known = Buyer(number, None, name, "", treatment, *references)
        else:
            known = Buyer(number, customer.party_id, customer.name, customer.language, treatment, *references)
        return _Billed(None if unfit else known, unfit=unfit, known=known)
