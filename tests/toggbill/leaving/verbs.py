"""Every verb with something that it would change in an open firm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.clients import billit
from integrations.clients.billit_sign_in import Pair
from integrations.clients.http.transport import BadCredentials
from integrations.clients.toggl import Workspace as TogglWorkspace
from integrations.connections.credentials import BillitAccess, TogglAccess
from integrations.models import Connection, Entry
from invoicing.attention import causes
from invoicing.attention.decide import Remedy
from invoicing.corrections import options, together
from invoicing.dossiers import rules
from invoicing.drafting.changing.discounts import Wish
from invoicing.models import Attempt, BroughtOrder, Claim, Correction, Dossier, Invoice, LedgerRow
from invoicing.rules.agreement import Agreement
from invoicing.rules.judging.mapping import ClientRule, TagRule
from tests.factories import (
    NOW,
    AgreementFactory,
    AttemptFactory,
    BroughtOrderFactory,
    ClientFactory,
    ClientMappingFactory,
    CompanyFactory,
    CorrectionFactory,
    CustomerFactory,
    DriftFactory,
    FeeLineFactory,
    InvoiceFactory,
    LedgerRowFactory,
    PrepaidFactory,
    ProductFactory,
    ProjectFactory,
    TagMappingFactory,
    WebhookFactory,
    WorkspaceFactory,
    enterprise_number,
)
from toggbill.firms.audit import Actor, Authority, Closed, News
from toggbill.leaving import closing

BY = Actor("owner@example.com", "web 127.0.0.1", Authority.COMMAND)
Made = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What a verb is called with, and how it refuses: most by ``Closed``, where every audit event is written.

    ``asks``: in an open firm it asks a service, which this test has none of; in a closed one there is no credential.
    ``since``: what a firm is not closed with, but one that was closed by an earlier version may have.
    """

    made: Callable[[Dossier], Made]
    refusal: type[Exception] | None = Closed
    asks: bool = False
    since: Callable[[Made], object] = lambda _made: None


def _invoice(status: str, **fields: Any) -> Callable[[Dossier], Made]:
    return lambda dossier: {"invoice": InvoiceFactory(dossier=dossier, status=status, **fields)}


def _entries(state: str) -> Callable[[Dossier], Made]:
    def made(dossier: Dossier) -> Made:
        return {"entries": [LedgerRowFactory(dossier=dossier, state=state).entry]}

    return made


def _reasoned(state: str) -> Callable[[Dossier], Made]:
    return lambda dossier: _entries(state)(dossier) | {"reason": "Agreed with the customer"}


def _correction(**fields: Any) -> Callable[[Dossier], Made]:
    def made(dossier: Dossier) -> Made:
        invoice = InvoiceFactory(dossier=dossier, status="posted", **fields)
        row = CorrectionFactory(invoice=invoice)
        LedgerRow.objects.filter(entry=row.entry).update(correction_seconds=row.seconds)
        return {"correction": row}

    return made


def _alike(dossier: Dossier) -> Made:
    _correction()(dossier)
    rows = Correction.objects.filter(invoice__dossier=dossier).select_related(*options.BEHIND)
    (group,) = together.groups(rows)
    return {"group": group, "remedy": "accept"}


def _in_doubt(dossier: Dossier) -> Made:
    invoice = InvoiceFactory(dossier=dossier, status="in_doubt", needs_person=True)
    AttemptFactory(invoice=invoice, outcome=Attempt.Outcome.NO_ANSWER)
    return {"invoice": invoice}


def _doubtful(dossier: Dossier) -> Made:
    return {"invoices": [_in_doubt(dossier)["invoice"]]}


def _credit(dossier: Dossier) -> Made:
    made = _correction(delivery="sent")(dossier)
    return made | {"entries": [made["correction"].entry_id], "rebill": True}


def _choose(dossier: Dossier) -> Made:
    found = TogglWorkspace(id=4999, organization_id=1, name="New", admin=True, premium=False)
    access = TogglAccess("An Example", {4999: found})
    return {"connection": dossier.workspace.connection, "access": access, "ids": [4999]}


def _connect(dossier: Dossier) -> Made:
    access = TogglAccess("An Example", {})
    return {"firm": dossier.firm, "key": "new", "token": "t" * 32, "accept_partial": False, "access": access}


def _drafting(dossier: Dossier) -> Made:
    ProductFactory(company=dossier.company, reference="ADV")
    LedgerRowFactory(dossier=dossier)
    return {"dossier": dossier, "cut_off": date(2026, 11, 19)}


def _priced(dossier: Dossier) -> Made:
    product = ProductFactory(company=dossier.company, reference="ADV")
    price = product.prices.create(firm=dossier.firm, price=90, since=date(2026, 11, 18))
    return {"price": price, "since": date(2026, 11, 17)}


def _earlier(dossier: Dossier) -> Made:
    """A draft of an hour of October, and a price that was raised in November."""
    product = ProductFactory(company=dossier.company, reference="ADV")
    product.prices.create(firm=dossier.firm, price=90, since=date(2026, 9, 1))
    product.prices.create(firm=dossier.firm, price=product.price, since=date(2026, 11, 18))
    client = ClientFactory(workspace=dossier.workspace)
    project = ProjectFactory(workspace=dossier.workspace, client_remote_id=client.remote_id)
    CustomerFactory(company=dossier.company, party_id=88_001)
    named = {"client_remote_id": client.remote_id, "number": "", "customer_party_id": 88_001}
    ClientMappingFactory(dossier=dossier, **named)
    invoice = InvoiceFactory(dossier=dossier, status="draft", buyer_key="party:88001", earlier_seconds=3600)
    claims = Claim.objects.filter(line__invoice=invoice)
    Entry.objects.filter(claims__in=claims).update(project_remote_id=project.remote_id)
    claims.update(project_remote_id=project.remote_id, client_remote_id=client.remote_id)
    return {"invoice": invoice}


def _its_entries(dossier: Dossier) -> Made:
    entries = Entry.objects.filter(claims__line__invoice__dossier=dossier)
    return {"entries": list(entries), "reason": "Agreed with the customer"}


def _of(dossier: Dossier) -> Made:
    return {"connection": dossier.workspace.connection}


def _paused(dossier: Dossier) -> Made:
    Connection.objects.filter(pk=dossier.workspace.connection_id).update(paused_at=NOW)
    return _of(dossier)


def _signed_in(dossier: Dossier) -> Made:
    pair = Pair("a" * 32, "r" * 32, 3600)
    return {"firm": dossier.firm, "key": "new", "pair": pair, "access": BillitAccess({}, "An Example")}


def _with_webhook(dossier: Dossier) -> Made:
    WebhookFactory(workspace=dossier.workspace)
    return {"target": dossier.workspace}


def _decided(dossier: Dossier) -> Made:
    made = _correction()(dossier)
    made["correction"].decision = Correction.Decision.NEXT_INVOICE
    made["correction"].decided_at, made["correction"].decided_by = NOW, "owner@example.com"
    made["correction"].save()
    return made


def _unknown_tag(dossier: Dossier) -> Made:
    ProductFactory(company=dossier.company, reference="ADV")
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    (found,) = causes.decisions(LedgerRow.objects.filter(dossier=dossier))
    return {"dossier": dossier, "name": found.name, "remedy": Remedy("product", tag="Advise", product="ADV")}


def _renamed(dossier: Dossier) -> billit.Company:
    return billit.Company(dossier.company.party_id, "Another", "", True, "FR")


def _new(dossier: Dossier) -> rules.Pairing:
    workspace, company = WorkspaceFactory(firm=dossier.firm), CompanyFactory(firm=dossier.firm)
    return rules.Pairing(workspace, company, rules.DossierRules(key="new", name="New", start=date(2026, 9, 1)))


def _other_rules(dossier: Dossier) -> rules.DossierRules:
    return replace(rules.stated(dossier, clients=()), name="Renamed")


def _firm(dossier: Dossier) -> Made:
    return {"slug": dossier.firm.slug, "name": "Another", "timezone": "Europe/Brussels", "language": "nl"}


def _replacing(dossier: Dossier) -> Made:
    invoice = InvoiceFactory(dossier=dossier, status="posted")
    AttemptFactory(invoice=invoice, intent=Attempt.Intent.DELETE, outcome=Attempt.Outcome.NO_ANSWER)
    return {"invoice": invoice}


def _is_replaced(made: Made) -> None:
    Invoice.objects.filter(pk=made["invoice"].pk).update(replacing_since=NOW)


def _together(dossier: Dossier) -> Made:
    return {"invoices": [InvoiceFactory(dossier=dossier, status="approved")]}


def _to_send(dossier: Dossier) -> Made:
    return {"invoices": [InvoiceFactory(dossier=dossier, status="posted")]}


def _due(dossier: Dossier) -> Made:
    Dossier.objects.filter(pk=dossier.pk).update(due_at=NOW, every="daily")
    dossier.refresh_from_db()
    return {"dossier": dossier}


def _without_annex(dossier: Dossier) -> Made:
    Dossier.objects.filter(pk=dossier.pk).update(annex=True)
    return {"invoices": [InvoiceFactory(dossier=dossier, status="approved").pk]}


def _with_fee(dossier: Dossier) -> Made:
    line = FeeLineFactory(invoice__dossier=dossier, invoice__status="posted", invoice__delivery="sent")
    return {"invoice": line.invoice, "lines": [line.pk]}


def _prepaid(dossier: Dossier) -> Made:
    ProductFactory(company=dossier.company, reference="ADV")
    return {"agreement": PrepaidFactory(dossier=dossier, client_remote_id=None, number=enterprise_number(7))}


def _terms() -> Agreement:
    start, amount = date(2026, 9, 1), Decimal("100.00")
    return Agreement(key="new", title="Forfait", start=start, product="FORF", client_id=999, amount=amount)


def _to_settle(dossier: Dossier) -> Made:
    customer = {"client_remote_id": None, "number": enterprise_number(1)}
    return {"agreement": AgreementFactory(dossier=dossier, kind="advance", **customer), "through": date(2026, 10, 31)}


def _brought(dossier: Dossier) -> BroughtOrder:
    agreement = AgreementFactory(dossier=dossier, kind="advance", product_reference="PROV")
    return BroughtOrderFactory(agreement=agreement)


def _agreed(dossier: Dossier) -> Made:
    return {"agreement": AgreementFactory(dossier=dossier)}


CASES: dict[str, Case] = {
    "invoicing.annexes.freeze.freeze": Case(_without_annex, refusal=None),
    "invoicing.dossiers.agreements.agreements.agree": Case(lambda dossier: {"dossier": dossier, "terms": _terms()}),
    "invoicing.dossiers.agreements.agreements.change": Case(lambda dossier: _agreed(dossier) | {"terms": _terms()}),
    "invoicing.dossiers.agreements.agreements.end": Case(
        lambda dossier: _agreed(dossier) | {"last_day": date(2026, 12, 31)}
    ),
    "invoicing.dossiers.agreements.agreements.set_agreements": Case(
        lambda dossier: {"dossier": dossier, "agreements": [_terms()]}
    ),
    "invoicing.dossiers.agreements.brought.bring_advance": Case(
        lambda dossier: {"agreement": _brought(dossier).agreement, "orders": {1: None}}, asks=True
    ),
    "invoicing.dossiers.agreements.brought.let_go": Case(lambda dossier: {"brought": _brought(dossier)}),
    "invoicing.drafting.blocks.order_block": Case(_prepaid),
    "invoicing.corrections.fees.credit_lines": Case(_with_fee, asks=True),
    "integrations.connections.credentials.accept_partial": Case(lambda dossier: _of(dossier) | {"accepted": True}),
    "integrations.connections.choosing.choose": Case(_choose),
    "integrations.connections.choosing.note_company": Case(lambda d: {"company": d.company, "found": _renamed(d)}),
    "integrations.connections.choosing.take_company": Case(
        lambda d: {"connection": d.company.connection, "found": _renamed(d)}
    ),
    "integrations.connections.credentials.connect_billit": Case(
        lambda d: {"firm": d.firm, "key": "new", "api_key": "k" * 32}
    ),
    "integrations.connections.credentials.connect_toggl": Case(_connect),
    "integrations.connections.credentials.pause": Case(_of, refusal=None),
    "integrations.connections.credentials.connect_billit_signed_in": Case(_signed_in),
    "integrations.connections.credentials.remove": Case(_of, refusal=None),
    "integrations.connections.credentials.resume": Case(_paused, refusal=None),
    "integrations.connections.webhook_addresses.close_for": Case(_with_webhook, refusal=None),
    "integrations.webhooks.receiving.hasten": Case(
        lambda dossier: {"webhook": WebhookFactory(workspace=dossier.workspace)}, refusal=None
    ),
    "integrations.connections.webhook_addresses.open_for": Case(
        lambda dossier: {"target": dossier.workspace}, refusal=BadCredentials, asks=True
    ),
    "integrations.mirror.prices.correct_day": Case(_priced),
    "invoicing.drafting.changing.discounts.write_line": Case(
        lambda dossier: {
            "invoice": InvoiceFactory(dossier=dossier),
            "position": 1,
            "wish": Wish(per_cent=Decimal(5)),
            "reason": "As agreed",
        }
    ),
    "invoicing.drafting.changing.prices.bill_at_their_day": Case(_earlier),
    "invoicing.drafting.changing.take_out.take_out": Case(lambda dossier: _earlier(dossier) | _its_entries(dossier)),
    "invoicing.corrections.decide.accept": Case(_correction()),
    "invoicing.corrections.decide.bill_next": Case(_correction()),
    "invoicing.corrections.together.decide": Case(_alike),
    "invoicing.reconciliation.acknowledge.acknowledge": Case(
        lambda dossier: {"findings": [DriftFactory(dossier=dossier)], "reason": "Known"}
    ),
    "invoicing.corrections.decide.credit": Case(_credit, asks=True),
    "invoicing.corrections.decide.withdraw": Case(_decided),
    "invoicing.posting.post.post": Case(_invoice("approved"), refusal=BadCredentials, asks=True),
    "invoicing.posting.post.post_together": Case(_together, refusal=None, asks=True),
    "invoicing.posting.recover.recover": Case(_in_doubt, refusal=BadCredentials, asks=True),
    "invoicing.posting.recover.recover_together": Case(_doubtful, refusal=None, asks=True),
    "invoicing.due.posts.work_off": Case(_together, refusal=None, asks=True),
    "invoicing.due.posts.send_off": Case(_to_send, refusal=None, asks=True),
    "invoicing.posting.recover.post_anew": Case(_in_doubt, asks=True),
    "invoicing.due.posts.request": Case(lambda dossier: _invoice("approved")(dossier) | {"send": True}),
    "invoicing.due.posts.request_send": Case(_invoice("posted")),
    "invoicing.ledger.states.decisions.bill": Case(
        lambda dossier: {"entries": [LedgerRowFactory(dossier=dossier, reason="implausible").entry]}
    ),
    "invoicing.due.posts.request_sends": Case(lambda dossier: {"invoices": [_invoice("posted")(dossier)["invoice"]]}),
    "invoicing.ledger.states.decisions.hold": Case(_reasoned("open")),
    "invoicing.ledger.states.decisions.release": Case(_entries("held")),
    "invoicing.ledger.states.decisions.reopen": Case(_entries("written_off")),
    "invoicing.ledger.states.decisions.write_off": Case(_reasoned("open")),
    "invoicing.corrections.replace.bill_anew": Case(_invoice("posted"), refusal=BadCredentials, asks=True),
    "invoicing.corrections.replace.recover_replacement": Case(
        _replacing, refusal=BadCredentials, asks=True, since=_is_replaced
    ),
    "invoicing.corrections.replace.replace": Case(_correction(), refusal=BadCredentials, asks=True),
    "invoicing.due.runs.serve": Case(_due, refusal=None, asks=True),
    "invoicing.dossiers.decide.change_clients": Case(
        lambda dossier: {"dossier": dossier, "stated": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.dossiers.decide.change_firm": Case(
        lambda dossier: {"firm": dossier.firm, "name": "Another", "timezone": "Europe/Brussels", "language": "nl"}
    ),
    "invoicing.dossiers.decide.change_rules": Case(
        lambda dossier: {"dossier": dossier, "stated": _other_rules(dossier)}
    ),
    "invoicing.dossiers.decide.change_tags": Case(
        lambda dossier: {"dossier": dossier, "stated": [TagRule(tag="x", product="ADV")]}
    ),
    "invoicing.dossiers.firm.set_firm": Case(_firm),
    "invoicing.dossiers.mappings.map_clients": Case(
        lambda dossier: {"dossier": dossier, "rules": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.attention.decide.decide": Case(_unknown_tag),
    "invoicing.dossiers.mappings.map_tags": Case(
        lambda dossier: {"dossier": dossier, "rules": [TagRule(tag="x", product="ADV")]}
    ),
    "invoicing.dossiers.mappings.unmap_clients": Case(
        lambda dossier: {"dossier": dossier, "clients": [ClientMappingFactory(dossier=dossier).client_remote_id]}
    ),
    "invoicing.dossiers.mappings.unmap_tags": Case(
        lambda dossier: {"dossier": dossier, "tags": [TagMappingFactory(dossier=dossier).tag]}
    ),
    "invoicing.dossiers.rules.create": Case(lambda dossier: {"firm": dossier.firm, "pairing": _new(dossier)}),
    "invoicing.dossiers.rules.set_dossiers": Case(lambda dossier: {"firm": dossier.firm, "pairings": [_new(dossier)]}),
    "invoicing.drafting.runs.approve": Case(_invoice("draft")),
    "invoicing.drafting.runs.draft": Case(_drafting),
    "invoicing.drafting.settlement.settle": Case(_to_settle),
    "invoicing.drafting.runs.void": Case(_invoice("draft")),
    "invoicing.posting.sending.send.send": Case(_invoice("posted"), refusal=BadCredentials, asks=True),
    "invoicing.posting.sending.send.send_together": Case(_to_send, refusal=None, asks=True),
    "toggbill.firms.audit.chain.record": Case(
        lambda dossier: {"firm": dossier.firm, "news": [News("connection_added", "connection toggl x", {})]}
    ),
    "toggbill.firms.changes.change_firm": Case(lambda dossier: {"firm": dossier.firm, "values": {"name": "Another"}}),
    "toggbill.firms.changes.change_firm_as_read": Case(
        lambda dossier: {"firm": dossier.firm, "values": {"name": "Another"}}
    ),
    "toggbill.leaving.closing.close": Case(lambda dossier: {"firm": dossier.firm}, refusal=closing.CannotClose),
    "toggbill.firms.membership.members.require_mfa": Case(lambda dossier: {"firm": dossier.firm, "wanted": True}),
}
