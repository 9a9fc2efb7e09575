"""An entry that moves to another workspace of the firm keeps its Toggl id, and is billed once (design section 6)."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.ledger.states import decisions, derive
from invoicing.models import Claim, Correction, Dossier, Invoice, LedgerRow
from tests.factories import (
    ClaimFactory,
    DossierFactory,
    EntryFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
)
from tests.invoicing.after_billing import ids, prove, the
from tests.invoicing.ledger.derived import Load
from tests.invoicing.scene import BY, Scene
from tests.worlds import (
    ANOTHER_PROJECT,
    ANOTHER_WORKSPACE,
    GARAGE_PROJECT,
    WORKSPACE,
    Record,
    entry,
    small_world,
    with_another_workspace,
)

pytestmark = pytest.mark.django_db
THERE = {"workspace_id": ANOTHER_WORKSPACE, "project_id": ANOTHER_PROJECT}
BACK = {"workspace_id": WORKSPACE, "project_id": GARAGE_PROJECT}


@pytest.fixture
def books(scene: Load) -> Scene:
    """Two workspaces of one firm, a dossier for each, and one customer whom both bill: 1 h and 2 h in the first."""
    world = with_another_workspace(small_world(entries=[entry(1), entry(2, "2026-10-06", seconds=7200)]))
    made: Scene = scene(world)
    return made


def move(books: Scene, serial: int, change: Record) -> None:
    books.later(minutes=10)
    books.control.put_entries({"id": ids(serial)[0], **change})
    books.sync()


def states(serial: int) -> dict[str, tuple[str, str]]:
    """State and reason of the entry by the dossier in whose books it stands."""
    rows = LedgerRow.objects.filter(entry__remote_id=ids(serial)[0]).select_related("dossier")
    return {row.dossier.key: (row.state, row.reason) for row in rows}


def live(serial: int) -> list[tuple[str, str]]:
    """The live claims of the Toggl id: dossier and status of the invoice."""
    claims = Claim.objects.live().of_entries().filter(entry__remote_id=ids(serial)[0]).order_by("pk")
    return list(claims.values_list("line__invoice__dossier__key", "line__invoice__status"))


def open_corrections() -> list[tuple[str, int, list[str]]]:
    rows = Correction.objects.open().order_by("pk")
    return [(row.invoice.dossier.key, row.seconds, row.what) for row in rows]


def posted(books: Scene) -> None:
    assert books.invoice("--approve", "--post").code == 0


ELSEWHERE = ("attention", "billed_elsewhere")


@pytest.mark.slow
def test_billed_entry_that_moves_waits_where_it_goes_and_is_a_correction_where_it_was(books: Scene) -> None:
    posted(books)
    move(books, 1, THERE)
    assert states(1) == {"small": ("invoiced", ""), "another": ELSEWHERE}
    assert open_corrections() == [("small", -3600, ["deleted"])]
    done = books.invoice("--approve", "--post", through="2026-11-19")
    assert (done.answer["invoices"], done.answer["skipped"]) == (
        [],
        [{"entry": ids(1)[0], "reason": "billed_elsewhere"}],
    )
    assert live(1) == [("small", "posted")]
    prove(books)


@pytest.mark.slow
def test_entry_that_moves_back_is_as_before(books: Scene) -> None:
    posted(books)
    move(books, 1, THERE)
    move(books, 1, BACK)
    assert states(1) == {"small": ("invoiced", ""), "another": ("deleted", "")}
    assert open_corrections() == []
    assert list(Correction.objects.values_list("decision", flat=True)) == ["gone"]
    prove(books)


@pytest.mark.slow
def test_entry_that_moves_the_other_way_waits_as_well(books: Scene) -> None:
    move(books, 1, THERE)
    assert states(1) == {"small": ("deleted", ""), "another": ("open", "")}
    posted(books)
    assert live(1) == [("another", "posted")]
    move(books, 1, BACK)
    assert states(1) == {"small": ELSEWHERE, "another": ("invoiced", "")}
    assert open_corrections() == [("another", -3600, ["deleted"])]
    assert books.invoice().answer["invoices"] == []


@pytest.mark.slow
def test_entry_that_moves_between_approval_and_posting_is_billed_where_it_was(books: Scene) -> None:
    assert books.invoice("--approve").code == 0
    move(books, 1, THERE)
    assert states(1) == {"small": ("drafted", ""), "another": ELSEWHERE}
    posted(books)
    assert (live(1), states(1)["another"]) == ([("small", "posted")], ELSEWHERE)
    assert open_corrections() == [("small", -3600, ["deleted"])]


@pytest.mark.slow
@pytest.mark.parametrize(("at_first", "then"), [({}, THERE), (THERE, BACK)], ids=["there", "back"])
def test_entry_of_a_draft_that_moves_is_billed_where_it_goes_by_the_next_run(
    books: Scene, at_first: Record, then: Record
) -> None:
    if at_first:
        move(books, 1, at_first)
    assert books.invoice().code == 0
    assert [status for _key, status in live(1)] == ["draft"]
    move(books, 1, then)
    goes_to = "another" if then == THERE else "small"
    assert states(1)[goes_to] == ELSEWHERE
    posted(books)
    assert live(1) == [(goes_to, "posted")]
    assert states(1)[goes_to] == ("invoiced", "")
    prove(books)


@pytest.mark.slow
@pytest.mark.parametrize("rebill", [True, False])
def test_entry_is_billed_where_it_went_once_the_invoice_is_credited(books: Scene, rebill: bool) -> None:
    assert books.invoice("--approve", "--post", "--send").code == 0
    move(books, 1, THERE)
    note = decide.credit(correction=Correction.objects.open().get(), rebill=rebill, by=BY, now=timezone.now())
    assert states(1)["another"] == ELSEWHERE, "the note is a draft: the hour is billed still"
    books.post(*books.approve(note))
    books.sync()
    assert states(1)["another"] == ("open", "")
    posted(books)
    assert live(1) == [("another", "posted")]
    prove(books)


def test_entry_is_billed_where_it_went_once_a_draft_is_dropped(books: Scene) -> None:
    books.invoice()
    move(books, 1, THERE)
    runs.void(invoice=Invoice.objects.get(dossier__key="small"), by=BY, now=timezone.now())
    books.sync()
    assert states(1) == {"small": ("deleted", ""), "another": ("open", "")}


@pytest.mark.slow
def test_accepted_move_leaves_the_entry_to_be_written_off_where_it_went(books: Scene) -> None:
    posted(books)
    move(books, 1, THERE)
    decide.accept(correction=Correction.objects.open().get(), by=BY, now=timezone.now(), note="Moved only")
    row = Entry.objects.get(remote_id=ids(1)[0], workspace__remote_id=ANOTHER_WORKSPACE)
    decisions.write_off(entries=[row], reason="Billed before it moved", by=BY, now=timezone.now())
    assert states(1) == {"small": ("invoiced", ""), "another": ("written_off", "")}
    done = books.command("reconcile", "--firm", books.firm.slug)
    assert (done.code, done.answer["drift"]) == (0, []), done.words


def test_two_rows_of_one_entry_are_never_drafted_both(books: Scene) -> None:
    """Before the first workspace is read again, the mirror shows the entry in both."""
    row = the(1)
    dossiers = {dossier.key: dossier for dossier in Dossier.objects.select_related("workspace", "firm", "company")}
    row.pk, row.workspace, row.project_remote_id = None, dossiers["another"].workspace, ANOTHER_PROJECT
    row.marked_at = timezone.now()
    row.save()
    derive.derive_marked(now=timezone.now())
    assert states(1) == {"small": ("open", ""), "another": ("open", "")}
    through = books.later(seconds=1).date()
    runs.draft(dossier=dossiers["small"], cut_off=through, by=BY, now=timezone.now())
    # What was judged before the other dossier took it is asked again under the lock.
    drafting = runs.draft_derived(dossier=dossiers["another"], cut_off=through, by=BY, now=timezone.now())
    assert drafting.moved == ()
    assert [(skip.entry, str(skip.reason)) for skip in drafting.plan.skipped] == [(ids(1)[0], "billed_elsewhere")]
    derive.derive_marked(now=timezone.now())
    assert states(1) == {"small": ("drafted", ""), "another": ELSEWHERE}
    assert live(1) == [("small", "draft")]


def test_same_id_of_another_firm_is_another_entry(books: Scene) -> None:
    posted(books)
    dossier = DossierFactory()
    entry_of_theirs = EntryFactory(workspace=dossier.workspace, remote_id=ids(1)[0])
    line = InvoiceLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), with_claim=False)
    row = LedgerRowFactory(dossier=dossier, entry=entry_of_theirs, state="drafted")
    assert ClaimFactory(line=line, row=row).released_at is None
    assert live(1) == [("small", "posted"), (dossier.key, "draft")]
    books.sync()
    assert states(1)["small"] == ("invoiced", "")
