"""Roles and limits hold in the verbs, whatever calls them: the role of that moment, the dossier's mode, its limit."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

import invoicing
import toggbill.urls  # noqa: F401 - registers the converters of addresses before every module is imported
from integrations.clients.transport import ServiceError
from invoicing.attention import causes
from invoicing.attention import decide as attention
from invoicing.corrections import decide, fees, options, replace, together
from invoicing.deciding import figures, rights
from invoicing.deciding.read import Read
from invoicing.dossiers import agreements, rules
from invoicing.dossiers import decide as changing
from invoicing.drafting import prices, runs
from invoicing.drafting.sheet import Sheet
from invoicing.due import posts
from invoicing.ledger import decisions
from invoicing.models import Correction, Dossier, Drift, Invoice, LedgerRow
from invoicing.posting import post, recover, send
from invoicing.reconciliation import acknowledge
from invoicing.rules.agreement import Agreement
from invoicing.rules.mapping import ClientRule, TagRule
from tests.factories import (
    AgreementFactory,
    ClientFactory,
    CorrectionFactory,
    DossierClientFactory,
    DossierFactory,
    DriftFactory,
    FeeLineFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ProductFactory,
    UserFactory,
    enterprise_number,
)
from tests.invoicing.scene import BY, Scene, everything
from tests.visitors import read_of
from tests.worlds import BAKERY_PROJECT, NOW, entry
from toggbill.firms.access import RIGHTS, NotAllowed, may
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import Membership, User

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture(autouse=True)
def nobody_answers(settings: Settings) -> None:
    """Billit is not there: who may post is told so by its client."""
    settings.BILLIT_API_URL = "http://127.0.0.1:9"
    settings.BILLIT_REQUESTS_PER_SECOND = 0


ROLES = ["owner", "manager", "bookkeeper", "viewer"]


def _invoice(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"invoice": InvoiceFactory(dossier=dossier, **fields)}


def _invoices(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"invoices": [InvoiceFactory(dossier=dossier, **fields) for _ in range(2)]}


def _deleted_at_billit(dossier: Dossier) -> dict[str, Any]:
    invoice = InvoiceFactory(dossier=dossier, status="posted")
    DriftFactory(dossier=dossier, reference=invoice.reference, order_id=invoice.order_id)
    return {"invoice": invoice}


def _correction(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"correction": CorrectionFactory(invoice__dossier=dossier, **fields)}


def _alike(dossier: Dossier) -> dict[str, Any]:
    rows = Correction.objects.filter(pk=CorrectionFactory(invoice__dossier=dossier).pk)
    (group,) = together.groups(rows.select_related(*options.BEHIND))
    return {"group": group}


def _entries(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"entries": [LedgerRowFactory(dossier=dossier, **fields).entry]}


def _waiting(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    def make(dossier: Dossier) -> dict[str, Any]:
        ProductFactory(company=dossier.company, reference="ADV")
        ClientFactory(workspace=dossier.workspace, name="Garage Voorbeeld")
        DossierClientFactory(dossier=dossier)
        LedgerRowFactory(dossier=dossier, **fields)
        (found,) = causes.decisions(LedgerRow.objects.filter(dossier=dossier))
        return {"dossier": dossier, "name": found.name}

    return make


HELD = {"state": "held", "decision": "held", "decision_text": "Wait"}
GIFT = {"state": "written_off", "decision": "written_off", "decision_text": "Gift"}


def _fee(dossier: Dossier) -> dict[str, Any]:
    line = FeeLineFactory(invoice__dossier=dossier, invoice__status="posted", invoice__delivery="sent")
    return {"invoice": line.invoice}


TERMS = Agreement(
    key="new", title="Fee", start=date(2026, 9, 1), product="FORF", client_id=999, amount=Decimal("100.00")
)

CUT_OFF = date(2026, 10, 31)

# Each verb with the right that it asks for, what it acts on, and what else it is told.
VERBS: dict[str, tuple[Callable[..., Any], str, Callable[[Dossier], dict[str, Any]], dict[str, Any]]] = {
    "draft": (runs.draft, "draft", lambda dossier: {"dossier": dossier}, {"cut_off": CUT_OFF}),
    "draft_derived": (
        runs.draft_derived,
        "draft",
        lambda dossier: {"dossier": dossier},
        {"cut_off": CUT_OFF},
    ),
    "approve": (runs.approve, "approve", _invoice(), {}),
    "bill_at_their_day": (prices.bill_at_their_day, "draft", _invoice(earlier_seconds=3600), {}),
    "void": (runs.void, "draft", _invoice(), {}),
    "request": (posts.request, "post", _invoice(status="approved"), {"send": True}),
    "request_send": (posts.request_send, "post", _invoice(status="posted"), {}),
    "request_sends": (posts.request_sends, "post", _invoices(status="posted"), {}),
    "post": (post.post, "post", _invoice(status="approved"), {}),
    "post_anew": (recover.post_anew, "post", _invoice(status="in_doubt", needs_person=True), {}),
    "send": (send.send, "post", _invoice(status="posted"), {}),
    "bill_anew": (replace.bill_anew, "post", _deleted_at_billit, {}),
    "replace": (replace.replace, "post", _correction(), {}),
    "accept": (decide.accept, "hold", _correction(), {}),
    "bill_next": (decide.bill_next, "hold", _correction(), {}),
    "withdraw": (decide.withdraw, "hold", _correction(decision="next_invoice"), {}),
    "credit": (decide.credit, "hold", _correction(invoice__delivery="sent"), {"rebill": True}),
    "decide alike": (together.decide, "hold", _alike, {"remedy": "accept"}),
    "acknowledge": (
        acknowledge.acknowledge,
        "hold",
        lambda dossier: {"findings": [DriftFactory(dossier=dossier)]},
        {"reason": "Known"},
    ),
    "hold": (decisions.hold, "hold", _entries(), {"reason": "Why"}),
    "write_off": (decisions.write_off, "hold", _entries(), {"reason": "Why"}),
    "release": (decisions.release, "hold", _entries(**HELD), {}),
    "bill": (decisions.bill, "hold", _entries(reason="implausible"), {}),
    "map a tag": (
        attention.decide,
        "map",
        _waiting(reason="unknown_tag", tags=["Advise"]),
        {"remedy": attention.Remedy("product", tag="Advise", product="ADV")},
    ),
    "map a client": (
        attention.decide,
        "map",
        _waiting(reason="no_vat"),
        {"remedy": attention.Remedy("customer", number=enterprise_number(1))},
    ),
    "set the default": (
        attention.decide,
        "configure",
        _waiting(reason="no_tag", tags=[]),
        {"remedy": attention.Remedy("default", product="ADV")},
    ),
    "hold all": (
        attention.decide,
        "hold",
        _waiting(reason="no_vat"),
        {"remedy": attention.Remedy("hold", reason="Why")},
    ),
    "change_rules": (
        changing.change_rules,
        "configure",
        lambda dossier: {"dossier": dossier, "stated": rules.stated(dossier, clients=())},
        {},
    ),
    "change_tags": (
        changing.change_tags,
        "map",
        lambda dossier: {"dossier": dossier, "stated": [TagRule(tag="x", product="ADV")]},
        {},
    ),
    "change_clients": (
        changing.change_clients,
        "map",
        lambda dossier: {"dossier": dossier, "stated": [ClientRule(client_id=501, number=enterprise_number(1))]},
        {},
    ),
    "agree": (agreements.agree, "map", lambda dossier: {"dossier": dossier}, {"terms": TERMS}),
    "change": (
        agreements.change,
        "map",
        lambda dossier: {"agreement": AgreementFactory(dossier=dossier)},
        {"terms": TERMS},
    ),
    "end": (
        agreements.end,
        "map",
        lambda dossier: {"agreement": AgreementFactory(dossier=dossier)},
        {"last_day": date(2026, 12, 31)},
    ),
    "credit_lines": (fees.credit_lines, "hold", _fee, {"lines": [1]}),
    "reopen": (decisions.reopen, "hold", _entries(**GIFT), {}),
}


def _read(what: dict[str, Any]) -> Read:
    if what.keys() == {"dossier"}:
        plan = Sheet.read(what["dossier"], CUT_OFF, NOW).plan
        return Read.of([figures.of_plan(what["dossier"], CUT_OFF, plan)])
    if "name" in what:
        return Read.of([causes.find(what["dossier"], what["name"]).figures])
    if "stated" in what:
        # Each of them reads its own figures: of the rules, of the tag and of the client.
        dossier = what["dossier"]
        of_clients = changing.clients_as_read(dossier, [501])
        return Read.of([changing.rules_as_read(dossier), *changing.tags_as_read(dossier, ["x"]), *of_clients])
    if "agreement" in what:
        return Read.of([figures.of_agreement(what["agreement"])])
    rows: list[Invoice | Correction | LedgerRow | Drift | together.Group]
    rows = [row for row in what.values() if isinstance(row, Invoice | Correction | together.Group)]
    rows += what.get("findings", [])
    rows += what.get("invoices", [])
    rows += LedgerRow.objects.filter(entry__in=what.get("entries", []))
    return _as_read(*rows)


def _as_read(*rows: Any) -> Read:
    return Read.unpack(read_of(*rows))


def _call(verb: str, by: Actor, what: dict[str, Any]) -> None:
    function, _right, _make, told = VERBS[verb]
    takes = inspect.signature(function).parameters
    read = {"read": _read(what)} if "read" in takes else {}
    function(**what, **told, **read, by=by, now=NOW)


def _member(membership: Membership) -> Actor:
    return Actor(membership.user.email, "web 127.0.0.1", Authority.MEMBER, membership.pk)


def _refused(verb: str, by: Actor, dossier: Dossier) -> None:
    what = VERBS[verb][2](dossier)
    before = everything()
    with pytest.raises(NotAllowed, match=r"may not do this in dossier .*Ask an owner or a manager"):
        _call(verb, by, what)
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
        _call(verb, _member(membership), VERBS[verb][2](dossier))


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
    assert runs.approve(invoice=small, by=by, now=NOW, read=_as_read(small)).status == "approved"
    if role == "manager":
        assert runs.approve(invoice=large, by=by, now=NOW, read=_as_read(large)).status == "approved"
        return
    with pytest.raises(NotAllowed, match=r"comes to 190\.95 excl\. VAT, above the limit of 190\.00 of dossier"):
        runs.approve(invoice=large, by=by, now=NOW, read=_as_read(large))
    large.refresh_from_db()
    assert large.status == "draft"


def test_schedule_does_not_pass_the_limit() -> None:
    dossier = DossierFactory(auto_limit=Decimal("189.99"), mode="send")
    with pytest.raises(NotAllowed, match="above the limit"):
        runs.approve(invoice=InvoiceFactory(dossier=dossier), by=Actor.schedule(), now=NOW)


def _left_to_look_up(books: Scene) -> Invoice:
    """The only invoice, replaced by a person, without an answer to the deletion."""
    invoice = books.posted()
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    with books.fault("cut_after", method="DELETE", path=r"^/v1/orders/\d+$"), pytest.raises(Exception, match="looked"):
        replace.replace(correction=Correction.objects.get(), by=BY, now=timezone.now())
    return invoice


@pytest.mark.parametrize(("limit", "status"), [("190.00", "approved"), ("189.99", "draft")])
def test_what_a_replacement_makes_is_bound_by_the_limit(scene: Make, limit: str, status: str) -> None:
    books = scene(entries=[entry(1)], auto_limit=limit)
    old = _left_to_look_up(books)
    (made,) = replace.recover_replacement(invoice=old, by=Actor.schedule(), now=timezone.now())
    assert (made.status, str(made.total_excl), made.approved_by) == (
        status,
        "190.00",
        "schedule" if status == "approved" else "",
    )
    assert books.story(made)[-1] == f"invoice_{'drafted' if status == 'draft' else status}"
    assert set(books.states().values()) == {"drafted"}


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


def test_person_who_may_pass_the_limit_has_the_replacement_approved(scene: Make) -> None:
    books = scene(entries=[entry(1)], auto_limit="189.99")
    books.posted()
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    about = Correction.objects.get()
    by = _member(MembershipFactory(firm=books.firm, role="manager"))
    (made,) = replace.replace(correction=about, by=by, now=timezone.now(), read=_as_read(about))
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
        replace.replace(correction=about, by=by, now=timezone.now(), read=_as_read(about))
    assert books.control.log("billit") == []
    assert post.fresh(garage).status == "posted"


# --- none is forgotten ------------------------------------------------------------------------------------------------

# What a person does not decide on the figures of a page: the run reads the hours itself; a worker or a command goes on
# with what somebody asked for; part of another verb.
OTHERS = {
    "annexes.freeze.freeze",
    "corrections.decide.draft_credit",
    "corrections.replace.recover_replacement",
    "drafting.runs.draft_again",
    "dossiers.agreements.agree",
    "dossiers.agreements.set_agreements",
    "dossiers.firm.set_firm",
    "dossiers.mappings.map_clients",
    "dossiers.mappings.map_tags",
    "dossiers.mappings.unmap_clients",
    "dossiers.mappings.unmap_tags",
    "dossiers.rules.create",
    "dossiers.rules.set_dossiers",
    "due.posts.send_off",
    "due.posts.work_off",
    "due.runs.serve",
    "ledger.differences.decide",
    "posting.attachments.files_of",
    "posting.attempts.never_left",
    "posting.post.mark_in_doubt",
    "posting.post.post",
    "posting.post.post_together",
    "posting.post.settle",
    "posting.recover.recover",
    "posting.recover.recover_together",
    "posting.send.send",
    "posting.send.send_together",
}


def _verbs() -> Iterator[tuple[str, Callable[..., Any]]]:
    for found in pkgutil.walk_packages(invoicing.__path__, "invoicing."):
        if {"migrations", "management"} & set(found.name.split(".")):
            continue
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            takes = inspect.signature(function).parameters.keys()
            if function.__module__ == found.name and not name.startswith("_") and {"by", "now"} <= takes:
                yield f"{found.name.removeprefix('invoicing.')}.{name}", function


def test_every_verb_takes_what_was_read_or_is_known_to_need_it_not() -> None:
    without = {name for name, function in _verbs() if "read" not in inspect.signature(function).parameters}
    assert without == OTHERS
    tried = {function for function, _right, _make, _told in VERBS.values()}
    untried = {name for name, function in _verbs() if name not in OTHERS and function not in tried}
    # Of no dossier, or many at once: their own tests ask each role (test_configuring, test_invoices_together).
    assert untried == {"dossiers.decide.change_firm", "web.invoices.together.each"}


def test_rights_of_the_schedule_are_rights_of_the_table() -> None:
    assert {right for allowed in rights._BY_MODE.values() for right in allowed} - {"send"} <= RIGHTS.keys()
