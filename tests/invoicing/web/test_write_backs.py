"""What pages and the command say of the tags that billed hours have in Toggl from us."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from invoicing.models import Dossier, WriteBack
from tests.conftest import Outcome
from tests.factories import DossierFactory, EntryFactory, FirmFactory, LedgerRowFactory, WriteBackFactory
from tests.invoicing.scene import Scene
from tests.visitors import signed_in, text
from tests.worlds import entry
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
TAG = "facturé"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery", billed_tag=TAG)


def tagged(dossier: Dossier, words: str, **fields: object) -> None:
    """A billed entry that is called so, with its tag in Toggl."""
    row = EntryFactory(workspace=dossier.workspace, description=words, started_at=timezone.now() - timedelta(days=2))
    LedgerRowFactory(dossier=dossier, entry=row)
    WriteBackFactory(dossier=dossier, entry=row, wanted=TAG, **{"due_at": timezone.now(), **fields})


def test_pages_say_what_toggl_has_gets_and_refuses(firm: Firm, dossier: Dossier) -> None:
    tagged(dossier, "Done", written=TAG, due_at=None)
    tagged(dossier, "Waits")
    tagged(dossier, "Locked", failure="refused", said="Time entry is locked", tries=2)
    browser = signed_in(firm, "viewer")
    page = text(browser, "/dossiers/bakery/")
    assert f"billed hours get the tag “{TAG}”" in page
    card = page.partition("Tags in Toggl")[2]
    assert "Have their tag 1 Asked for soon 1 Refused by Toggl 1" in card
    assert ("Locked “Time entry is locked”" in card, "Done" in card, "Waits" in card) == (True, False, False)
    hours = text(browser, "/dossiers/bakery/hours/")
    assert f"has the tag “{TAG}” in Toggl" in hours
    assert f"gets the tag “{TAG}” in Toggl soon" in hours
    assert f"Toggl refuses to change its tag “{TAG}”: Time entry is locked." in hours
    running = text(browser, "/running/")
    assert "Bakery 1 entry; asked again Tags that Toggl refused" in running
    assert "Bakery Tag billed hours in Toggl" in running


def test_dossier_without_a_tag_says_nothing_of_it(firm: Firm) -> None:
    DossierFactory(firm=firm, key="plain")
    assert "Tags in Toggl" not in text(signed_in(firm), "/dossiers/plain/")


def test_command_writes_now_and_asks_again_for_what_was_refused(
    scene: Callable[..., Scene], command: Callable[..., Outcome]
) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06")], billed_tag=TAG)
    books.posted()
    books.control.switch(toggl_locked_before="2026-10-06")
    row = {"workspace": 4001, "written": 1, "taken_away": 0, "refused": 1, "calls": 1, "deferred_until": None}
    assert command("write_back", "--firm", "small").answer == {"workspaces": [row], "waiting": 1}
    books.control.switch(toggl_locked_before="")
    none = row | {"written": 0, "refused": 0, "calls": 0}
    assert command("write_back", "--firm", "small").answer == {"workspaces": [none], "waiting": 1}
    again = command("write_back", "--firm", "small", "--again")
    assert again.answer == {"workspaces": [row | {"refused": 0}], "waiting": 0}
    assert not WriteBack.objects.filter(due_at__isnull=False).exists()
    assert command("write_back", "--firm", "nobody").code == 2
