"""What Toggl, Billit and people change from outside while a firm bills: a machine's rules, for the random histories."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import requests
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from invoicing.dossiers import mappings
from invoicing.ledger.states import derive
from invoicing.models import Dossier
from invoicing.rules.judging.mapping import ClientRule, TagRule
from tests.invoicing.scene import BY, Scene
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
    TOKEN,
    WORKSPACE,
    entry,
)

MERGED, ELSEWHERE = 100, 7999
"""What a merged customer has more in its number, and where one stands that the company has no more."""
Any_ = st.integers(0, 99)
Minutes = st.integers(1, 240)
Projects = st.sampled_from([GARAGE_PROJECT, BAKERY_PROJECT])
Tags = st.sampled_from(["Advice", "Books", "Nothing", "Gift"])
_Row = TypeVar("_Row")


def pick(rows: Iterable[_Row], number: int) -> _Row | None:
    """One of the rows, or None when there is none."""
    found = list(rows)
    return found[number % len(found)] if found else None


class Changes(RuleBasedStateMachine):
    """``books``: the firm; ``there``: the serial numbers of the entries that Toggl has; ``serial``: the highest yet."""

    books: Scene
    there: set[int]
    serial: int

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
