"""Every verb of invoicing that a person decides with: the right that it asks for, and rows for it to act on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import toggbill.urls  # noqa: F401 - registers the converters of addresses before every module is imported
from integrations.models import Entry
from invoicing.attention import causes
from invoicing.attention import decide as attention
from invoicing.corrections import decide, fees, options, replace, together
from invoicing.deciding import figures
from invoicing.dossiers import decide as changing
from invoicing.dossiers import rules
from invoicing.dossiers.agreements import agreements, brought
from invoicing.drafting import blocks, runs, settlement
from invoicing.drafting.changing import discounts, prices, take_out
from invoicing.drafting.sheet import Sheet
from invoicing.due import posts
from invoicing.evidence import pack
from invoicing.ledger.states import decisions
from invoicing.models import Correction, Dossier, Drift, Invoice, LedgerRow
from invoicing.posting import post, recover
from invoicing.posting.sending import send
from invoicing.reconciliation import acknowledge
from invoicing.rules.agreement import Agreement
from invoicing.rules.judging.mapping import ClientRule, TagRule
from tests.factories import (
    AgreementFactory,
    BroughtOrderFactory,
    ClientFactory,
    CorrectionFactory,
    DossierClientFactory,
    DriftFactory,
    FeeLineFactory,
    InvoiceFactory,
    LedgerRowFactory,
    PrepaidFactory,
    ProductFactory,
    enterprise_number,
)
from tests.invoicing.scene import Scene
from tests.visitors import read_of
from tests.worlds import NOW
from toggbill.firms.audit import Actor
from toggbill.firms.read import Read

Make = Callable[..., Scene]


def _invoice(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"invoice": InvoiceFactory(dossier=dossier, **fields)}


def _invoices(**fields: Any) -> Callable[[Dossier], dict[str, Any]]:
    return lambda dossier: {"invoices": [InvoiceFactory(dossier=dossier, **fields) for _ in range(2)]}


def _with_entries(dossier: Dossier) -> dict[str, Any]:
    invoice = InvoiceFactory(dossier=dossier)
    return {"invoice": invoice, "entries": list(Entry.objects.filter(claims__line__invoice=invoice))}


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
    "take_out": (take_out.take_out, "hold", _with_entries, {"reason": "Why"}),
    "write_line": (
        discounts.write_line,
        "draft",
        _invoice(),
        {"position": 1, "wish": discounts.Wish(per_cent=Decimal(5)), "reason": "As agreed"},
    ),
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
    "make": (
        pack.make,
        "prove",
        lambda dossier: {"dossier": dossier, "to": BytesIO()},
        {"month": CUT_OFF.replace(day=1)},
    ),
    "bring_advance": (
        brought.bring_advance,
        "map",
        lambda dossier: {"agreement": AgreementFactory(dossier=dossier, kind="advance", product_reference="PROV")},
        {"orders": {1: None}},
    ),
    "let_go": (
        brought.let_go,
        "map",
        lambda dossier: {
            "brought": BroughtOrderFactory(
                agreement=AgreementFactory(dossier=dossier, kind="advance", product_reference="PROV")
            )
        },
        {},
    ),
    "order_block": (
        blocks.order_block,
        "draft",
        lambda dossier: {
            "agreement": PrepaidFactory(dossier=dossier, client_remote_id=None, number="BE0999000030", products=["X"]),
        },
        {},
    ),
    "settle": (
        settlement.settle,
        "draft",
        lambda dossier: {"agreement": AgreementFactory(dossier=dossier, kind="advance")},
        {"through": CUT_OFF},
    ),
    "credit_lines": (fees.credit_lines, "hold", _fee, {"lines": [1]}),
    "reopen": (decisions.reopen, "hold", _entries(**GIFT), {}),
}


def read_of_all(what: dict[str, Any]) -> Read:
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
    if "brought" in what:
        return Read.of([figures.of_brought(what["brought"])])
    if "agreement" in what:
        return Read.of([figures.of_agreement(what["agreement"])])
    rows: list[Invoice | Correction | LedgerRow | Drift | together.Group]
    rows = [row for row in what.values() if isinstance(row, Invoice | Correction | together.Group)]
    rows += what.get("findings", [])
    rows += what.get("invoices", [])
    rows += LedgerRow.objects.filter(entry__in=what.get("entries", []))
    return as_read(*rows)


def as_read(*rows: Any) -> Read:
    return Read.unpack(read_of(*rows))


def call(verb: str, by: Actor, what: dict[str, Any]) -> None:
    function, _right, _make, told = VERBS[verb]
    takes = inspect.signature(function).parameters
    read = {"read": read_of_all(what)} if "read" in takes else {}
    function(**what, **told, **read, by=by, now=NOW)
