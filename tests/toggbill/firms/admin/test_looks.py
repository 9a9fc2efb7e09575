"""The operator's looks into the rows of a firm stand in the firm's log."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from invoicing.models import Dossier, Invoice
from tests.factories import NOW, DossierFactory, FirmFactory, InvoiceFactory, MembershipFactory
from tests.visitors import Tab, address, events, of_operator, staff, superuser
from toggbill.firms import audit
from toggbill.firms.admin.looks import record_look
from toggbill.firms.audit import Actor
from toggbill.firms.models import AuditEvent, Firm, Membership, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours")


@pytest.fixture
def theirs() -> Firm:
    return FirmFactory(slug="theirs")


@pytest.fixture
def operator(firm: Firm) -> Client:
    return superuser(firm)


@pytest.fixture
def elsewhere(operator: Client, theirs: Firm) -> Tab:
    """Another tab of the same browser."""
    tab = Tab(theirs)
    tab.cookies = operator.cookies
    return tab


def who() -> User:
    return User.objects.get(is_superuser=True)


def looked(label: str) -> tuple[str, str, dict[str, str]]:
    return ("operator_looked", f"operator {who().email}", {"rows": label})


def test_row_that_the_operator_opens_is_an_event_of_its_firm(firm: Firm, theirs: Firm, operator: Client) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    DossierFactory(firm=theirs)
    for _ in range(2):
        assert operator.get(address(Invoice, "change", invoice.pk)).status_code == 200
    assert events(firm) == [looked("invoicing.invoice")]
    assert AuditEvent.objects.get().actor == who().email
    assert AuditEvent.objects.get().origin == "web 127.0.0.1"
    assert operator.get(address(Dossier, "history", invoice.dossier.pk)).status_code == 200
    assert events(firm) == [looked("invoicing.invoice"), looked("invoicing.dossier")]
    assert events(theirs) == []
    assert audit.verify(firm=firm).ok


def test_list_is_an_event_of_its_firm(firm: Firm, theirs: Firm, operator: Client, elsewhere: Tab) -> None:
    for each in (firm, theirs):
        DossierFactory(firm=each)
    assert operator.get(address(Dossier, "changelist")).status_code == 200
    assert (events(firm), events(theirs)) == ([looked("invoicing.dossier")], [])
    assert elsewhere.get(address(Dossier, "changelist")).status_code == 200
    assert events(firm) == events(theirs) == [looked("invoicing.dossier")]


def test_export_is_a_look_at_every_row_that_it_holds(firm: Firm, theirs: Firm, operator: Client) -> None:
    for each in (firm, theirs):
        for _ in range(51):
            DossierFactory(firm=each)
    form = {"format": "0", "resource": "", "dossiers_key": "on"}
    answer = operator.post("/admin/invoicing/dossier/export/", form)
    assert answer.status_code == 200
    assert (events(firm), events(theirs)) == ([looked("invoicing.dossier")], [])


def test_accounts_and_the_firm_itself_are_rows_of_the_firm(firm: Firm, operator: Client) -> None:
    member = MembershipFactory(firm=firm).user
    assert operator.get(of_operator(Firm, "changelist")).status_code == 200
    assert events(firm) == []
    assert operator.get(address(Firm, "change", firm.pk)).status_code == 200
    assert operator.get(of_operator(User, "change", member.pk)).status_code == 200
    assert operator.get(address(User, "change", member.pk)).status_code == 200
    assert operator.get(address(Membership, "changelist")).status_code == 200
    assert events(firm) == [looked("firms.firm"), looked("firms.user"), looked("firms.membership")]


def test_looks_of_members_are_no_event(firm: Firm, operator: Client) -> None:
    dossier = DossierFactory(firm=firm)
    assert staff(firm).get(address(Dossier, "change", dossier.pk)).status_code == 200
    MembershipFactory(firm=firm, user=who(), role="viewer")
    assert operator.get(address(Dossier, "change", dossier.pk)).status_code == 200
    assert operator.get(address(Dossier, "changelist")).status_code == 200
    assert events(firm) == []


@pytest.mark.parametrize(("later", "count"), [(timedelta(minutes=59), 1), (timedelta(minutes=61), 2)])
def test_look_is_told_once_an_hour(later: timedelta, count: int, firm: Firm, operator: Client) -> None:
    dossier = DossierFactory(firm=firm)

    def look(now: datetime) -> None:
        record_look(operator=who(), shown=[dossier], by=Actor.person(who(), "web"), now=now)

    look(NOW)
    look(NOW + later)
    assert len(events(firm)) == count


def test_look_into_a_closed_firm_is_told_too(firm: Firm, operator: Client) -> None:
    dossier = DossierFactory(firm=firm)
    Firm.objects.filter(pk=firm.pk).update(closed_at=NOW)
    assert operator.get(address(Dossier, "change", dossier.pk)).status_code == 200
    assert events(firm) == [looked("invoicing.dossier")]
