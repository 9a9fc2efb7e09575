"""The people whose hours a decision is about, where mappings of a tag name people (design section 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from integrations.models import Product
from invoicing.attention.causes import Decision
from invoicing.ledger import attention
from invoicing.models import LedgerRow
from invoicing.rules.text import text_key


def worked(found: Decision) -> list[int]:
    """Whose hours they are (Toggl ids)."""
    rows = found.rows.order_by().values_list("entry__person_remote_id", flat=True)
    return sorted(set(rows.distinct()))


def worked_by(found: Sequence[Decision]) -> Mapping[str, list[int]]:
    """The same of several decisions of one reason, by their names; one query."""
    if not found:
        return {}
    rows = attention.keyed(
        LedgerRow.objects.filter(dossier__in={each.dossier.pk for each in found}, reason=found[0].reason)
    )
    by_cause = defaultdict[tuple[int, str], set[int]](set)
    wanted = rows.order_by().values_list("dossier_id", "cause_key", "entry__person_remote_id")
    for dossier, key, person in wanted.distinct():
        by_cause[dossier, key].add(person)
    return {each.name: sorted(set().union(*(by_cause[each.dossier.pk, key] for key in each.keys))) for each in found}


def counting(found: Decision, tag: str) -> list[int | None]:
    """For whom the mappings of a tag are that count at these hours: those who have an own one, None for the others."""
    rows = found.dossier.tag_mappings.filter(tag_key=text_key(tag), person_remote_id__isnull=False)
    own = set(rows.values_list("person_remote_id", flat=True))
    if not own:
        return [None]
    who = worked(found)
    everybody: list[int | None] = [None] if set(who) - own else []
    return [*everybody, *(person for person in who if person in own)]


def without_product(found: Decision) -> list[int]:
    """Those who have an own product that the company does not have (any more)."""
    rows = found.dossier.tag_mappings.filter(tag_key="", person_remote_id__isnull=False)
    own = dict(rows.values_list("person_remote_id", "product_reference"))
    if not own:
        return []
    products = Product.objects.present().filter(company=found.dossier.company_id)
    known = {text_key(reference) for reference in products.values_list("reference", flat=True)}
    return [person for person in worked(found) if person in own and text_key(own[person]) not in known]
