"""No verb is forgotten: each is tried with every role, and takes what was read or is known to need it not."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import invoicing
import toggbill.urls  # noqa: F401 - registers the converters of addresses before every module is imported
from tests.invoicing.deciding.verbs import VERBS
from tests.invoicing.scene import Scene

Make = Callable[..., Scene]

# What a person does not decide on the figures of a page: the run reads the hours itself; a worker or a command goes on
# with what somebody asked for; part of another verb.
OTHERS = {
    "annexes.freeze.freeze",
    "corrections.decide.draft_credit",
    "corrections.replace.recover_replacement",
    "drafting.runs.draft_again",
    "dossiers.agreements.agreements.agree",
    "dossiers.agreements.agreements.set_agreements",
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
    # What a pack tells is what it has read itself.
    "evidence.pack.make",
    "evidence.pack.note",
    "ledger.states.differences.decide",
    "posting.attachments.files_of",
    "posting.attempts.never_left",
    "posting.post.mark_in_doubt",
    "posting.post.post",
    "posting.post.post_together",
    "posting.post.settle",
    "posting.recover.recover",
    "posting.recover.recover_together",
    "posting.sending.send.send",
    "posting.sending.send.send_together",
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
