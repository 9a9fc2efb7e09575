"""What tags lead to (design R2 and R4): a product, *do not bill*, or the reason why nothing is billed.

Pure, as ``mapping`` is: no clock, database or setting is read.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from invoicing.rules.judging.mapping import VAT_RATES, Choice, ChosenBy, Lead, Product, Reason, Rules, TagRule
from invoicing.rules.text import text_key


@dataclass(frozen=True, slots=True)
class Tagged:
    """R2 and R4 on one set of tags."""

    bill: bool = True
    product: Product | None = None
    reason: Reason | None = None
    ignored: tuple[str, ...] = ()
    choice: Choice | None = None


class Tags:
    """The tag mappings and products of one dossier. Each set of tags is looked into once, and once more for each person
    whom a mapping names (section 11)."""

    def __init__(self, rules: Rules) -> None:
        self._default, self._price_decimals = rules.default_product, rules.price_decimals
        self._tag_rules: defaultdict[tuple[str, int | None], list[TagRule]] = defaultdict(list)
        for tag_rule in rules.tags:
            self._tag_rules[tag_rule.key].append(tag_rule)
        self._people = {tag_rule.person for tag_rule in rules.tags if tag_rule.person is not None}
        self._exact: defaultdict[str, list[Product]] = defaultdict(list)
        self._folded: defaultdict[str, list[Product]] = defaultdict(list)
        # A product without a reference cannot be meant by a tag: a blank must not find it.
        for product in filter(lambda product: text_key(product.reference), rules.products):
            self._exact[product.reference.strip()].append(product)
            self._folded[text_key(product.reference)].append(product)
        self._tagged: dict[tuple[tuple[str, ...], int | None], Tagged] = {}

    def own(self, person: int | None) -> int | None:
        """The person, if a mapping names them: what all others share is None."""
        return person if person in self._people else None

    def read(self, tags: tuple[str, ...], person: int | None) -> Tagged:
        """What tags lead to at the entries of a person."""
        key = tags, self.own(person)
        tagged = self._tagged.get(key)
        if tagged is None:
            tagged = self._tagged[key] = self._read(*key)
        return tagged

    def _read(self, tags: Sequence[str], person: int | None) -> Tagged:
        spelled: dict[str, str] = {}
        for tag in tags:
            spelled.setdefault(text_key(tag), tag)
        # A tag of which nothing shows is none.
        spelled.pop("", None)
        leads: dict[Product, Lead] = {}
        nowhere: list[str] = []
        dangling = contradicted = False
        for key, tag in spelled.items():
            rules = self._tag_rules.get((key, person)) or self._tag_rules.get((key, None))
            if any(rule.is_contradicted for rule in rules or ()):
                contradicted = True
                continue
            if not all(rule.bill for rule in rules or ()):
                return Tagged(bill=False)
            found = self._leads(key, tag.strip(), rules)
            dangling = dangling or (rules is not None and not found)
            if not found:
                nowhere.append(tag.strip())
            for lead in found:
                if lead.product not in leads or lead.priority > leads[lead.product].priority:
                    leads[lead.product] = lead
        if contradicted:
            return Tagged(reason=Reason.contradicting_mappings)
        if leads:
            highest = max(lead.priority for lead in leads.values())
            followed = [lead for lead in leads.values() if lead.priority == highest]
            passed_over = tuple(lead for lead in leads.values() if lead.priority < highest)
            return self.only([lead.product for lead in followed], nowhere, choice=Choice(followed[0], passed_over))
        # The person who mapped this tag meant a certain price: the default product would bill another.
        if dangling:
            return Tagged(reason=Reason.unknown_product)
        return self._untagged(person) or Tagged(reason=Reason.unknown_tag if spelled else Reason.no_tag)

    def _untagged(self, person: int | None) -> Tagged | None:
        """Where no tag leads anywhere: the product of the person, else the dossier's; None when it has none."""
        own = self._tag_rules.get(("", person), []) if person is not None else []
        by, references = ChosenBy.person, [rule.product for rule in own]
        if not references and self._default.strip():
            by, references = ChosenBy.default, [self._default]
        if not references:
            return None
        named = [product for reference in references for product in self.named(reference)]
        return self.only(named, choice=Choice(Lead(named[0], by)) if named else None)

    def _leads(self, key: str, tag: str, rules: Sequence[TagRule] | None) -> list[Lead]:
        """The products that a tag leads to by its mappings, or, where it has none, by its own name."""
        if rules is None:
            return [Lead(product, ChosenBy.reference, tag) for product in self._folded.get(key, [])]
        named = [(rule.priority or 0, product) for rule in rules for product in self.named(rule.product)]
        by = ChosenBy.mapping if rules[0].person is None else ChosenBy.persons_mapping
        return [Lead(product, by, tag, priority) for priority, product in named]

    def named(self, reference: str) -> list[Product]:
        """The products of a reference that a person wrote: those spelt so, else those that are equal by text key."""
        return self._exact.get(reference.strip()) or self._folded.get(text_key(reference), [])

    def only(
        self,
        products: Sequence[Product],
        ignored: Sequence[str] = (),
        *,
        is_priced: bool = True,
        choice: Choice | None = None,
    ) -> Tagged:
        """The one product that is billed, or why none is; without `is_priced` its own price counts for nothing."""
        if len(products) != 1:
            return Tagged(reason=Reason.several_products if products else Reason.unknown_product)
        product = products[0]
        reason = self._unpriced(product) if is_priced else None
        if reason is None and product.vat_rate not in VAT_RATES:
            reason = Reason.vat_rate
        return Tagged(product=product, reason=reason, ignored=tuple(ignored), choice=choice)

    def _unpriced(self, product: Product) -> Reason | None:
        if product.price is None or product.price <= 0:
            return Reason.no_price
        is_whole = product.price == round(product.price, self._price_decimals)
        return None if is_whole else Reason.price_decimals
