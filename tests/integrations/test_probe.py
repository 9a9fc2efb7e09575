"""`manage.py probe` against the sandbox: it tells both sides of a switch apart and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import time_machine

from integrations.sandbox.process import Process
from tests.conftest import Outcome
from tests.worlds import API_KEY, COLLEAGUE, COMPANY, GARAGE_PARTY, NOW, TOKEN, entry, small_world

Record = dict[str, Any]
SECOND_COMPANY = 7002


def world() -> Record:
    """The small world, with an entry half an hour after midnight in Brussels and one of a colleague; two companies."""
    late = entry(7, "2026-11-10T23:30:00+00:00", seconds=600)
    colleague = entry(8, "2026-11-12", user_id=COLLEAGUE)
    more = [entry(number, f"2026-11-{number:02d}") for number in range(9, 14)]
    made = small_world(entries=[late, colleague, *more])
    second = {**made["billit"]["companies"][0], "PartyID": SECOND_COMPANY, "Name": "Second SRL"}
    made["billit"]["companies"].append(second)
    made["billit"]["users"][0]["companies"] = [COMPANY, SECOND_COMPANY]
    made["billit"]["peppol"].append({"number": "BE0563846944"})
    return made


@pytest.fixture
def probed(
    sandbox: Process, command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Record]]:
    """Loads the world and probes; gives the findings by switch, or by question where there is none."""
    monkeypatch.setenv("TOGGL_TOKEN", TOKEN)
    monkeypatch.setenv("BILLIT_KEY", API_KEY)
    monkeypatch.setenv("BILLIT_PARTY", str(COMPANY))
    sandbox.control.load(world())

    def ask(service: str, *flags: str, **switches: Any) -> Record:
        sandbox.control.switch(**switches)
        done = command("probe", f"--{service}", *flags)
        assert done.code == 0, done.words
        assert done.answer["left_behind"] == []
        return {row["switch"] or row["question"]: row for row in done.answer["findings"]}

    with time_machine.travel(NOW, tick=True):
        yield ask


def traces(sandbox: Process) -> list[str]:
    """What a probe left at either service that its mark betrays."""
    held = sandbox.control.world()
    alive = [row for row in held["toggl"]["entries"] if not row.get("server_deleted_at")]
    alive += held["toggl"]["tags"] + held["toggl"]["clients"] + held["billit"]["parties"]
    alive += [order for order in sandbox.control.orders() if not order["Deleted"]]
    return [text for text in map(str, alive) if "probe" in text]


TOGGL_READS = [
    ("toggl_me_quota_charged", True, False),
    ("toggl_refusals_count", True, False),
    ("toggl_empty_lists", "array", "null"),
    ("toggl_page_size_over", "clamp", "refuse"),
    ("toggl_largest_page", 1000, 500),
    ("toggl_end_date", "included", "excluded"),
    ("toggl_day_zone", "user", "utc"),
    ("toggl_webhook_calls_charged", True, False),
]
TOGGL_WRITES = [
    ("toggl_tag_answer", "object", "array"),
    ("toggl_put_tags", "replace", "add"),
    ("toggl_tag_action_remove", "refuse", "delete"),
    ("toggl_running_in_reports", True, False),
    ("toggl_running_seconds", "negative", "elapsed"),
    ("toggl_admin_edits_others", True, False),
]
BILLIT_READS = [
    ("billit_unknown_id_status", 401, 404),
    ("billit_party_vat_filter", "accept", "refuse"),
    ("billit_product_filter", "accept", "refuse"),
    ("billit_next_link_past_top", True, False),
    ("billit_missing_party", "first", "refuse"),
    ("billit_context_party", "equal", "ignore"),
    ("billit_peppol_scheme", "both", "9925"),
    ("billit_participant_by_vat", "9925", "0208"),
]
# Told by what an invoice that was sent says: the line of its order, and the rules that would refuse it are not asked.
BILLIT_SENT: list[tuple[str, Any, Any, Record]] = [
    ("billit_unit_in_ubl", True, False, {}),
    ("billit_negative_price", "as_posted", "turned", {"UnitPriceExcl": -10}),
    ("billit_allowances", "linked", "lines", {"UnitPriceExcl": -10, "AllowanceChargeIndicator": False}),
    ("billit_outside_scope", "plain", "numbers", {"VATPercentage": 0, "VentilationCode": "22"}),
    ("billit_outside_scope", "plain", "rate", {"VATPercentage": 0, "VentilationCode": "22"}),
    ("billit_exemption_reasons", True, False, {"VATPercentage": 0, "VentilationCode": "21"}),
]
BILLIT_WRITES = [
    ("billit_idempotency_header", "both", "Idempotency-Key"),
    ("billit_idempotency_header", "Idempotent-Key", "none"),
    ("billit_duplicate_external_ids", "accept", "refuse"),
    ("billit_duplicate_external_ids", "accept", "update"),
    ("billit_duplicate_numbers", "accept", "refuse"),
    ("billit_number_after_delete", "gap", "again"),
    ("billit_posted_status", "ignore", "honour"),
    ("billit_surplus_decimals", "truncate", "round"),
    ("billit_rounding", "half_up", "half_even"),
    ("billit_nulls", "accept", "refuse"),
    ("billit_negative_quantity", "accept", "refuse"),
    ("billit_summary_external_id", True, False),
    ("billit_summary_rows", "full", "without_number"),
    ("billit_summary_rows", "full", "bare"),
]


@pytest.mark.parametrize(("switch", "one", "other"), TOGGL_READS)
def test_toggl_is_told_by_reading(probed: Callable[..., Record], switch: str, one: object, other: object) -> None:
    for value in (one, other):
        found = probed("toggl", **{switch: value})[switch]
        assert (found["found"], found["sure"]) == (value, True), found["note"]


@pytest.mark.parametrize(("switch", "one", "other"), TOGGL_WRITES)
def test_toggl_is_told_by_writing(
    probed: Callable[..., Record], sandbox: Process, switch: str, one: object, other: object
) -> None:
    for value in (one, other):
        found = probed("toggl", "--allow-writes", **({"toggl_running_in_reports": True} | {switch: value}))[switch]
        assert found["found"] == value, found["note"]
    assert traces(sandbox) == []


@pytest.mark.parametrize(("switch", "one", "other"), BILLIT_READS)
def test_billit_is_told_by_reading(probed: Callable[..., Record], switch: str, one: object, other: object) -> None:
    for value in (one, other):
        found = probed("billit", **{switch: value})[switch]
        assert found["found"] == value, found["note"]
        # Who has no office of accountants cannot tell whether one would be accepted.
        assert found["sure"] == (value != "equal")


@pytest.mark.parametrize(("switch", "one", "other", "line"), BILLIT_SENT)
def test_billit_is_told_by_what_was_sent(
    probed: Callable[..., Record], sandbox: Process, switch: str, one: object, other: object, line: Record
) -> None:
    found = probed("billit")[switch]
    assert (found["found"], found["sure"]) == (None, False)
    assert found["note"] == "no such line in the 0 documents of the latest orders that were sent over Peppol"
    sandbox.control.switch(billit_peppol_rules=False)
    usual = {"Description": "Work", "Quantity": 2, "UnitPriceExcl": 95, "VATPercentage": 21, "Unit": "HUR"}
    # One by e-mail has no document, one that is not sent has none either.
    for transport, lines in (("Peppol", [usual, usual | line]), ("SMTP", [usual]), (None, [usual])):
        _send(sandbox, lines, transport)
    for value in (one, other):
        found = probed("billit", **{switch: value})[switch]
        assert (found["found"], found["sure"]) == (value, True), found["note"]


def _send(sandbox: Process, lines: list[Record], transport: str | None) -> None:
    """An invoice of these lines, sent over the transport if one is named."""
    headers = {"ApiKey": API_KEY, "PartyID": str(COMPANY)}
    order = {"OrderType": "Invoice", "OrderDirection": "Income", "OrderDate": "2026-11-02", "ExpiryDate": "2026-12-02"}
    body = order | {"CustomerID": GARAGE_PARTY, "OrderTitle": "October 2026", "OrderLines": lines}
    made = requests.post(f"{sandbox.billit_url}/v1/orders", json=body, headers=headers, timeout=10)
    made.raise_for_status()
    if transport is not None:
        asked = {"TransportType": transport, "OrderIDs": [made.json()]}
        sent = requests.post(f"{sandbox.billit_url}/v1/orders/commands/send", json=asked, headers=headers, timeout=10)
        sent.raise_for_status()


@pytest.mark.parametrize(("switch", "one", "other"), BILLIT_WRITES)
def test_billit_is_told_by_writing(
    probed: Callable[..., Record], sandbox: Process, switch: str, one: object, other: object
) -> None:
    for value in (one, other):
        found = probed("billit", "--allow-writes", **{switch: value})[switch]
        assert (found["found"], found["sure"]) == (value, True), found["note"]
    assert traces(sandbox) == []


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_without_leave_nothing_is_made(probed: Callable[..., Record], sandbox: Process, service: str) -> None:
    sandbox.control.clear_log()
    probed(service)
    asked = {(row["method"], row["path"].rpartition("/")[2]) for row in sandbox.control.log(service)}
    assert {method for method, _ in asked} == ({"GET", "POST"} if service == "toggl" else {"GET"})
    # A report is read by POST.
    assert {path for method, path in asked if method == "POST"} <= {"time_entries"}
    assert sandbox.control.orders() == []
    assert traces(sandbox) == []


def test_what_the_sandbox_has_no_knob_for_is_told_in_words(probed: Callable[..., Record]) -> None:
    toggl, billit = probed("toggl", "--allow-writes"), probed("billit", "--allow-writes")
    assert toggl["Which budget does GET /workspaces use?"]["found"] == "user"
    assert "tag_names" in toggl["What has an enriched row?"]["found"]
    assert toggl["Does the order by last_update follow `at`?"]["found"] is True
    assert billit["In which time zone are timestamps?"]["found"] == "Europe/Brussels"
    assert billit["What does a POST with the OrderID of an unsent order do?"]["found"] == ["OrderTitle", "TotalExcl"]


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "html500"])
@pytest.mark.parametrize(
    ("service", "path", "nth"),
    [
        ("billit", "^/v1/orders$", 1),
        ("billit", "^/v1/orders$", 4),
        ("toggl", "/time_entries$", 1),
        ("toggl", "/tags$", 1),
    ],
)
def test_after_a_failure_nothing_is_left(
    probed: Callable[..., Record], sandbox: Process, kind: str, service: str, path: str, nth: int
) -> None:
    sandbox.control.faults({"kind": kind, "service": service, "method": "POST", "path": path, "nth": nth})
    found = probed(service, "--allow-writes")
    assert any(row["note"].startswith("not settled") or not row["sure"] for row in found.values())
    assert traces(sandbox) == []


def test_what_cannot_be_deleted_is_named(
    probed: Callable[..., Record], sandbox: Process, command: Callable[..., Outcome]
) -> None:
    sandbox.control.faults(
        {"kind": "status", "status": 400, "service": "billit", "method": "DELETE", "path": "^/v1/orders"}
    )
    done = command("probe", "--billit", "--allow-writes")
    assert done.code == 1
    left = [order["OrderID"] for order in sandbox.control.orders() if not order["Deleted"]]
    assert left
    assert {f"order {number}: HTTP 400" for number in left} <= set(done.answer["left_behind"])
    assert f"Left behind, delete it by hand: order {left[0]}: HTTP 400" in done.words


def test_no_orders_are_made_while_billit_may_send_them(
    probed: Callable[..., Record], sandbox: Process, command: Callable[..., Outcome]
) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 7, 58, tzinfo=UTC), tick=True):
        done = command("probe", "--billit", "--allow-writes")
    assert (done.code, done.answer) == (1, None)
    assert done.words.strip() == "A company may have Billit send all unsent orders at 09:00. Run this after 09:10."
    assert sandbox.control.orders() == []


@pytest.mark.parametrize(
    ("service", "variable", "value", "code", "words"),
    [
        ("toggl", "TOGGL_TOKEN", "", 2, "TOGGL_TOKEN is not set."),
        ("toggl", "TOGGL_TOKEN", "f" * 32, 1, "Toggl does not accept the credential"),
        ("billit", "BILLIT_KEY", "", 2, "BILLIT_KEY is not set."),
        ("billit", "BILLIT_KEY", "wrong-key-1234", 1, "Billit does not accept the credential"),
        ("billit", "BILLIT_PARTY", "", 2, "BILLIT_PARTY is not set."),
        ("billit", "BILLIT_PARTY", "x", 2, "BILLIT_PARTY is 'x'; it is a number."),
        ("billit", "BILLIT_PARTY", "7009", 1, "Billit"),
    ],
)
def test_a_bad_credential_is_told(
    probed: Callable[..., Record],
    command: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    variable: str,
    value: str,
    code: int,
    words: str,
) -> None:
    monkeypatch.setenv(variable, value)
    done = command("probe", f"--{service}")
    assert (done.code, done.answer) == (code, None)
    assert done.words.startswith(words)


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_the_credential_is_not_printed(
    probed: Callable[..., Record], command: Callable[..., Outcome], service: str
) -> None:
    done = command("probe", f"--{service}", "--allow-writes")
    told = json.dumps(done.answer) + done.words
    assert TOKEN not in told
    assert API_KEY not in told
    assert set(done.answer["findings"][0]) == {"question", "found", "switch", "sure", "note"}
