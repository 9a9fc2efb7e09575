"""The tables of moves: each state has a way on, the verbs move by them, and what shows them keeps in step."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from invoicing.models import Invoice, LedgerRow, moves
from invoicing.models.moves import BEGIN, DELIVERY, PAYMENT, STATE, STATUS, TABLES, Step, Table, Undeclared, Who
from invoicing.templatetags import figures
from tests.factories import InvoiceFactory, LedgerRowFactory

BY_NAME = {"status": STATUS, "delivery": DELIVERY, "payment": PAYMENT, "state": STATE}
STATES = {
    "status": Invoice.Status,
    "delivery": Invoice.Delivery,
    "payment": Invoice.Payment,
    "state": LedgerRow.State,
}
EVENTS_OF_NO_MOVE = {
    "invoice_replacing",
    "invoice_replacing_in_doubt",
    "invoice_not_delivered",
    "invoice_renumbered",
    "invoice_totals_accepted",
}

each = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.column)


def reached(table: Table) -> set[str]:
    """The states that a row can get to from where it begins."""
    found = set(table.begins)
    while more := {target for origin, target in table.pairs if origin in found} - found:
        found |= more
    return found


def test_every_column_has_its_table() -> None:
    assert {table.column: table for table in TABLES} == BY_NAME


@each
def test_every_state_is_reached_and_no_other(table: Table) -> None:
    assert reached(table) == set(STATES[table.column])


@each
def test_every_reached_state_has_a_way_to_where_a_row_may_rest(table: Table) -> None:
    """By moves that a person, a worker or a change causes; what only a late answer brings is no way on."""
    steps = {(move.origin, move.target) for move in table.moves if move.who != Who.LATE}
    on = set(table.ends)
    while more := {origin for origin, target in steps if target in on} - on - {BEGIN}:
        on |= more
    assert reached(table) - on == set()
    assert table.ends <= reached(table)


@each
def test_no_move_is_declared_twice_or_goes_nowhere(table: Table) -> None:
    rows = [(move.origin, move.target, move.event, move.who) for move in table.moves]
    assert len(rows) == len(set(rows))
    assert all(move.origin != move.target and move.why for move in table.moves)


@each
def test_what_a_diagram_cannot_hold_is_in_no_word(table: Table) -> None:
    assert [move.why for move in table.moves if set(move.why) & set(":;/|")] == []


def test_every_event_of_an_invoices_move_has_a_title_and_no_other_has() -> None:
    events = {
        move.event for table in TABLES for move in table.moves if move.event and move.event.startswith("invoice_")
    }
    titled = {event for event in figures._EVENTS if event.startswith("invoice_")}
    assert titled == events | EVENTS_OF_NO_MOVE


@pytest.mark.parametrize("table", [STATUS, DELIVERY], ids=["status", "delivery"])
def test_every_move_of_an_invoice_has_an_event_that_leads_to_one_state(table: Table) -> None:
    assert [move for move in table.moves if move.origin != BEGIN and move.event is None] == []
    targets: dict[str | None, set[str]] = {}
    for move in table.moves:
        targets.setdefault(move.event, set()).add(move.target)
    assert all(len(found) == 1 for found in targets.values()), targets


def test_an_event_is_that_of_its_move() -> None:
    assert STATUS.event("posting", "posted") == "invoice_posted"
    assert STATUS.event("in_doubt", "posted") == "invoice_adopted"
    assert STATUS.event("in_doubt", "approved", who=Who.PERSON) == "invoice_approved"
    assert STATUS.event("in_doubt", "approved", who=Who.WORKER) == "invoice_not_found"
    with pytest.raises(Undeclared, match="from posting to approved"):
        STATUS.event("posting", "approved", who=Who.PERSON)
    with pytest.raises(Undeclared, match="from posted to draft"):
        STATUS.event("posted", "draft")


# --- moving -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_move_updates_the_rows_at_an_origin_and_says_how_many() -> None:
    for status in ("draft", "approved", "refused", "posted"):
        InvoiceFactory(status=status, with_line=False)
    step = Step(["draft", "approved"], "void")
    assert moves.move(Invoice.objects.all(), status=step, problem="no_answer") == 2
    found = Invoice.objects.order_by("pk").values_list("status", "problem")
    assert list(found) == [
        ("void", "no_answer"),
        ("void", "no_answer"),
        ("refused", "other"),
        ("posted", ""),
    ]


@pytest.mark.django_db
def test_move_of_two_columns_needs_both_origins() -> None:
    failed = InvoiceFactory(status="posted", delivery="failed", with_line=False)
    InvoiceFactory(status="posted", delivery="sent", with_line=False)
    both = {"status": Step("posted", "void"), "delivery": Step(["not_sent", "failed"], "not_sent")}
    assert moves.move(Invoice.objects.all(), **both) == 1
    failed.refresh_from_db()
    assert (failed.status, failed.delivery) == ("void", "not_sent")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": Step("posted", "draft")}, "status of Invoice from posted to draft"),
        ({"status": Step(["draft", "posted"], "approved")}, "status of Invoice from posted to approved"),
        ({"status": Step("draft", "nonsense")}, "status of Invoice from draft to nonsense"),
        ({"status": "void"}, "status of Invoice is moved by a Step, not set"),
        ({"problem": "", "delivery": "sent"}, "delivery of Invoice is moved by a Step, not set"),
    ],
)
def test_move_refuses_what_no_table_declares(fields: dict[str, object], said: str) -> None:
    invoice = InvoiceFactory(status="posted", with_line=False)
    with pytest.raises(Undeclared, match=said):
        moves.move(Invoice.objects.all(), **fields)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.delivery) == ("posted", "not_sent")


@pytest.mark.django_db
def test_row_begins_only_where_its_table_says() -> None:
    invoice = Invoice()
    STATUS.begin(invoice, "approved")
    assert invoice.status == "approved"
    with pytest.raises(Undeclared, match="status of Invoice from nothing to posted"):
        STATUS.begin(invoice, "posted")
    row = LedgerRowFactory()
    assert moves.move(LedgerRow.objects.all(), state=Step(row.state, row.state)) == 1


# --- nobody writes a state past the tables ----------------------------------------------------------------------------

COLUMNS = frozenset(BY_NAME)
WRITERS = {"update", "create", "get_or_create", "update_or_create", "save", "bulk_update", "bulk_create", "setattr"}
# The ledger's rows are derived as a whole: what `derive` can make of them is declared, and the trigger sees to it.
DERIVED = {"invoicing/ledger/states/derive.py"}
# Where a column of ours has the name of something of a library: of kombu, what it knows of bindings.
NAMESAKES = {"toggbill/broker.py"}


def stray_writes(source: str) -> list[int]:
    """The lines that write a column of the tables other than by `move` or `begin`."""
    tree = ast.parse(source)
    lists = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return sorted({line for node in ast.walk(tree) for line in _written(node, lists)})


def _written(node: ast.AST, lists: dict[str, ast.expr]) -> Iterator[int]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in WRITERS | {"Invoice", "LedgerRow"}:
            if any(keyword.arg in COLUMNS for keyword in node.keywords) or _named(node, lists):
                yield node.lineno
        case ast.Attribute(attr=name, ctx=ast.Store()) if name in COLUMNS:
            yield node.lineno
        case ast.FunctionDef():
            # Fields that are collected and written at the end: each state among them is a step.
            calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
            spread = [each for each in calls if _name(each) == "update" and any(k.arg is None for k in each.keywords)]
            for found in [each for each in ast.walk(node) if spread and isinstance(each, ast.Dict)]:
                if any(isinstance(key, ast.Constant) and key.value in COLUMNS for key in found.keys):
                    yield found.lineno


def _named(call: ast.Call, lists: dict[str, ast.expr]) -> bool:
    """Whether a column stands among the arguments: a list of fields to save, the defaults of a row, a name to set."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    given = [lists.get(value.id, value) if isinstance(value, ast.Name) else value for value in given]
    found = [each for value in given for each in ast.walk(value)]
    return any(isinstance(each, ast.Constant) and each.value in COLUMNS for each in found)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize(
    "source",
    [
        "rows.update(status='void')",
        "Invoice.objects.create(delivery=sent)",
        "Invoice(status=status.APPROVED)",
        "LedgerRow(state='open')",
        "invoice.status = 'void'",
        "invoice.status, invoice.problem = 'void', ''",
        "setattr(row, 'state', 'open')",
        "row.save(update_fields=['payment'])",
        "LedgerRow.objects.bulk_update(rows, ['state'])",
        "FIELDS = ['day', 'state']\nLedgerRow.objects.bulk_create(rows, update_fields=FIELDS)",
        "Invoice.objects.update_or_create(pk=1, defaults={'status': 'void'})",
        "def f():\n    fields = {'payment': 'paid'}\n    rows.update(**fields)",
    ],
)
def test_stray_write_is_found(source: str) -> None:
    assert stray_writes(source) != []


def test_every_write_of_a_state_goes_through_the_tables() -> None:
    files = [file for package in ("invoicing", "toggbill") for file in Path(settings.BASE_DIR, package).rglob("*.py")]
    found = {}
    for file in files:
        name = str(file.relative_to(settings.BASE_DIR))
        if "/migrations/" not in name and (lines := stray_writes(file.read_text(encoding="utf-8"))):
            found[name] = lines
    assert set(found) == DERIVED | NAMESAKES, found


def test_verbs_take_the_events_of_moves_from_the_tables() -> None:
    events = {move.event for table in TABLES for move in table.moves} - {None}
    found = set()
    for file in Path(settings.BASE_DIR, "invoicing").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.Constant) and node.value in events for node in ast.walk(tree)):
            found.add(str(file.relative_to(settings.BASE_DIR)))
    # The check of an evidence pack runs without toggbill.
    alone = {"invoicing/evidence/offline/log.py"}
    assert found == {"invoicing/models/moves.py", "invoicing/templatetags/figures.py"} | alone


# --- what people read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "arguments"), [("README.md", []), ("docs/moves.md", ["--tables"])])
def test_pages_show_the_moves_as_they_are_declared(file: str, arguments: list[str]) -> None:
    out = io.StringIO()
    call_command("moves", *arguments, stdout=out)
    page = (settings.BASE_DIR / file).read_text(encoding="utf-8")
    assert page.split("<!-- moves -->\n")[1].split("\n<!-- end of moves -->")[0] == out.getvalue().rstrip("\n")


def test_every_declared_move_stands_on_the_page_of_all() -> None:
    out = io.StringIO()
    call_command("moves", "--tables", stdout=out)
    shown: dict[str, set[tuple[str, str, str]]] = {}
    for line in out.getvalue().splitlines():
        if line.startswith("## "):
            rows = shown.setdefault(line, set())
        elif line.startswith("| ") and not line.startswith("| from"):
            origins, targets, event = [cell.strip().replace("`", "") for cell in line.split("|")[1:4]]
            pairs = [(a, b) for a in origins.split(", ") for b in targets.split(", ") if a != b]
            rows |= {("" if a == "new" else a, b, event) for a, b in pairs}
    declared = [{(move.origin, move.target, move.event or "none") for move in table.moves} for table in TABLES]
    assert list(shown.values()) == declared
