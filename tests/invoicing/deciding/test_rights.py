"""Roles and limits hold in the verbs, whatever calls them: the role of that moment, the dossier's mode, its limit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

import toggbill.urls  # noqa: F401 - registers the converters of addresses before every module is imported
from integrations.clients.http.transport import ServiceError
from invoicing.corrections import options, replace
from invoicing.deciding import guards, rights
from invoicing.dossiers import decide
from invoicing.drafting import runs
from invoicing.models import Correction, Dossier, Invoice
from invoicing.posting import post
from tests.factories import (
    DossierFactory,
    InvoiceFactory,
    MembershipDossierFactory,
    MembershipFactory,
    UserFactory,
)
from tests.invoicing.deciding.verbs import VERBS, as_read, call
from tests.invoicing.scene import BY, Scene, everything
from tests.worlds import BAKERY_PROJECT, NOW, entry
from toggbill.firms.access import RIGHTS, NotAllowed, may
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.changes import firm_as_read
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import Membership, User
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


ROLES = ["owner", "manager", "bookkeeper", "viewer"]


@pytest.fixture(autouse=True)
def nobody_answers(settings: Settings) -> None:
    """Billit is not there: who may post is told so by its client."""
    settings.BILLIT_API_URL = "http://127.0.0.1:9"
    settings.BILLIT_REQUESTS_PER_SECOND = 0


def _member(membership: Membership) -> Actor:
    return Actor(membership.user.email, "web 127.0.0.1", Authority.MEMBER, membership.pk)


def _refused(verb: str, by: Actor, dossier: Dossier) -> None:
    what = VERBS[verb][2](dossier)
    before = everything()
    with pytest.raises(NotAllowed, match=r"may not do this in dossier .*Ask an owner or a manager"):
        call(verb, by, what)
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", ROLES)
def test_verb_does_what_the_role_allows_and_nothing_else(verb: str, role: str) -> None:
    dossier = DossierFactory()
    membership = MembershipFactory(firm=dossier.firm, role=role)
    if not may(membership, VERBS[verb][1]):
        _refused(verb, _member(membership), dossier)
        return
    # What else may stand in its way is no matter of roles.
    with suppress(NotPossible, ServiceError):
        call(verb, _member(membership), VERBS[verb][2](dossier))


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_verb_is_refused_to_whoever_has_no_standing(verb: str) -> None:
    dossier = DossierFactory()
    nobody = Actor("somebody@example.com", "page")
    elsewhere = _member(MembershipFactory(role="owner"))
    restricted = MembershipFactory(firm=dossier.firm, role="manager", is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=DossierFactory(firm=dossier.firm))
    gone = MembershipFactory(firm=dossier.firm, role="manager")
    left = _member(gone)
    gone.delete()
    lowered = MembershipFactory(firm=dossier.firm, role="manager")
    was = _member(lowered)
    Membership.objects.filter(pk=lowered.pk).update(role="viewer")
    closed = MembershipFactory(firm=dossier.firm, role="manager", user=UserFactory())
    User.objects.filter(pk=closed.user_id).update(is_active=False)
    for by in (nobody, elsewhere, _member(restricted), left, was, _member(closed)):
        _refused(verb, by, dossier)


@pytest.mark.parametrize("verb", [name for name, row in VERBS.items() if row[1] != "draft"])
def test_schedule_of_a_dossier_in_review_decides_nothing(verb: str) -> None:
    _refused(verb, Actor.schedule(), DossierFactory(mode="review"))


@pytest.mark.parametrize(
    ("mode", "allowed"), [("review", []), ("post", ["approve", "post"]), ("send", ["approve", "post", "send"])]
)
def test_schedule_goes_as_far_as_the_mode_of_that_moment(mode: str, allowed: list[str]) -> None:
    dossier = DossierFactory(mode="send")
    Dossier.objects.filter(pk=dossier.pk).update(mode=mode)
    rights.demand(Actor.schedule(), "draft", dossier)
    for what in ("approve", "approve_any", "post", "send", "hold"):
        if what in allowed:
            rights.demand(Actor.schedule(), what, dossier)
        else:
            with pytest.raises(NotAllowed, match="schedule may not do this"):
                rights.demand(Actor.schedule(), what, dossier)


# --- the limit of a dossier -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["manager", "bookkeeper"])
def test_limit_holds_in_the_verb(role: str) -> None:
    dossier = DossierFactory(auto_limit=Decimal("190.00"))
    by = _member(MembershipFactory(firm=dossier.firm, role=role))
    small = InvoiceFactory(dossier=dossier)
    large = InvoiceFactory(dossier=dossier, hours=Decimal("2.01"))
    assert runs.approve(invoice=small, by=by, now=NOW, read=as_read(small)).status == "approved"
    if role == "manager":
        assert runs.approve(invoice=large, by=by, now=NOW, read=as_read(large)).status == "approved"
        return
    with pytest.raises(NotAllowed, match=r"comes to 190\.95 excl\. VAT, above the limit of 190\.00 of dossier"):
        runs.approve(invoice=large, by=by, now=NOW, read=as_read(large))
    large.refresh_from_db()
    assert large.status == "draft"


@pytest.mark.parametrize("status", ["draft", "refused", "approved"])
def test_an_approval_is_taken_back_by_who_may_give_it(status: str) -> None:
    dossier = DossierFactory(auto_limit=Decimal("190.00"))
    bookkeeper, manager = (
        _member(MembershipFactory(firm=dossier.firm, role=role)) for role in ("bookkeeper", "manager")
    )
    small = InvoiceFactory(dossier=dossier, status=status)
    large = InvoiceFactory(dossier=dossier, status=status, hours=Decimal("2.01"))
    assert runs.void(invoice=small, by=bookkeeper, now=NOW, read=as_read(small)).status == "void"
    if status == "approved":
        before = everything()
        with pytest.raises(
            NotAllowed, match=r"is approved and comes to 190\.95 excl\. VAT, above the limit of 190\.00"
        ):
            runs.void(invoice=large, by=bookkeeper, now=NOW, read=as_read(large))
        assert everything() == before
    by = manager if status == "approved" else bookkeeper
    assert runs.void(invoice=large, by=by, now=NOW, read=as_read(large)).status == "void"


def test_schedule_does_not_pass_the_limit() -> None:
    dossier = DossierFactory(auto_limit=Decimal("189.99"), mode="send")
    with pytest.raises(NotAllowed, match="above the limit"):
        runs.approve(invoice=InvoiceFactory(dossier=dossier), by=Actor.schedule(), now=NOW)


def _left_to_look_up(books: Scene, by: Actor = BY) -> Invoice:
    """The only invoice, replaced by a person, without an answer to the deletion."""
    invoice = books.posted()
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    (case,) = options.cases(Correction.objects.all())
    with books.fault("cut_after", method="DELETE", path=r"^/v1/orders/\d+$"), pytest.raises(Exception, match="looked"):
        replace.replace(correction=case.correction, by=by, now=timezone.now(), read=case.read)
    return invoice


@pytest.mark.parametrize(
    ("role", "limit", "status"),
    [
        ("manager", "189.99", "approved"),
        ("bookkeeper", "190.00", "approved"),
        ("bookkeeper", "189.99", "draft"),
        ("viewer", "190.00", "draft"),
        (None, "190.00", "draft"),
    ],
)
def test_a_worker_that_finishes_a_replacement_approves_what_who_asked_may_approve_by_now(
    scene: Make, role: str | None, limit: str, status: str
) -> None:
    """The dossier is in review: its schedule approves nothing."""
    books = scene(entries=[entry(1)], auto_limit=limit, four_eyes=True)
    manager = MembershipFactory(firm=books.firm, role="manager")
    old = _left_to_look_up(books, _member(manager))
    if role is None:
        manager.delete()
    else:
        Membership.objects.filter(pk=manager.pk).update(role=role)
    (made,) = replace.recover_replacement(invoice=old, by=Actor.schedule(), now=timezone.now())
    name = manager.user.email
    assert (made.status, str(made.total_excl), made.approved_by) == (
        status,
        "190.00",
        name if status == "approved" else "",
    )
    assert guards.has_same_eyes(made, name, manager.user_id) == (status == "approved")
    assert [event.actor for event in books.events("invoice_void")] == [name]
    assert books.story(made)[-1] == f"invoice_{'drafted' if status == 'draft' else status}"
    assert set(books.states().values()) == {"drafted"}


@pytest.mark.slow
def test_hours_of_a_replacement_above_the_limit_wait_for_the_run_where_a_draft_waits(scene: Make) -> None:
    books = scene(entries=[entry(1)], auto_limit="189.99")
    old = _left_to_look_up(books)
    books.control.put_entries(entry(2, "2026-10-06"))
    books.sync()
    books.draft()
    waiting = books.invoices(status="draft").get()
    assert replace.recover_replacement(invoice=old, by=Actor.schedule(), now=timezone.now()) == []
    assert set(books.invoices().values_list("status", flat=True)) == {"void", "draft"}
    assert books.states() == {entry(1)["id"]: "open", entry(2)["id"]: "drafted"}
    books.draft()
    waiting.refresh_from_db()
    assert str(waiting.total_excl) == "285.00"


@pytest.mark.slow
def test_person_who_may_pass_the_limit_has_the_replacement_approved(scene: Make) -> None:
    books = scene(entries=[entry(1)], auto_limit="189.99")
    books.posted()
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    about = Correction.objects.get()
    by = _member(MembershipFactory(firm=books.firm, role="manager"))
    (made,) = replace.replace(correction=about, by=by, now=timezone.now(), read=as_read(about))
    assert (made.status, made.approved_by) == ("approved", by.name)


def test_replacement_by_who_may_not_post_asks_billit_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    books.approve()
    garage = books.post(books.invoices(customer_name__startswith="Garage").get())
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    books.control.clear_log()
    about = Correction.objects.get()
    by = _member(MembershipFactory(firm=books.firm, role="bookkeeper"))
    with pytest.raises(NotAllowed, match="post to Billit and send"):
        replace.replace(correction=about, by=by, now=timezone.now(), read=as_read(about))
    assert books.control.log("billit") == []
    assert post.fresh(garage).status == "posted"


def test_rights_of_the_schedule_are_rights_of_the_table() -> None:
    assert {right for allowed in rights._BY_MODE.values() for right in allowed} - {"send"} <= RIGHTS.keys()


@pytest.mark.parametrize("role", ROLES)
def test_the_firm_is_changed_by_its_owners(role: str) -> None:
    membership = MembershipFactory(role=role)
    firm, read = membership.firm, Read.of([firm_as_read(membership.firm)])
    told: dict[str, Any] = {
        "firm": firm,
        "name": "Another",
        "timezone": "Europe/Brussels",
        "language": "nl",
        "now": NOW,
        "read": read,
    }
    if role == "owner":
        assert decide.change_firm(by=_member(membership), **told) == "updated"
        return
    before = everything()
    with pytest.raises(NotAllowed, match=r"may not do this in firm .*Ask an owner"):
        decide.change_firm(by=_member(membership), **told)
    assert everything() == before
