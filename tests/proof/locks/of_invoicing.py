"""Transactions of invoicing: rules, ledger, drafts, posting, corrections, comparisons."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from integrations.clients import billit, billit_rows, toggl
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import NoAnswer, Refused, RetryLater
from integrations.models import Entry
from invoicing.annexes import freeze
from invoicing.annexes.content import contents
from invoicing.attention import causes
from invoicing.attention.decide import Remedy
from invoicing.dossiers import rules
from invoicing.drafting.changing.discounts import Wish
from invoicing.due import write_backs
from invoicing.due.wrong_clocks import Bound
from invoicing.evidence.pack import Pack
from invoicing.models import Attempt, Dossier, Drift, Invoice
from invoicing.posting import post
from invoicing.posting.attempts import NOT_POSTED
from invoicing.posting.post import fresh
from invoicing.posting.read_first import Place, Seen
from invoicing.posting.sending import way
from invoicing.reconciliation.findings import Finding
from invoicing.rules.agreement import Agreement
from invoicing.rules.judging.mapping import ClientRule, TagRule
from invoicing.wip.budgets import Budget
from tests.factories import NOW
from tests.proof.locks import answers
from tests.proof.locks.told import BY, Make, by
from tests.proof.locks.world import BUYER, TODAY, World


def _annexes(w: World) -> dict[str, Any]:
    """One that was made, and one that could not be."""
    made, failed = w.all("approved")
    digest = contents([made.pk])[made.pk].digest()
    files = {made.pk: freeze._Made(digest, "annex", b"%PDF-", b"")}
    return {"firm": made.firm, "made": files, "failed": {failed.pk: Message("annex_failed", {"why": ""})}}


def _decision(w: World, reason: str, remedy: Remedy) -> dict[str, Any]:
    dossier = w.one("dossiers")
    (found,) = [each for each in causes.decisions(dossier.ledger_rows.all()) if each.reason == reason]
    return {"dossier": dossier, "name": found.name, "remedy": remedy}


def _orders(w: World) -> list[tuple[Invoice, billit.Order]]:
    return [(fresh(row), answers.order(row)) for row in w.all("approved")]


def _answers(w: World) -> list[tuple[Invoice, Attempt, int]]:
    rows = [*zip(w.all("posting"), w.all("posting's attempts"), strict=True), (w.one("note"), w.one("note's attempt"))]
    return [(fresh(invoice), attempt, 5_000_001 + number) for number, (invoice, attempt) in enumerate(rows)]


def _chunk(w: World, name: str, *, billed: bool) -> dict[str, Any]:
    workspace = w.one("workspaces")
    entries = Entry.objects.filter(pk__in=w.ids(name))
    if billed:
        entries = Entry.objects.filter(corrections__isnull=False)
    return {
        "entries": Entry.objects.filter(pk__in=entries.values("pk")),
        "workspace": workspace,
        "reaches": True,
        "firm": w.one("firm") if billed else None,
        "now": NOW,
    }


def _pairing(w: World, *, key: str) -> rules.Pairing:
    """Rules that differ, for a dossier that stands or for a new one on a workspace of its own."""
    row = Dossier.objects.filter(key=key).first()
    workspace, company = (row.workspace, row.company) if row else (w.one("spare"), w.one("companies"))
    return rules.Pairing(workspace, company, rules.DossierRules(key=key, name="Renamed", start=date(2026, 9, 1)))


def _posting(w: World) -> dict[str, Any]:
    return {"invoice": w.one("posting"), "attempt": w.one("posting's attempts")}


def _replacing(w: World) -> dict[str, Any]:
    return {"invoice": w.one("replacing"), "attempt": w.one("replacing's attempts")}


def _billed(invoice: Invoice) -> list[Entry]:
    return list(Entry.objects.filter(claims__line__invoice=invoice).order_by("-pk"))


def _findings(w: World) -> list[Finding]:
    rows: list[Drift] = w.all("drift")
    return [
        Finding(Drift.Kind(row.kind), row.dossier_id, order_id=row.order_id, reference=row.reference)
        for row in rows[:1]
    ]


def _terms(key: str, client: int) -> Agreement:
    start = date(2026, 9, 1)
    return Agreement(key=key, title="Fee", start=start, product="ADV", amount=Decimal("75.00"), client_id=client)


def _tagging(w: World) -> write_backs._Asked:
    """Rows of which Toggl has been asked, by a lease that stands."""
    rows = w.all("tagging")
    before = {row.pk: ("", True) for row in rows}
    return write_backs._Asked(rows, rows[0].wanted, False, rows[0].lease_until, before)


def _budgets(w: World) -> list[Budget]:
    """Two fees, both used up: the first level stands of one of them, and was not told."""
    first, last, spent = date(2026, 11, 1), date(2026, 11, 30), Decimal("260.00")
    return [
        Budget(row.dossier, row.title, "Garage", first, last, 3600, spent, None, row.amount, agreement=row.pk)
        for row in w.all("agreements")
    ]


def _claimed(w: World) -> list[Any]:
    rows = zip(w.all("posting"), w.all("posting's attempts"), strict=True)
    return [post._Claimed(invoice, answers.order(invoice), attempt) for invoice, attempt in rows]


INVOICING: dict[str, Make] = {
    "invoicing.ledger.states.customers.mark_company_changes": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.ledger.states.customers.propose_customers": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.ledger.states.derive._derive_chunk of free entries": lambda w: _chunk(w, "marked", billed=False),
    "invoicing.ledger.states.derive._derive_chunk of billed entries": lambda w: _chunk(w, "marked", billed=True),
    "invoicing.ledger.states.customers.pin": lambda w: {
        "pins": {(w.one("companies").pk, "BE0999000030"): BUYER},
        "firm": w.one("firm"),
        "now": NOW,
    },
    "invoicing.ledger.months._spread": lambda w: {"dossier": w.one("dossiers")},
    "invoicing.ledger.months._prove": lambda w: {"ids": w.ids("dossiers"), "month": date(2026, 10, 1), "now": NOW},
    "invoicing.ledger.months._prove_changed": lambda w: {
        "ids": w.ids("dossiers"),
        "month": date(2026, 10, 1),
        "now": NOW,
        "beside_others": False,
    },
    "invoicing.ledger.months._recount": lambda w: {
        "dossier": w.one("dossiers"),
        "month": date(2026, 10, 1),
        "now": NOW,
    },
    "invoicing.due.write_backs.try_again": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.due.write_backs._claim": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.due.write_backs._note": lambda w: {
        "asked": _tagging(w),
        "found": toggl.Tagged(frozenset([row.entry.remote_id for row in w.all("tagging")]), {}),
        "report": write_backs.Report(),
        "now": NOW,
    },
    "invoicing.due.write_backs._put_off": lambda w: {
        "workspace": w.one("workspaces"),
        "asked": _tagging(w),
        "error": RetryLater(Message("not_reached")),
        "now": NOW,
    },
    "invoicing.due.mails.budget_mails._notice": lambda w: {"firm": w.one("firm"), "found": _budgets(w), "now": NOW},
    "invoicing.ledger.locks.mark": lambda w: {"entries": [*w.ids("elsewhere"), *w.ids("open")], "now": NOW},
    "invoicing.ledger.states.decisions.hold": by(lambda w: {"entries": w.all("open"), "reason": "Agreed"}),
    "invoicing.ledger.states.decisions.write_off": by(lambda w: {"entries": w.all("held"), "reason": "Agreed"}),
    "invoicing.ledger.states.decisions.release": by(lambda w: {"entries": w.all("held")}),
    "invoicing.ledger.states.decisions.bill": by(lambda w: {"entries": w.all("doubtful")}),
    "invoicing.ledger.states.decisions.reopen": by(lambda w: {"entries": w.all("written_off")}),
    "invoicing.attention.decide.decide on a tag": by(
        lambda w: _decision(w, "unknown_tag", Remedy("product", tag="Advise", product="ADV"))
    ),
    "invoicing.attention.decide.decide on a client": by(
        lambda w: _decision(w, "no_vat", Remedy("customer", number="BE0999000030"))
    ),
    "invoicing.attention.decide.decide on the default": by(
        lambda w: _decision(w, "no_tag", Remedy("default", product="ADV"))
    ),
    "invoicing.attention.decide.decide to hold": by(lambda w: _decision(w, "no_vat", Remedy("hold", reason="Agreed"))),
    "invoicing.dossiers.firm.set_firm": by(
        lambda w: {"slug": "ours", "name": "Ours", "timezone": "Europe/London", "language": "nl"}
    ),
    "invoicing.dossiers.rules.create": by(lambda w: {"firm": w.one("firm"), "pairing": _pairing(w, key="new")}),
    "invoicing.dossiers.rules.set_dossiers": by(
        lambda w: {"firm": w.one("firm"), "pairings": [_pairing(w, key=row.key) for row in w.all("dossiers")]}
    ),
    "invoicing.dossiers.decide.change_rules": by(
        lambda w: {
            "dossier": w.one("dossiers"),
            "stated": rules.DossierRules(
                key=w.one("dossiers").key, name="Renamed on a page", start=w.one("dossiers").start_date
            ),
        }
    ),
    "invoicing.dossiers.decide.change_tags": by(
        lambda w: {"dossier": w.one("dossiers"), "stated": [TagRule(tag="new on a page", product="ADV")]}
    ),
    "invoicing.dossiers.decide.change_clients": by(
        lambda w: {"dossier": w.one("dossiers"), "stated": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.dossiers.decide.change_firm": by(
        lambda w: {"firm": w.one("firm"), "name": "On a page", "timezone": "Europe/London", "language": "nl"}
    ),
    "invoicing.dossiers.mappings.map_tags": by(
        lambda w: {"dossier": w.one("dossiers"), "rules": [TagRule(tag="new", product="ADV")]}
    ),
    "invoicing.dossiers.mappings.map_clients": by(
        lambda w: {"dossier": w.one("dossiers"), "rules": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.dossiers.mappings.unmap_tags": by(
        lambda w: {"dossier": w.one("dossiers"), "tags": w.one("dossiers").tag_mappings.values_list("tag", flat=True)}
    ),
    "invoicing.dossiers.mappings.unmap_clients": by(
        lambda w: {
            "dossier": w.one("dossiers"),
            "clients": w.one("dossiers").client_mappings.values_list("client_remote_id", flat=True),
        }
    ),
    "invoicing.dossiers.agreements.agreements.agree": by(
        lambda w: {"dossier": w.one("dossiers"), "terms": _terms("new", 999)}
    ),
    "invoicing.dossiers.agreements.agreements.change": by(
        lambda w: {"agreement": w.one("agreements"), "terms": _terms("", w.one("agreements").client_remote_id)}
    ),
    "invoicing.dossiers.agreements.agreements.end": by(lambda w: {"agreement": w.one("agreements"), "last_day": TODAY}),
    "invoicing.dossiers.agreements.agreements.set_agreements": by(
        lambda w: {"dossier": w.one("dossiers"), "agreements": [_terms("new", 999), _terms("newer", 998)]}
    ),
    "invoicing.dossiers.agreements.brought._bring": by(
        lambda w: {
            "agreement": w.one("advances"),
            "orders": {9_500_001: None},
            "whole": [answers.own_invoice(9_500_001, w.one("advances").number)],
            "read": None,
        }
    ),
    "invoicing.dossiers.agreements.brought.let_go": by(lambda w: {"brought": w.one("brought")}),
    "invoicing.posting.brought.take_over": lambda w: {
        "seen": [(row, Seen(Place.DELETED)) for row in w.all("brought")],
        "now": NOW,
    },
    "invoicing.corrections.fees._credit": by(
        lambda w: {"invoice": w.one("with a fee"), "lines": w.ids("fees"), "note": "", "read": None, "elsewhere": {}}
    ),
    "invoicing.drafting.settlement._settle": by(
        lambda w: {"agreement": w.one("advances"), "through": TODAY, "read": None}
    ),
    "invoicing.drafting.runs.draft_derived": by(lambda w: {"dossier": w.one("dossiers"), "cut_off": TODAY}),
    "invoicing.drafting.changing.discounts.write_line": by(
        lambda w: {"invoice": w.one("drafts"), "position": 1, "wish": Wish(per_cent=Decimal(5)), "reason": "As agreed"}
    ),
    "invoicing.drafting.blocks.order_block": by(lambda w: {"agreement": w.one("prepaid")}),
    "invoicing.drafting.changing.prices.bill_at_their_day": by(lambda w: {"invoice": w.one("earlier")}),
    "invoicing.drafting.changing.take_out.take_out": by(
        lambda w: {"invoice": w.one("earlier"), "entries": _billed(w.one("earlier"))[:1], "reason": "Wait"}
    ),
    "invoicing.drafting.runs.approve": by(lambda w: {"invoice": w.one("drafts")}),
    "invoicing.drafting.runs.void": by(lambda w: {"invoice": w.one("drafts")}),
    "invoicing.drafting.runs.void a credit note": by(lambda w: {"invoice": w.one("draft note")}),
    "invoicing.due.runs._draft": by(lambda w: {"dossier": w.one("dossiers"), "due": TODAY, "today": TODAY}),
    "invoicing.annexes.freeze._store": by(_annexes),
    "invoicing.evidence.pack.note": by(
        lambda w: {"dossier": w.one("dossiers"), "month": date(2026, 10, 1), "pack": Pack("0" * 64, 1, True)}
    ),
    "invoicing.due.annexes.take_due": lambda w: {"now": NOW + timedelta(hours=1)},
    "invoicing.due.posts._take": lambda w: {
        "chosen": [*Invoice.objects.order_by("-pk").values_list("pk", flat=True)],
        "now": NOW + timedelta(hours=1),
        "lease": timedelta(seconds=300),
    },
    "invoicing.due.posts.request": by(lambda w: {"invoice": w.one("approved"), "send": True}),
    "invoicing.due.deliveries._claim": lambda w: {
        "company": w.one("sent").company,
        "until": NOW + timedelta(hours=1),
        "now": NOW + timedelta(days=1),
    },
    "invoicing.due.deliveries.hasten": lambda w: {"company": w.one("sent").company, "now": NOW - timedelta(days=1)},
    "invoicing.due.posts.request_sends": by(lambda w: {"invoices": w.all("unsent")}),
    "invoicing.due.comparisons._later": lambda w: {
        "claimed": w.all("dossiers"),
        "until": NOW,
        "at": NOW,
        "why": Message("no_answer"),
    },
    "invoicing.reconciliation.reconcile._keep": lambda w: {
        "dossiers": w.all("dossiers"),
        "found": _findings(w),
        "now": NOW,
    },
    "invoicing.posting.post._claim": by(lambda w: {"orders": _orders(w), "asked_only": False}),
    "invoicing.posting.post.settle": by(lambda w: {"answers": _answers(w), "outcome": Attempt.Outcome.ACCEPTED}),
    "invoicing.posting.post._refuse": by(lambda w: _posting(w) | {"error": Refused(Message("refused"), status=400)}),
    "invoicing.posting.post.mark_in_doubt": by(
        lambda w: _posting(w) | {"reason": Message("no_answer"), "http_status": None}
    ),
    "invoicing.posting.attempts.never_left": lambda w: _posting(w) | {"by": BY, "now": NOW} | NOT_POSTED,
    "invoicing.due.wrong_clocks._of_table": lambda w: {
        "model": Invoice,
        "columns": [Bound(Invoice, "posting_since")],
        "now": NOW - timedelta(days=2),
    },
    "invoicing.posting.post._give_back": by(
        lambda w: {"unsent": _claimed(w), "unwell": RetryLater(Message("not_reached"))}
    ),
    "invoicing.posting.recover._post_anew": by(lambda w: {"invoice": w.one("in doubt"), "read": None}),
    "invoicing.posting.recover._back_to_approved": by(
        lambda w: {"invoice": w.one("in doubt"), "attempt": w.one("in doubt's attempt")}
    ),
    "invoicing.posting.sending.send._claim": by(
        lambda w: {"invoice": w.one("unsent"), "way": way.Way(Invoice.Way.PEPPOL, "0208:1"), "asked_only": False}
    ),
    "invoicing.posting.sending.send._settle": by(
        lambda w: {
            "invoice": w.one("sending"),
            "attempt": w.one("sending's attempts"),
            "answer": Message("sent_over_peppol"),
            "delivery": Invoice.Delivery.SENT,
            "outcome": Attempt.Outcome.ACCEPTED,
        }
    ),
    "invoicing.posting.read_first.take_over": lambda w: {
        "seen": [
            *((fresh(row), Seen(Place.STANDS, answers.summary(row))) for row in w.all("unsent")),
            *((fresh(row), Seen(Place.DELETED)) for row in w.all("sent")),
        ],
        "now": NOW,
    },
    "invoicing.posting.sending.deliveries._note_news": lambda w: {
        "invoice": w.one("sent"),
        "details": billit_rows.DeliveryDetails(True, "Delivered", NOW, "", None, "", ""),
        "now": NOW,
    },
    "invoicing.corrections.decide.accept": by(lambda w: {"correction": w.one("unsent's correction")}),
    "invoicing.corrections.decide._bill_next": by(
        lambda w: {"correction": w.one("unsent's correction"), "note": "", "read": None}
    ),
    "invoicing.corrections.decide.withdraw": by(lambda w: {"correction": w.one("decided")}),
    "invoicing.corrections.decide._credit": by(
        lambda w: {
            "correction": w.one("sent's correction"),
            "ids": [w.one("sent's correction").entry_id],
            "rebill": True,
            "note": "",
            "read": None,
            "elsewhere": {},
        }
    ),
    "invoicing.corrections.decide._credit entries": by(
        lambda w: {
            "correction": None,
            "ids": [entry.pk for entry in _billed(w.one("sent"))],
            "rebill": False,
            "note": "",
            "read": None,
            "elsewhere": {},
        }
    ),
    "invoicing.corrections.together._decide_under_locks": by(lambda w: answers.alike(w, "unsent", "accept")),
    "invoicing.corrections.together._decide_under_locks credit": by(lambda w: answers.alike(w, "sent", "credit")),
    "invoicing.reconciliation.acknowledge.acknowledge": by(lambda w: {"findings": w.all("drift"), "reason": "-"}),
    "invoicing.corrections.replace._claim": by(
        lambda w: {"correction": w.one("unsent's correction"), "invoice": w.one("unsent"), "read": None}
    ),
    "invoicing.corrections.replace._settle": by(lambda w: _replacing(w) | {"outcome": Attempt.Outcome.ACCEPTED}),
    "invoicing.corrections.replace._give_up": lambda w: (
        _replacing(w) | {"outcome": Attempt.Outcome.ABSENT, "answer": Message("not_deleted"), "now": NOW}
    ),
    "invoicing.corrections.replace._doubt": by(lambda w: _replacing(w) | {"error": NoAnswer(Message("no_answer"))}),
}
