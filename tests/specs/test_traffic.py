"""Our requests and the sandbox's answers against the vendors' own specifications.

`make test` and `make proof` record the traffic of the suite and then name the folder to this file in `SANDBOX_REPLAY`.
Without a recording a short journey through the real commands and clients stands for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine

from integrations.clients import billit, toggl
from integrations.sandbox.process import Process
from tests.conftest import Outcome
from tests.specs import coverage, swagger
from tests.specs.conformity import Finding, excusing, gathered, recorded
from tests.specs.known_faults import FAULTS, INSTEAD
from tests.specs.swagger import Record
from tests.worlds import API_KEY, COMPANY, GARAGE_NUMBER, NOW, TOKEN, WORKSPACE, small_world
from toggbill.firms.models import Firm

REPLAY = os.environ.get("SANDBOX_REPLAY", "")


def unexcused(found: Iterable[Finding]) -> list[str]:
    """The findings that are no known fault of a specification, a sentence each."""
    return [
        f"{finding.operation}, {finding.side}, {finding.place}: {finding.kind} ({finding.detail})"
        for finding in found
        if not excusing(finding)
    ]


@pytest.fixture(scope="module")
def suite() -> list[Record]:
    """The traffic of the whole suite."""
    rows = list(recorded(Path(REPLAY)))
    assert rows, f"there is no traffic in {REPLAY}"
    return rows


@pytest.fixture(scope="module")
def differences(suite: list[Record], specifications: None) -> dict[Finding, int]:
    """Where it is not what the specifications say; looked for once, as the traffic is long."""
    return gathered(suite)


@pytest.mark.replay
def test_the_suite_keeps_to_the_specifications(differences: dict[Finding, int]) -> None:
    assert unexcused(differences) == []


@pytest.mark.replay
def test_every_known_fault_is_needed(differences: dict[Finding, int]) -> None:
    met = {pair for finding in differences for pair in excusing(finding)}
    listed = {(fault, place) for fault in FAULTS for place in fault.places}
    assert {f"{fault.operation}: {place} ({fault.kind})" for fault, place in listed - met} == set()


@pytest.mark.replay
@pytest.mark.usefixtures("specifications")
def test_every_method_of_the_clients_is_in_the_suite(suite: list[Record]) -> None:
    assert coverage.unseen(suite) == set()


def test_every_method_of_the_clients_has_its_operation() -> None:
    assert coverage.methods() == set(coverage.REQUESTS)


@pytest.mark.usefixtures("specifications")
def test_the_lists_name_operations_of_the_specifications() -> None:
    names = {operation.name for operation in swagger.operations()}
    assert {name for name, _ in coverage.REQUESTS.values()} <= names
    assert {name for name, _ in INSTEAD} <= names


def test_every_known_fault_says_why() -> None:
    assert [fault for fault in FAULTS if len(fault.reason.split()) < 4 or not fault.reason.endswith(".")] == []


@pytest.mark.slow
@pytest.mark.usefixtures("specifications")
def test_a_short_journey_keeps_to_the_specifications(
    onboard: Callable[..., Firm], command: Callable[..., Outcome], sandbox: Process, recording: Path
) -> None:
    with time_machine.travel(NOW, tick=True):
        firm = onboard(small_world())
        for words in ("sync", "invoice --through 2026-10-31 --approve --post --send", "reconcile"):
            name, *rest = words.split()
            done = command(name, "--firm", firm.slug, *rest)
            assert done.code == 0, done.words
    orders = sandbox.control.orders()
    assert len(orders) == 2
    ask_toggl(sandbox)
    ask_billit(sandbox, orders[0])
    rows = list(recorded(recording))
    assert unexcused(gathered(rows)) == []
    left_out = coverage.SIGN_IN | coverage.SUBSCRIPTIONS | coverage.TAGS | coverage.OF_AGREEMENTS
    assert coverage.unseen(rows) == left_out


def ask_toggl(sandbox: Process) -> None:
    """What no command of the journey asks."""
    api = toggl.Api(url=sandbox.toggl_url, token=TOKEN)
    assert api.tags(WORKSPACE)
    api.plans()
    assert api.total_seconds(WORKSPACE, start=date(2026, 10, 1), end=date(2026, 10, 31), client_ids=[501]) > 0
    api.close()


def ask_billit(sandbox: Process, order: dict[str, Any]) -> None:
    """The rest of Billit: a search, look-ups, and an order that is deleted before it is sent."""
    api = billit.Api(url=sandbox.billit_url, credential=billit.ApiKey(API_KEY), party_id=COMPANY)
    reference = str(order["ExternalProviderID"])
    assert [customer.vat_number for customer in api.find_customers(GARAGE_NUMBER)] == [GARAGE_NUMBER]
    assert api.search_companies("Nobody of this name") == []
    assert api.participant(GARAGE_NUMBER).registered
    assert api.order(order["OrderID"]).external_id == reference
    assert len(api.find_orders(reference)) == 1
    assert len(api.orders_with([reference, "tb-of-nobody"])) == 1
    assert reference in {found.external_id for found in api.orders_with_prefix("tb-")}
    assert len(api.orders_between(order["OrderID"], order["OrderID"])) == 1
    short = billit.Order(
        external_id="tb-journey",
        order_date=date(2026, 11, 20),
        expiry_date=date(2026, 12, 20),
        customer_id=None,
        customer=billit.NewCustomer(name="Garage Vonk SRL", vat_number=GARAGE_NUMBER, language="FR"),
        reference="4500012345",
        title="Octobre 2026",
        period_from=date(2026, 10, 1),
        period_till=date(2026, 10, 31),
        lines=(_line("Advice"),),
    )
    api.delete_order(api.create_order(short, key="tb-journey-1"))
    assert len(api.find_deleted_orders("tb-journey")) == 1
    api.close()


def _line(description: str) -> billit.OrderLine:
    return billit.OrderLine(
        quantity=Decimal("1.25"),
        unit_price=Decimal("95.00"),
        description=description,
        description_extended="",
        reference="ADV",
        vat_rate=Decimal(21),
        ventilation_code=None,
    )
