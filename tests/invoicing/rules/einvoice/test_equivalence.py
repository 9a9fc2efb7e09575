"""The checks of e-invoices and the official rules say the same of drawn invoices and credit notes (design R11)."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from integrations.sandbox.billit.rules.ubl import endpoint
from invoicing.rules.einvoice import XML, Document, Writing, failures
from tests.invoicing.rules.einvoice import billits
from tests.invoicing.rules.einvoice.drawn import documents, writings
from tests.invoicing.rules.einvoice.official import official

DOCUMENTS = int(os.environ.get("E_INVOICES", "150"))
"""A hundred and fifty cost the suite a few seconds; `make einvoice` draws the 2,000 of docs/einvoice.md."""


class Excuse(NamedTuple):
    """An official rule that no check foresees, on purpose."""

    rule: str
    reason: str


NO_ADDRESS = Excuse(
    "PEPPOL-EN16931-R010",
    "A buyer without a number, or of a country without a Peppol scheme for VAT numbers, has no Peppol address. Such an "
    "invoice goes by e-mail (R11), and a private person or a firm whose number is asked for has to be billed, too.",
)
EXCUSES = (NO_ADDRESS,)
"""Where checks and rules must differ; docs/einvoice.md tells the same."""


def excused(document: Document) -> set[str]:
    """The rules that may fire although all checks pass."""
    scheme, _ = endpoint({"VATNumber": document.buyer.vat_number})
    return set() if scheme else {NO_ADDRESS.rule}


_seen: Counter[str] = Counter()
_spent: list[float] = []


@settings(
    max_examples=DOCUMENTS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    document=documents(),
    writing=writings(),
    kind=st.sampled_from(("Invoice", "Invoice", "CreditNote")),
    is_new=st.booleans(),
    account=st.sampled_from(("", "BE71096123456769")),
)
def _compare(
    document: Document, writing: Writing, kind: Literal["Invoice", "CreditNote"], is_new: bool, account: str
) -> None:
    order = billits.stored(document, kind, is_new=is_new)
    ubl = billits.e_invoice(order, document, writing, IBAN=account)
    begun = time.perf_counter()
    all_fired = official().fired(ubl)
    _spent.append(time.perf_counter() - begun)
    fired = all_fired - excused(document)
    found = failures(document, writing)
    _seen.update(fired or {"none"})
    refused = set(billits.refused(order, document, writing))
    event(f"{len(found)} checks fail")
    assert bool(found) == bool(fired), (found, sorted(fired), ubl)
    assert (XML in refused) == (XML in fired)
    if XML not in fired:
        foreseen = {rule for failure in found for rule in failure.rules}
        assert fired <= foreseen, (found, sorted(fired - foreseen), ubl)
        assert all(fired & set(failure.rules) for failure in found), (found, sorted(fired), ubl)
        # The imitation refuses a send for the same reasons, the lack of an address among them.
        assert refused == all_fired, (sorted(refused), sorted(all_fired), ubl)


@pytest.mark.slow
def test_checks_and_official_rules_agree() -> None:
    _seen.clear()
    _spent.clear()
    _compare()
    valid = _seen.pop("none")
    print(  # noqa: T201 - the figures of docs/einvoice.md
        f"{len(_spent)} documents, {valid} of them valid, {len(_seen)} rules fired, "
        f"{1000 * sum(_spent) / len(_spent):.1f} ms each: {dict(_seen.most_common())}"
    )
    assert len(_spent) >= DOCUMENTS
    # Neither side is empty, and the drawn faults reach most of what is foreseen.
    assert DOCUMENTS / 10 < valid < DOCUMENTS * 9 / 10
    assert len(_seen) >= min(15, DOCUMENTS // 25)
