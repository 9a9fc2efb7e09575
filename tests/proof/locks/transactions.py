"""Every transaction that writes, with what it is called with in the firm of ``world``.

A verb that asks a service does so between its transactions; here stand the transactions, by the name of the function.
What follows the name tells two uses of one function apart.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from integrations.clients import billit, billit_rows
from integrations.clients.billit_sign_in import Pair
from integrations.clients.failures import Message
from integrations.clients.transport import NoAnswer, Refused, RetryLater
from integrations.mirror.writing import Changes
from integrations.models import Entry
from invoicing.annexes import freeze
from invoicing.annexes.content import contents
from invoicing.attention import causes
from invoicing.attention.decide import Remedy
from invoicing.dossiers import rules
from invoicing.due.wrong_clocks import Bound
from invoicing.ledger.facts import Facts
from invoicing.models import Attempt, Dossier, Drift, Invoice
from invoicing.posting import post, way
from invoicing.posting.attempts import NOT_POSTED
from invoicing.posting.post import fresh
from invoicing.posting.read_first import Place, Seen
from invoicing.reconciliation.findings import Finding
from invoicing.rules.agreement import Agreement
from invoicing.rules.mapping import ClientRule, TagRule
from tests.factories import NOW
from tests.proof.locks import answers
from tests.proof.locks.world import BUYER, TODAY, World
from toggbill.firms.audit import Actor, Authority, News

BY = Actor("owner@example.com", "web 127.0.0.1", Authority.COMMAND)
Make = Callable[[World], dict[str, Any]]


def run(name: str, world: World) -> Callable[[], object]:
    """The transaction of this name, with what it is called with: ready to be run."""
    path, _, _what = name.partition(" ")
    module, _, function = path.rpartition(".")
    called = getattr(importlib.import_module(module), function)
    given = TRANSACTIONS[name](world)
    return lambda: called(**given)


def _by(make: Make) -> Make:
    return lambda w: make(w) | {"by": BY, "now": NOW}


def _annexes(w: World) -> dict[str, Any]:
    """One that was made, and one that could not be."""
    made, failed = w.all("approved")
    Dossier.objects.filter(pk=made.dossier_id).update(annex=True)
    digest = contents([made.pk])[made.pk].digest()
    files = {made.pk: freeze._Made(digest, "annex", b"%PDF-", b"")}
    return {"firm": made.firm, "made": files, "failed": {failed.pk: Message("annex_failed", {"why": ""})}}


def _without_annexes(w: World) -> dict[str, Any]:
    Dossier.objects.filter(invoices__in=w.all("approved")).update(annex=True)
    return {"now": NOW + timedelta(hours=1)}


def _decision(w: World, reason: str, remedy: Remedy) -> dict[str, Any]:
    dossier = w.one("dossiers")
    (found,) = [each for each in causes.decisions(dossier.ledger_rows.all()) if each.reason == reason]
    return {"dossier": dossier, "name": found.name, "remedy": remedy}


def _orders(w: World) -> list[tuple[Invoice, billit.Order]]:
    return [(fresh(row), answers.order(row)) for row in w.all("approved")]


def _answers(w: World) -> list[tuple[Invoice, Attempt, int]]:
    rows = [*zip(w.all("posting"), w.all("posting's attempts"), strict=True), (w.one("note"), w.one("note's attempt"))]
    return [(fresh(invoice), attempt, 5_000_001 + number) for number, (invoice, attempt) in enumerate(rows)]


def _claimed(w: World) -> list[Any]:
    rows = zip(w.all("posting"), w.all("posting's attempts"), strict=True)
    return [post._Claimed(invoice, answers.order(invoice), attempt) for invoice, attempt in rows]


def _chunk(w: World, name: str, *, billed: bool) -> dict[str, Any]:
    workspace = w.one("workspaces")
    entries = Entry.objects.filter(pk__in=w.ids(name))
    if billed:
        entries = Entry.objects.filter(corrections__isnull=False)
    return {
        "books": Facts.load(workspace),
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


_MEMBERS = "toggbill.firms.membership"
_ADDRESSES = "toggbill.firms.identity.addresses"
_CONNECTIONS = "integrations.connections"
_MIRROR = "integrations.mirror.writing"
PAIR = Pair("a" * 32, "r" * 32, 3600)

TRANSACTIONS: dict[str, Make] = {
    "toggbill.firms.audit.chain.record": _by(lambda w: {"firm": w.one("firm"), "news": [News("run", "dossier x", {})]}),
    f"{_MEMBERS}.members.change_role": _by(lambda w: {"membership": w.one("viewer"), "role": "manager"}),
    f"{_MEMBERS}.members.restrict": _by(lambda w: {"membership": w.one("viewer"), "dossiers": w.all("dossiers")}),
    f"{_MEMBERS}.members.change_reach": _by(
        lambda w: {"membership": w.one("viewer"), "role": "bookkeeper", "dossiers": w.all("dossiers")}
    ),
    f"{_MEMBERS}.members.want_heads": _by(lambda w: {"membership": w.one("owner"), "wanted": True}),
    f"{_MEMBERS}.members.choose_mails": _by(lambda w: {"membership": w.one("owner"), "wanted": ["week"]}),
    f"{_MEMBERS}.members.remove": _by(lambda w: {"membership": w.one("owner")}),
    f"{_MEMBERS}.members.require_mfa": _by(lambda w: {"firm": w.one("firm"), "wanted": True}),
    f"{_MEMBERS}.invitations.add_member": _by(
        lambda w: {"firm": w.one("firm"), "email": w.one("guest").email, "role": "manager"}
    ),
    f"{_MEMBERS}.invitations.invite": _by(
        lambda w: {"firm": w.one("firm"), "email": "new@example.com", "role": "manager"}
    ),
    f"{_MEMBERS}.invitations.renew": _by(lambda w: {"invitation": w.one("guest's invitation")}),
    f"{_MEMBERS}.invitations.revoke": _by(lambda w: {"invitation": w.one("guest's invitation")}),
    f"{_MEMBERS}.invitations.accept": lambda w: {
        "invitation": w.one("guest's invitation"),
        "user": w.one("guest"),
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.invitations.accept_as_new": lambda w: {
        "invitation": w.one("newcomer's invitation"),
        "name": "New",
        "password": "p" * 20,
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.lost_step.reset_by_owner": _by(lambda w: {"membership": w.one("lost"), "owner": w.one("owner").user}),
    f"{_MEMBERS}.lost_step.reset_by_operator": _by(lambda w: {"user": w.one("busy")}),
    f"{_MEMBERS}.signup.forget_unproven_accounts": lambda w: {"now": NOW},
    f"{_MEMBERS}.signup.open_asked_firm": lambda w: {
        "user": w.one("asking"),
        "language": "fr",
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.signup.open_firm": _by(lambda w: {"name": "Another", "language": "fr", "owner": w.one("viewer").user}),
    f"{_ADDRESSES}.change_address": _by(lambda w: {"user": w.one("busy"), "email": "given@example.com"}),
    f"{_ADDRESSES}.address_changed": _by(lambda w: {"user": w.one("busy"), "old": w.one("busy").email}),
    f"{_ADDRESSES}.tell_firms": _by(
        lambda w: {"user": w.one("busy"), "news": News("member_codes_made", "member x", {})}
    ),
    "toggbill.firms.accounts.bad_tries.record_lock": _by(lambda w: {"member": w.one("viewer")}),
    "toggbill.firms.admin.looks.record_look": _by(lambda w: {"operator": w.one("guest"), "shown": [w.one("firm")]}),
    "toggbill.firms.changes.change_firm": _by(lambda w: {"firm": w.one("firm"), "values": {"name": "Other"}}),
    "toggbill.leaving.closing.close": _by(lambda w: {"firm": w.one("firm")}),
    f"{_CONNECTIONS}.credentials.connect_toggl": _by(
        lambda w: {
            "firm": w.one("firm"),
            "key": w.one("read").key,
            "token": "t" * 32,
            "accept_partial": True,
            "access": answers.toggl_access(w),
        }
    ),
    f"{_CONNECTIONS}.credentials.connect_billit": _by(
        lambda w: {"firm": w.one("firm"), "key": "new", "api_key": "k" * 32}
    ),
    f"{_CONNECTIONS}.credentials.connect_billit_signed_in": _by(
        lambda w: {
            "firm": w.one("firm"),
            "key": w.one("signed in").key,
            "pair": PAIR,
            "access": answers.billit_access(w),
        }
    ),
    f"{_CONNECTIONS}.credentials.accept_partial": _by(lambda w: {"connection": w.one("read"), "accepted": True}),
    f"{_CONNECTIONS}.credentials.pause": _by(lambda w: {"connection": w.one("read")}),
    f"{_CONNECTIONS}.credentials.resume": _by(lambda w: {"connection": w.one("paused")}),
    f"{_CONNECTIONS}.credentials.remove": _by(lambda w: {"connection": w.one("read")}),
    f"{_CONNECTIONS}.credentials.choose workspaces": _by(
        lambda w: {
            "connection": w.one("read"),
            "access": answers.toggl_access(w),
            "ids": list(answers.toggl_access(w).workspaces),
        }
    ),
    f"{_CONNECTIONS}.credentials.choose companies": _by(
        lambda w: {
            "connection": w.one("signed in"),
            "access": answers.billit_access(w),
            "ids": [w.one("companies").party_id],
        }
    ),
    f"{_CONNECTIONS}.credentials.note_company": _by(
        lambda w: {
            "company": w.one("companies"),
            "found": answers.billit_access(w).companies[w.one("companies").party_id],
        }
    ),
    f"{_CONNECTIONS}.tokens._claimed": lambda w: {"connection": w.one("signed in"), "now": NOW},
    f"{_CONNECTIONS}.tokens._renew": lambda w: {"claimed": w.one("signed in"), "now": NOW},
    f"{_CONNECTIONS}.quota._reserve": lambda w: {"connection": w.one("read"), "distance": timedelta(seconds=1)},
    f"{_CONNECTIONS}.quota.note": lambda w: {
        "connection": w.one("read"),
        "organization_id": 0,
        "remaining": 2,
        "resets_in": 60,
        "now": NOW,
    },
    f"{_CONNECTIONS}.webhook_addresses.close_for": _by(lambda w: {"target": w.one("workspaces")}),
    f"{_MIRROR}.entries": lambda w: {
        "workspace": w.one("workspaces"),
        "read": answers.page(w),
        "changes": Changes(),
        "now": NOW,
    },
    f"{_MIRROR}.delete_entries": lambda w: {
        "rows": [*w.ids("marked"), *w.ids("open")],
        "changes": Changes(),
        "now": NOW,
    },
    f"{_MIRROR}.clients": answers.clients,
    f"{_MIRROR}.projects": answers.projects,
    f"{_MIRROR}.settle_projects": lambda w: {"workspace": w.one("workspaces")},
    f"{_MIRROR}.settle_clients": lambda w: {"workspace": w.one("workspaces")},
    f"{_MIRROR}.products": answers.products,
    f"{_MIRROR}.customers": answers.customers,
    "invoicing.ledger.derive.mark_company_changes": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.ledger.derive.propose_customers": lambda w: {"workspace": w.one("workspaces"), "now": NOW},
    "invoicing.ledger.derive._derive_chunk of free entries": lambda w: _chunk(w, "marked", billed=False),
    "invoicing.ledger.derive._derive_chunk of billed entries": lambda w: _chunk(w, "marked", billed=True),
    "invoicing.ledger.derive._pin": lambda w: {
        "pins": {(w.one("companies").pk, "BE0999000030"): BUYER},
        "firm": w.one("firm"),
        "now": NOW,
    },
    "invoicing.ledger.months._spread": lambda w: {"dossier": w.one("dossiers")},
    "invoicing.ledger.months._prove": lambda w: {"ids": w.ids("dossiers"), "month": date(2026, 10, 1), "now": NOW},
    "invoicing.ledger.months._recount": lambda w: {
        "dossier": w.one("dossiers"),
        "month": date(2026, 10, 1),
        "now": NOW,
    },
    "invoicing.ledger.locks.mark": lambda w: {"entries": [*w.ids("elsewhere"), *w.ids("open")], "now": NOW},
    "invoicing.ledger.decisions.hold": _by(lambda w: {"entries": w.all("open"), "reason": "Agreed"}),
    "invoicing.ledger.decisions.write_off": _by(lambda w: {"entries": w.all("held"), "reason": "Agreed"}),
    "invoicing.ledger.decisions.release": _by(lambda w: {"entries": w.all("held")}),
    "invoicing.ledger.decisions.bill": _by(lambda w: {"entries": w.all("doubtful")}),
    "invoicing.ledger.decisions.reopen": _by(lambda w: {"entries": w.all("written_off")}),
    "invoicing.attention.decide.decide on a tag": _by(
        lambda w: _decision(w, "unknown_tag", Remedy("product", tag="Advise", product="ADV"))
    ),
    "invoicing.attention.decide.decide on a client": _by(
        lambda w: _decision(w, "no_vat", Remedy("customer", number="BE0999000030"))
    ),
    "invoicing.attention.decide.decide on the default": _by(
        lambda w: _decision(w, "no_tag", Remedy("default", product="ADV"))
    ),
    "invoicing.attention.decide.decide to hold": _by(lambda w: _decision(w, "no_vat", Remedy("hold", reason="Agreed"))),
    "invoicing.dossiers.firm.set_firm": _by(
        lambda w: {"slug": "ours", "name": "Ours", "timezone": "Europe/London", "language": "nl"}
    ),
    "invoicing.dossiers.rules.create": _by(lambda w: {"firm": w.one("firm"), "pairing": _pairing(w, key="new")}),
    "invoicing.dossiers.rules.set_dossiers": _by(
        lambda w: {"firm": w.one("firm"), "pairings": [_pairing(w, key=row.key) for row in w.all("dossiers")]}
    ),
    "invoicing.dossiers.decide.change_rules": _by(
        lambda w: {
            "dossier": w.one("dossiers"),
            "stated": rules.DossierRules(
                key=w.one("dossiers").key, name="Renamed on a page", start=w.one("dossiers").start_date
            ),
        }
    ),
    "invoicing.dossiers.decide.change_tags": _by(
        lambda w: {"dossier": w.one("dossiers"), "stated": [TagRule(tag="new on a page", product="ADV")]}
    ),
    "invoicing.dossiers.decide.change_clients": _by(
        lambda w: {"dossier": w.one("dossiers"), "stated": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.dossiers.decide.change_firm": _by(
        lambda w: {"firm": w.one("firm"), "name": "On a page", "timezone": "Europe/London", "language": "nl"}
    ),
    "invoicing.dossiers.mappings.map_tags": _by(
        lambda w: {"dossier": w.one("dossiers"), "rules": [TagRule(tag="new", product="ADV")]}
    ),
    "invoicing.dossiers.mappings.map_clients": _by(
        lambda w: {"dossier": w.one("dossiers"), "rules": [ClientRule(client_id=501, number="BE0999000030")]}
    ),
    "invoicing.dossiers.mappings.unmap_tags": _by(
        lambda w: {"dossier": w.one("dossiers"), "tags": w.one("dossiers").tag_mappings.values_list("tag", flat=True)}
    ),
    "invoicing.dossiers.mappings.unmap_clients": _by(
        lambda w: {
            "dossier": w.one("dossiers"),
            "clients": w.one("dossiers").client_mappings.values_list("client_remote_id", flat=True),
        }
    ),
    "invoicing.dossiers.agreements.agree": _by(lambda w: {"dossier": w.one("dossiers"), "terms": _terms("new", 999)}),
    "invoicing.dossiers.agreements.change": _by(
        lambda w: {"agreement": w.one("agreements"), "terms": _terms("", w.one("agreements").client_remote_id)}
    ),
    "invoicing.dossiers.agreements.end": _by(lambda w: {"agreement": w.one("agreements"), "last_day": TODAY}),
    "invoicing.dossiers.agreements.set_agreements": _by(
        lambda w: {"dossier": w.one("dossiers"), "agreements": [_terms("new", 999), _terms("newer", 998)]}
    ),
    "invoicing.corrections.fees._credit": _by(
        lambda w: {"invoice": w.one("with a fee"), "lines": w.ids("fees"), "note": "", "read": None}
    ),
    "invoicing.drafting.runs.draft_derived": _by(lambda w: {"dossier": w.one("dossiers"), "cut_off": TODAY}),
    "invoicing.drafting.prices.bill_at_their_day": _by(lambda w: {"invoice": w.one("earlier")}),
    "integrations.mirror.prices.correct_day": _by(
        lambda w: {"price": w.one("prices"), "since": TODAY - timedelta(days=3)}
    ),
    "invoicing.drafting.runs.approve": _by(lambda w: {"invoice": w.one("drafts")}),
    "invoicing.drafting.runs.void": _by(lambda w: {"invoice": w.one("drafts")}),
    "invoicing.drafting.runs.void a credit note": _by(lambda w: {"invoice": w.one("draft note")}),
    "invoicing.due.runs._draft": _by(lambda w: {"dossier": w.one("dossiers"), "due": TODAY, "today": TODAY}),
    "invoicing.annexes.freeze._store": _by(_annexes),
    "invoicing.due.annexes.take_due": _without_annexes,
    "invoicing.due.posts.take_due": lambda w: {"now": NOW + timedelta(hours=1)},
    "invoicing.due.posts.request": _by(lambda w: {"invoice": w.one("approved"), "send": True}),
    "invoicing.due.deliveries._claim": lambda w: {
        "company": w.one("sent").company,
        "until": NOW + timedelta(hours=1),
        "now": NOW + timedelta(days=1),
    },
    "invoicing.due.deliveries.hasten": lambda w: {"company": w.one("sent").company, "now": NOW - timedelta(days=1)},
    "invoicing.due.posts.request_sends": _by(lambda w: {"invoices": w.all("unsent")}),
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
    "invoicing.posting.post._claim": _by(lambda w: {"orders": _orders(w), "asked_only": False}),
    "invoicing.posting.post.settle": _by(lambda w: {"answers": _answers(w), "outcome": Attempt.Outcome.ACCEPTED}),
    "invoicing.posting.post._refuse": _by(lambda w: _posting(w) | {"error": Refused(Message("refused"), status=400)}),
    "invoicing.posting.post.mark_in_doubt": _by(
        lambda w: _posting(w) | {"reason": Message("no_answer"), "http_status": None}
    ),
    "invoicing.posting.attempts.never_left": lambda w: _posting(w) | {"by": BY, "now": NOW} | NOT_POSTED,
    "invoicing.due.wrong_clocks._of_table": lambda w: {
        "model": Invoice,
        "columns": [Bound(Invoice, "posting_since")],
        "now": NOW - timedelta(days=2),
    },
    "invoicing.posting.post._give_back": _by(
        lambda w: {"unsent": _claimed(w), "unwell": RetryLater(Message("not_reached"))}
    ),
    "invoicing.posting.recover.post_anew": _by(lambda w: {"invoice": w.one("in doubt")}),
    "invoicing.posting.recover._back_to_approved": _by(
        lambda w: {"invoice": w.one("in doubt"), "attempt": w.one("in doubt's attempt")}
    ),
    "invoicing.posting.send._claim": _by(
        lambda w: {"invoice": w.one("unsent"), "way": way.Way(Invoice.Way.PEPPOL, "0208:1"), "asked_only": False}
    ),
    "invoicing.posting.send._settle": _by(
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
    "invoicing.posting.deliveries._note_news": lambda w: {
        "invoice": w.one("sent"),
        "details": billit_rows.DeliveryDetails(True, "Delivered", NOW, "", None, "", ""),
        "now": NOW,
    },
    "invoicing.corrections.decide.accept": _by(lambda w: {"correction": w.one("unsent's correction")}),
    "invoicing.corrections.decide._bill_next": _by(
        lambda w: {"correction": w.one("unsent's correction"), "note": "", "read": None}
    ),
    "invoicing.corrections.decide.withdraw": _by(lambda w: {"correction": w.one("decided")}),
    "invoicing.corrections.decide._credit": _by(
        lambda w: {
            "correction": w.one("sent's correction"),
            "ids": [w.one("sent's correction").entry_id],
            "rebill": True,
            "note": "",
            "read": None,
        }
    ),
    "invoicing.corrections.decide._credit entries": _by(
        lambda w: {
            "correction": None,
            "ids": [entry.pk for entry in _billed(w.one("sent"))],
            "rebill": False,
            "note": "",
            "read": None,
        }
    ),
    "invoicing.corrections.together._decide_under_locks": _by(lambda w: answers.alike(w, "unsent", "accept")),
    "invoicing.corrections.together._decide_under_locks credit": _by(lambda w: answers.alike(w, "sent", "credit")),
    "invoicing.reconciliation.acknowledge.acknowledge": _by(lambda w: {"findings": w.all("drift"), "reason": "-"}),
    "invoicing.corrections.replace._claim": _by(
        lambda w: {"correction": w.one("unsent's correction"), "invoice": w.one("unsent"), "read": None}
    ),
    "invoicing.corrections.replace._settle": _by(lambda w: _replacing(w) | {"outcome": Attempt.Outcome.ACCEPTED}),
    "invoicing.corrections.replace._give_up": lambda w: (
        _replacing(w) | {"outcome": Attempt.Outcome.ABSENT, "answer": Message("not_deleted"), "now": NOW}
    ),
    "invoicing.corrections.replace._doubt": _by(lambda w: _replacing(w) | {"error": NoAnswer(Message("no_answer"))}),
}

INSIDE = {
    # Functions with a transaction that are raced as part of another one, or need not be.
    "integrations.connections.credentials._connect",
    "integrations.connections.credentials._drop",
    "invoicing.dossiers.mappings._unmap",
    "invoicing.dossiers.rules._set",
    "invoicing.ledger.decisions._decide",
    "toggbill.firms.accounts.bad_tries._record",
    "toggbill.firms.admin.looks._record",
    "toggbill.firms.membership.signup.SignupForm.save",
    "toggbill.database.bulk.insert",
    "toggbill.database.bulk.upsert",
    # Verbs of the table above, in one transaction.
    "invoicing.admin.records.InvoiceAdmin._each",
    "invoicing.admin.previews.SheetResource.import_data_inner",
    "invoicing.admin.trial.TrialMixin.changeform_view",
    "toggbill.firms.accounts.urls._with_its_event.together",
    "toggbill.onboarding.writing.write",
    # It reads.
    "toggbill.firms.audit.verification._one_moment",
    # One row at a time.
    "integrations.connections.key_rotation.rotate",
    # It leaves alone what somebody else has locked.
    "invoicing.ledger.months.add_up",
    # One statement.
    "toggbill.firms.identity.addresses.vouch_for",
    "integrations.connections.webhook_addresses.open_for",
    "invoicing.reconciliation.reconcile.reconcile",
    # Of the tables themselves.
    "toggbill.database.triggers.install",
    "toggbill.database.triggers.remove",
}

SEVERAL = {
    "invoicing.due.posts.request_send",
    # Verbs of several transactions, all of which stand above, with questions to a service in between.
    "integrations.connections.webhook_addresses.open_for",
    "invoicing.annexes.freeze.freeze",
    "invoicing.posting.attachments.files_of",
    "invoicing.corrections.decide.bill_next",
    "invoicing.corrections.fees.credit_lines",
    "invoicing.corrections.decide.credit",
    "invoicing.corrections.replace.bill_anew",
    "invoicing.corrections.together.decide",
    "invoicing.corrections.replace.recover_replacement",
    "invoicing.corrections.replace.replace",
    "invoicing.drafting.runs.draft",
    "invoicing.due.posts.send_off",
    "invoicing.due.posts.work_off",
    "invoicing.due.runs.serve",
    "invoicing.posting.post.post",
    "invoicing.posting.post.post_together",
    "invoicing.posting.recover.recover",
    "invoicing.posting.recover.recover_together",
    "invoicing.posting.send.send",
    "invoicing.posting.send.send_together",
    "invoicing.web.invoices.together.each",
    # An event alone.
    "toggbill.leaving.archive.write",
    # Parts, under the locks of the transactions that they are in.
    "integrations.connections.credentials.take_company",
    "invoicing.corrections.decide.draft_credit",
    "invoicing.drafting.runs.draft_again",
    "invoicing.ledger.differences.decide",
}
