"""A client, project or tag that is deleted in Toggl after billing counts as it last was (design section 6)."""

from __future__ import annotations

import pytest
import requests

from integrations.models import Entry, Project
from invoicing.models import Correction
from tests.factories import TagMappingFactory
from tests.invoicing.after_billing import prove
from tests.invoicing.ledger.derived import Load, edit
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY, BAKERY_PROJECT, FIRST_ENTRY, GARAGE, GARAGE_PROJECT, TOKEN, WORKSPACE, Record, entry

pytestmark = pytest.mark.django_db
TAG = 301


@pytest.fixture
def billed(scene: Load) -> Scene:
    """Two hours of Advice for the garage, at Billit."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06")])
    made.posted()
    return made


def toggl(books: Scene, kind: str, number: int, **fields: object) -> None:
    books.later(minutes=10)
    books.control.put_toggl(kind, {"id": number, "workspace_id": WORKSPACE, **fields})
    books.sync()


def delete(books: Scene, kind: str, number: int) -> None:
    """By Toggl's own call; what pointed at it points at nothing, and no time stamp tells."""
    books.later(minutes=10)
    address = f"{books.sandbox.toggl_url}/api/v9/workspaces/{WORKSPACE}/{kind}/{number}"
    keep = {"teDeletionMode": "unassign"} if kind == "projects" else {}
    assert requests.delete(address, params=keep, auth=(TOKEN, "api_token"), timeout=10).status_code == 200
    books.sync()


def tag_id(books: Scene, name: str) -> int:
    rows = books.control.world()["toggl"]["tags"]
    return next(int(row["id"]) for row in rows if row["name"] == name)


def opened() -> list[tuple[int, list[str]]]:
    """Entry and what changed, of each open correction."""
    rows = Correction.objects.open().select_related("entry").order_by("entry__remote_id")
    return [(row.entry.remote_id - FIRST_ENTRY, row.what) for row in rows]


def drift(books: Scene) -> list[str]:
    done = books.command("reconcile", "--firm", books.firm.slug)
    assert done.code == (1 if done.answer["drift"] else 0), done.words
    return [row["kind"] for row in done.answer["drift"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "number"),
    [("clients", GARAGE), ("projects", GARAGE_PROJECT), ("tags", 0)],
    ids=["client", "project", "tag"],
)
def test_what_was_deleted_counts_as_it_last_was(billed: Scene, kind: str, number: int) -> None:
    delete(billed, kind, number or tag_id(billed, "Advice"))
    row = Entry.objects.get(remote_id=FIRST_ENTRY + 1)
    assert (row.deleted_at, row.seconds) == (None, 3600)
    assert opened() == []
    assert drift(billed) == []
    edit(billed, stop="2026-10-05T10:30:00Z")
    assert opened() == [(1, ["seconds"])], "what is left to decide is the half hour, nothing else"
    prove(billed)


@pytest.mark.slow
def test_what_was_archived_counts_as_before(billed: Scene) -> None:
    toggl(billed, "clients", GARAGE, archived=True)
    toggl(billed, "projects", GARAGE_PROJECT, active=False)
    assert (opened(), drift(billed)) == ([], [])


@pytest.mark.slow
def test_client_and_project_deleted_one_after_the_other_count_as_they_last_were(billed: Scene) -> None:
    delete(billed, "clients", GARAGE)
    delete(billed, "projects", GARAGE_PROJECT)
    delete(billed, "tags", tag_id(billed, "Advice"))
    assert (opened(), drift(billed)) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "what"),
    [({"project_id": None}, ["customer"]), ({"tags": []}, ["product"]), ({"tags": ["Books"]}, ["product"])],
    ids=["project", "no tag", "another tag"],
)
def test_what_a_person_took_off_is_a_correction_also_when_it_is_deleted_later(
    billed: Scene, change: Record, what: list[str]
) -> None:
    edit(billed, **change)
    assert opened() == [(1, what)]
    delete(billed, "projects", GARAGE_PROJECT)
    delete(billed, "tags", tag_id(billed, "Advice"))
    assert opened() == [(1, what)]
    assert drift(billed) == ["entry_changed"]


def test_client_that_a_person_took_off_a_project_is_a_correction_also_when_it_is_deleted_later(billed: Scene) -> None:
    toggl(billed, "projects", GARAGE_PROJECT, client_id=None)
    assert opened() == [(1, ["customer"]), (2, ["customer"])]
    assert Project.objects.get(remote_id=GARAGE_PROJECT).last_client_remote_id is None
    delete(billed, "clients", GARAGE)
    assert opened() == [(1, ["customer"]), (2, ["customer"])]


def test_what_was_moved_before_its_new_client_was_deleted_stays_moved(billed: Scene) -> None:
    edit(billed, project_id=BAKERY_PROJECT)
    assert opened() == [(1, ["customer"])]
    delete(billed, "clients", BAKERY)
    assert opened() == [(1, ["customer"])]


def test_project_that_gets_another_client_after_the_deletion_is_a_correction(billed: Scene) -> None:
    delete(billed, "clients", GARAGE)
    assert opened() == []
    toggl(billed, "projects", GARAGE_PROJECT, client_id=BAKERY)
    assert opened() == [(1, ["customer"]), (2, ["customer"])]


def test_deleted_client_bills_nothing_new(billed: Scene) -> None:
    delete(billed, "clients", GARAGE)
    billed.control.put_entries(entry(3, "2026-10-07"))
    billed.sync()
    assert billed.states()[FIRST_ENTRY + 3] == "attention"


# --- tags -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mapped", ["", "ADV"], ids=["not mapped", "to the same product"])
def test_tag_by_another_name_is_news(billed: Scene, mapped: str) -> None:
    if mapped:
        TagMappingFactory(dossier=billed.dossier, tag="Fiscal advice", product_reference=mapped)
    toggl(billed, "tags", tag_id(billed, "Advice"), name="Fiscal advice")
    row = Entry.objects.get(remote_id=FIRST_ENTRY + 1)
    assert (row.tags, row.last_tags) == (["Fiscal advice"], ["Advice"])
    assert (opened(), drift(billed)) == ([], [])


def test_entry_tagged_anew_after_its_tag_was_deleted_is_what_it_is_tagged(billed: Scene) -> None:
    delete(billed, "tags", tag_id(billed, "Advice"))
    assert Entry.objects.get(remote_id=FIRST_ENTRY + 1).last_tags == ["Advice"]
    edit(billed, tags=["Books"])
    row = Entry.objects.get(remote_id=FIRST_ENTRY + 1)
    assert (row.tags, row.last_tags) == (["Books"], [])
    assert opened() == [(1, ["product"])]


def test_tags_are_read_only_when_an_entry_lost_one(billed: Scene) -> None:
    billed.control.clear_log()
    edit(billed, stop="2026-10-05T10:30:00Z", tags=["Advice", "Books"])
    asked = [row["path"] for row in billed.control.log("toggl")]
    assert not [path for path in asked if path.endswith("/tags")]
    edit(billed, tags=["Advice"])
    asked = [row["path"] for row in billed.control.log("toggl")]
    assert len([path for path in asked if path.endswith("/tags")]) == 2  # the page with them and the empty one behind
