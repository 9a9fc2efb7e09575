"""Every transaction that writes, with what it is called with in the firm of ``world``.

A verb that asks a service does so between its transactions; here stand the transactions, by the name of the function.
What follows the name tells two uses of one function apart.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from tests.proof.locks.of_invoicing import INVOICING
from tests.proof.locks.of_site import SITE
from tests.proof.locks.told import Make
from tests.proof.locks.world import World

TRANSACTIONS: dict[str, Make] = SITE | INVOICING


def run(name: str, world: World) -> Callable[[], object]:
    """The transaction of this name, with what it is called with: ready to be run."""
    path, _, _what = name.partition(" ")
    module, _, function = path.rpartition(".")
    called = getattr(importlib.import_module(module), function)
    given = TRANSACTIONS[name](world)
    return lambda: called(**given)


INSIDE = {
    # Functions with a transaction that are raced as part of another one, or need not be.
    "integrations.connections.credentials._connect",
    "integrations.connections.choosing._drop",
    "invoicing.dossiers.mappings._unmap",
    "invoicing.dossiers.rules._set",
    "invoicing.ledger.states.decisions._decide",
    "toggbill.firms.accounts.bad_tries._record",
    "toggbill.firms.admin.looks._record",
    "toggbill.firms.membership.signup.SignupForm.save",
    "toggbill.database.bulk.insert",
    "toggbill.database.bulk.upsert",
    # Verbs of the table above, in one transaction.
    "integrations.admin.ConnectionAdmin._each",
    "invoicing.admin.records.InvoiceAdmin._each",
    "invoicing.management.commands.agreement.Command._bring",
    "invoicing.management.commands.agreement.Command._order",
    "invoicing.admin.previews.SheetResource.import_data_inner",
    "invoicing.admin.trial.TrialMixin.changeform_view",
    "toggbill.firms.accounts.urls._with_its_event.together",
    "toggbill.onboarding.writing.write",
    # It reads.
    "toggbill.firms.audit.verification.one_moment",
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
    "invoicing.evidence.pack.make",
    "invoicing.posting.attachments.files_of",
    "invoicing.corrections.decide.bill_next",
    "invoicing.corrections.fees.credit_lines",
    "invoicing.dossiers.agreements.brought.bring_advance",
    "invoicing.corrections.decide.credit",
    "invoicing.corrections.replace.bill_anew",
    "invoicing.corrections.together.decide",
    "invoicing.corrections.replace.recover_replacement",
    "invoicing.corrections.replace.replace",
    "invoicing.drafting.runs.draft",
    "invoicing.drafting.settlement.settle",
    "invoicing.due.posts.send_off",
    "invoicing.due.posts.work_off",
    "invoicing.due.runs.serve",
    "invoicing.posting.post.post",
    "invoicing.posting.post.post_together",
    "invoicing.posting.recover.post_anew",
    "invoicing.posting.recover.recover",
    "invoicing.posting.recover.recover_together",
    "invoicing.posting.sending.send.send",
    "invoicing.posting.sending.send.send_together",
    "invoicing.web.invoices.together.each",
    # An event alone.
    "toggbill.leaving.archive.write",
    # Parts, under the locks of the transactions that they are in.
    "integrations.connections.choosing.take_company",
    "invoicing.corrections.decide.draft_credit",
    "invoicing.drafting.runs.draft_again",
    "invoicing.ledger.states.differences.decide",
}
