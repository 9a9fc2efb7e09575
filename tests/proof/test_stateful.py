"""Whatever is done in whatever order, an hour stands on at most one live line and no hour disappears.

More of it: PROOF_EXAMPLES=500 pytest tests/proof/test_stateful.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import Any, ClassVar, TypeVar

import pytest
import requests
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from integrations.clients.transport import ServiceError
from integrations.models import Entry
from invoicing.corrections import decide as corrections
from invoicing.corrections import replace
from invoicing.dossiers import mappings
from invoicing.drafting import runs
from invoicing.ledger import decisions, derive
from invoicing.models import Correction, Dossier, Invoice
from invoicing.posting import read_back as reading_back
from invoicing.posting import recover as doubt
from invoicing.reconciliation import reconcile
from invoicing.rules.mapping import ClientRule, TagRule
from tests.invoicing.scene import BY, Scene
from tests.proof.assertions import figures, prove, wrong
from tests.worlds import (
    ANOTHER_PROJECT,
    ANOTHER_WORKSPACE,
    BAKERY,
    BAKERY_PARTY,
    BAKERY_PROJECT,
    COMPANY,
    FIRST_ENTRY,
    GARAGE,
    GARAGE_PARTY,
    GARAGE_PROJECT,
    NOW,
    TOKEN,
    WORKSPACE,
    entry,
    small_world,
    with_another_workspace,
)
from toggbill.firms.errors import NotPossible

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "8"))
STEPS = int(os.environ.get("PROOF_STEPS", "25"))
TODAY = date(2026, 11, 20)
MERGED, ELSEWHERE = 100, 7999
"""What a merged customer has more in its number, and where one stands that the company has no more."""
# The answers of Billit to a new order, each with what the sandbox needs to know of it.
ANSWERS: dict[str, dict[str, Any]] = {
    "well": {},
    "cut_before": {},
    "cut_after": {},
    "html500": {},
    "truncate": {},
    "refused": {"kind": "status", "status": 400, "body": {"errors": [{"Code": "X", "Description": "No."}]}},
    "too_many": {"retry_after": 1},
    "used": {"kind": "status", "status": 409},
}
Any_ = st.integers(0, 99)
Minutes = st.integers(1, 240)
Projects = st.sampled_from([GARAGE_PROJECT, BAKERY_PROJECT])
Tags = st.sampled_from(["Advice", "Books", "Nothing", "Gift"])
_VERBS: dict[str, Callable[..., object]] = {
    "accept": corrections.accept,
    "bill_next": corrections.bill_next,
    "replace": replace.replace,
}
_Row = TypeVar("_Row")


def pick(rows: Iterable[_Row], number: int) -> _Row | None:
    """One of the rows, or None when there is none."""
    found = list(rows)
    return found[number % len(found)] if found else None


class Billing(RuleBasedStateMachine):
    """Toggl, people, workers and Billit, each doing what they like to one firm."""

    make: Callable[..., Scene]
    more: ClassVar[dict[str, Any]] = {}
    made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1
        world = with_another_workspace(small_world(group_by="entry", tags=TAGS, **self.more))
        world["firm"]["slug"] = f"small-{self.made}"
        self.books = type(self).make(world)
        self.books.at(NOW)
        self.serial = 6
        self.there = {1, 2, 3, 4, 5}
        # One invoice posted and one approved, so that few steps suffice to get anywhere.
        self.books.draft(TODAY)
        approved = self.books.approve()
        self.books.post(approved[0])

    # --- Toggl ------------------------------------------------------------------------------------------------------

    @rule(project=Projects, minutes=Minutes, tag=Tags, day=st.integers(1, 19))
    def work(self, project: int, minutes: int, tag: str, day: int) -> None:
        if self._has("projects", project):
            self.serial += 1
            self.there.add(self.serial)
            row = entry(self.serial, f"2026-11-{day:02}", seconds=minutes * 60, project_id=project, tag=tag)
            self.books.control.put_entries(row)

    @rule(number=Any_, minutes=Minutes)
    def edit(self, number: int, minutes: int) -> None:
        self._change(number, lambda there: entry(0, there["start"], seconds=minutes * 60)["stop"], "stop")

    @rule(number=Any_, tag=Tags)
    def retag(self, number: int, tag: str) -> None:
        self._change(number, lambda _: [tag], "tags")

    @rule(number=Any_, project=Projects)
    def move(self, number: int, project: int) -> None:
        if self._has("projects", project):
            self._change(number, lambda _: project, "project_id")

    @rule(number=Any_)
    def delete(self, number: int) -> None:
        serial = pick(sorted(self.there), number)
        if serial is not None:
            self.there.remove(serial)
            self.books.control.delete_entries(FIRST_ENTRY + serial)

    @rule(number=Any_, flag=st.booleans())
    def flag(self, number: int, flag: bool) -> None:
        self._change(number, lambda _: flag, "billable")

    @rule(number=Any_, words=st.sampled_from(["Other words", ""]))
    def reword(self, number: int, words: str) -> None:
        self._change(number, lambda _: words, "description")

    @rule(names=st.permutations(["Advice", "Counsel"]))
    def rename_a_tag(self, names: list[str]) -> None:
        self._rename("tags", names[0], names[1])

    @rule(tag=st.sampled_from(["Books", "Nothing", "Gift"]))
    def delete_a_tag(self, tag: str) -> None:
        self._delete("tags", tag)

    @rule(project=Projects, client=st.sampled_from([GARAGE, BAKERY]))
    def give_a_project_to_a_client(self, project: int, client: int) -> None:
        """Both to one: two clients are merged."""
        if self._has("clients", client) and self._has("projects", project):
            self.books.control.put_toggl("projects", {"id": project, "client_id": client})

    @rule(client=st.sampled_from([GARAGE, BAKERY]), name=st.sampled_from(["Renamed", "Archived"]))
    def rename_a_client(self, client: int, name: str) -> None:
        if self._has("clients", client):
            self.books.control.put_toggl("clients", {"id": client, "name": name, "archived": name == "Archived"})

    @rule()
    def delete_a_client(self) -> None:
        if self._has("clients", BAKERY):
            self._ask_toggl("DELETE", f"clients/{BAKERY}")

    @rule()
    def delete_a_project(self) -> None:
        if self._has("projects", BAKERY_PROJECT):
            self._ask_toggl("DELETE", f"projects/{BAKERY_PROJECT}")

    @rule(number=Any_, there=st.booleans())
    def move_to_a_workspace(self, number: int, there: bool) -> None:
        """The entry keeps its id."""
        serial = pick(sorted(self.there), number)
        if serial is not None:
            place = (ANOTHER_WORKSPACE, ANOTHER_PROJECT) if there else (WORKSPACE, GARAGE_PROJECT)
            moved = dict(zip(("workspace_id", "project_id"), place, strict=True))
            self.books.control.put_entries({"id": FIRST_ENTRY + serial, **moved})

    def _dossiers(self) -> QuerySet[Dossier]:
        rows = Dossier.objects.filter(firm=self.books.firm).order_by("pk")
        return rows.select_related("firm", "workspace__connection", "workspace__firm", "company__connection")

    @rule(minutes=st.sampled_from([0, 15, 30]), level=st.sampled_from(["entry", "line"]))
    def round_otherwise(self, minutes: int, level: str) -> None:
        self.books.rules(rounding_minutes=minutes, rounding_level=level)
        derive.derive_marked(now=timezone.now())

    @rule(billable=st.sampled_from(["all", "flagged"]), default=st.sampled_from(["", "CPT"]))
    def judge_otherwise(self, billable: str, default: str) -> None:
        self.books.rules(billable=billable, default_product=default, longest_hours=3 if default else 16)
        derive.derive_marked(now=timezone.now())

    @rule(tag=st.sampled_from(["Advice", "Books", "Nothing"]), product=st.sampled_from(["ADV", "FIS", "LOST", ""]))
    def map_a_tag(self, tag: str, product: str) -> None:
        """To a product, to one that is not there, or to *do not bill*."""
        row = TagRule(tag, product, bill=bool(product))
        mappings.map_tags(dossier=self.books.dossier, rules=[row], by=BY, now=timezone.now())
        derive.derive_marked(now=timezone.now())

    @rule(client=st.sampled_from([GARAGE, BAKERY]), party=st.sampled_from([GARAGE_PARTY, BAKERY_PARTY, None]))
    def map_a_client(self, client: int, party: int | None) -> None:
        """Both to one: two customers are merged. None: whom the name says."""
        asked: dict[str, Any] = {"dossier": self.books.dossier, "by": BY, "now": timezone.now()}
        if party is None:
            mappings.unmap_clients(clients=[client], **asked)
        else:
            mappings.map_clients(rules=[ClientRule(client, party_id=party)], **asked)
        derive.derive_marked(now=timezone.now())

    @rule(party=st.sampled_from([GARAGE_PARTY, BAKERY_PARTY]), gone=st.booleans())
    def merge_customers_in_billit(self, party: int, gone: bool) -> None:
        """Into a new one with its number, as after a merge by hand; or back to the old one."""
        rows = {row["PartyID"]: row for row in self.books.control.world()["billit"]["parties"]}
        self.books.control.put_billit(
            "parties",
            {"PartyID": party, "CompanyID": ELSEWHERE if gone else COMPANY},
            {**rows[party], "PartyID": party + MERGED, "CompanyID": COMPANY if gone else ELSEWHERE},
        )

    @rule(party=st.sampled_from([GARAGE_PARTY, BAKERY_PARTY]))
    def point_a_client_to_the_merged_customer(self, party: int) -> None:
        client = GARAGE if party == GARAGE_PARTY else BAKERY
        self.map_a_client(client=client, party=party + MERGED)

    def _has(self, kind: str, number: int) -> bool:
        return any(row["id"] == number for row in self.books.control.world()["toggl"][kind])

    def _rename(self, kind: str, name: str, new: str) -> None:
        rows = [row for row in self.books.control.world()["toggl"][kind] if row["workspace_id"] == WORKSPACE]
        if new not in {row["name"] for row in rows}:
            for row in rows:
                if row["name"] == name:
                    self.books.control.put_toggl(kind, {"id": row["id"], "name": new})

    def _delete(self, kind: str, name: str) -> None:
        for row in self.books.control.world()["toggl"][kind]:
            if row["name"] == name and row["workspace_id"] == WORKSPACE:
                self._ask_toggl("DELETE", f"{kind}/{row['id']}")

    def _ask_toggl(self, method: str, path: str) -> None:
        address = f"{self.books.sandbox.toggl_url}/api/v9/workspaces/{WORKSPACE}/{path}"
        answer = requests.request(method, address, auth=(TOKEN, "api_token"), timeout=10)
        assert answer.status_code == 200, answer.text

    def _change(self, number: int, value: Callable[[dict[str, Any]], object], name: str) -> None:
        serial = pick(sorted(self.there), number)
        if serial is not None:
            rows = self.books.control.world()["toggl"]["entries"]
            there = next(row for row in rows if row["id"] == FIRST_ENTRY + serial)
            self.books.control.put_entries({"id": there["id"], name: value(there)})

    # --- workers and the clock ----------------------------------------------------------------------------------------

    @rule()
    def sync(self) -> None:
        self.books.sync()

    @rule(key=st.sampled_from(["small", "another"]))
    def draft(self, key: str) -> None:
        runs.draft(dossier=self._dossiers().get(key=key), cut_off=TODAY, by=BY, now=timezone.now())

    @rule(minutes=st.sampled_from([1, 3, 10]))
    def time_passes(self, minutes: int) -> None:
        self.books.later(minutes=minutes)

    @rule(number=Any_, answer=st.sampled_from(sorted(ANSWERS)))
    def post(self, number: int, answer: str) -> None:
        invoice = pick(self.books.invoices(status="approved"), number)
        if invoice is None:
            return
        if answer == "well":
            self._post(invoice)
        else:
            fields = dict(ANSWERS[answer])
            with self.books.fault(fields.pop("kind", answer), times=1, **fields):
                self._post(invoice)

    @rule(number=Any_, done=st.booleans())
    def kill(self, number: int, done: bool) -> None:
        """The worker dies with the order made, or not made; the row stays as it was."""
        invoice = pick(self.books.invoices(status="approved"), number)
        if invoice is not None:
            with suppress(ServiceError, NotPossible):
                self.books.die_posting(invoice, done=done)

    @rule(number=Any_)
    def recover(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["posting", "in_doubt"]), number)
        if invoice is not None:
            self.books.recover(invoice)
        for replaced in replace.due_replacements(now=timezone.now()):
            replace.recover_replacement(invoice=replaced, by=BY, now=timezone.now())

    @rule()
    def read_back(self) -> None:
        reading_back.read_back(company=self.books.dossier.company, now=timezone.now())

    @rule()
    def reconcile(self) -> None:
        report = reconcile.reconcile(dossiers=list(self._dossiers()), now=timezone.now())
        unknown = set(self.books.invoices(status__in=["posting", "in_doubt"]).values_list("reference", flat=True))
        assert [row for row in report.drift if row.kind.startswith("order") and row.reference not in unknown] == []

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(number=Any_)
    def approve(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["draft", "refused"]), number)
        if invoice is not None:
            with suppress(NotPossible):
                self.books.approve(invoice)

    @rule(number=Any_)
    def void(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["draft", "approved", "refused"]), number)
        if invoice is not None:
            runs.void(invoice=invoice, by=BY, now=timezone.now())

    @rule(number=Any_)
    def send(self, number: int) -> None:
        invoice = pick(self.books.invoices(status="posted", delivery="not_sent"), number)
        if invoice is not None:
            with suppress(NotPossible):
                self.books.send(invoice)

    @rule(number=Any_, how=st.sampled_from(["accept", "bill_next", "replace", "credit", "credit and bill"]))
    def correct(self, number: int, how: str) -> None:
        opened = Correction.objects.filter(firm=self.books.firm, decision="open").order_by("entry__remote_id", "pk")
        correction = pick(opened, number)
        if correction is None:
            return
        asked: dict[str, Any] = {"correction": correction, "by": BY, "now": timezone.now()}
        with suppress(NotPossible):
            if how.startswith("credit"):
                corrections.credit(**asked, rebill=how == "credit and bill")
            else:
                _VERBS[how](**asked)

    @rule(number=Any_, cut=st.sampled_from(["cut_before", "cut_after"]))
    def replace_without_an_answer(self, number: int, cut: str) -> None:
        with self.books.fault(cut, method="DELETE", path=r"^/v1/orders/\d+$"):
            self.correct(number=number, how="replace")

    @rule(number=Any_, verb=st.sampled_from(["hold", "release", "write_off", "reopen"]))
    def decide(self, number: int, verb: str) -> None:
        row = pick(Entry.objects.filter(firm=self.books.firm).order_by("remote_id"), number)
        if row is not None:
            reason = {"reason": "for now"} if verb in ("hold", "write_off") else {}
            with suppress(NotPossible):
                getattr(decisions, verb)(entries=[row], by=BY, now=timezone.now(), **reason)

    @rule(number=Any_)
    def post_anew(self, number: int) -> None:
        """A person looks at Billit, and finds nothing."""
        there = {order["ExternalProviderID"] for order in self.books.control.orders()}
        left = self.books.invoices(status="in_doubt", needs_person=True).exclude(reference__in=there)
        invoice = pick(left, number)
        if invoice is not None:
            doubt.post_anew(invoice=invoice, by=BY, now=timezone.now())

    def _post(self, invoice: Invoice) -> None:
        with suppress(ServiceError, NotPossible):
            self.books.post(invoice)

    # --- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_twice_and_nothing_lost(self) -> None:
        found = figures(self.books.firm, self.books.control, mirrored=False)
        assert wrong(found) == {}, found

    def teardown(self) -> None:
        """Left alone for a while, all comes to an end, and the end is right."""
        self.books.control.faults()
        for _ in range(4):
            self.books.later(minutes=10)
            for number in range(len(self.books.invoices(status__in=["posting", "in_doubt"]))):
                self.recover(number)
            self.recover(0)
            self.post_anew(0)
            for invoice in self.books.invoices(status="refused"):
                self.books.approve(invoice)
            for invoice in self.books.invoices(status="approved"):
                self._post(invoice)
        self.sync()
        if not self.books.invoices(status="in_doubt").exists():
            prove(self.books.firm, self.books.sandbox)


TAGS = [
    {"tag": "Advice", "product": "ADV"},
    {"tag": "Books", "product": "CPT"},
    {"tag": "Gift", "bill": False},
]


def test_whatever_is_done_no_hour_is_billed_twice_and_none_is_lost(scene: Callable[..., Scene]) -> None:
    Billing.make = staticmethod(scene)
    run_state_machine_as_test(
        Billing,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
