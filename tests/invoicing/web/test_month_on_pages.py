"""A month from reading to a credit note on the firm's pages alone, by a member who may not open the admin: links and
forms that the pages show, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from django.test import Client

from invoicing.models import Correction, Invoice, LedgerRow
from invoicing.tasks import tick_delivery
from tests.factories import MembershipFactory
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.visitors import alerts, browser_of, words
from tests.worlds import BAKERY_PROJECT, entry

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Scene]


@dataclass
class Form:
    """A form of a page as a browser reads it: where it goes, its fields, and its buttons by their words."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    ticks: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class Shown(HTMLParser):
    """The links and the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._elsewhere: list[tuple[str, dict[str, str]]] = []
        self._form: Form | None = None
        self._select = ""
        self._words: list[str] | None = None
        self._of: tuple[str, dict[str, str]] = ("", {})
        self.feed(page)
        self.close()
        for owner, found in self._elsewhere:
            self._by_id[owner].ticks.append((found["name"], found.get("value", "on")))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(found.get("action", ""), found.get("method", "get"))
            self.forms.append(self._form)
            self._by_id[found.get("id", "")] = self._form
        elif tag in {"a", "button"}:
            self._words, self._of = [], (tag, found)
        elif tag == "input" and found.get("type") == "checkbox" and "form" in found:
            self._elsewhere.append((found["form"], found))
        elif self._form is not None and tag == "input" and "name" in found:
            kind = found.get("type", "text")
            if kind in {"checkbox", "radio"} and "checked" not in found:
                self._form.ticks.append((found["name"], found.get("value", "on")))
            else:
                self._form.fields.append((found["name"], found.get("value", "")))
        elif tag == "select":
            self._select = found.get("name", "")
        elif tag == "option" and self._form is not None and self._select and "selected" in found:
            self._form.fields.append((self._select, found.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag in {"a", "button"} and self._words is not None:
            text = " ".join("".join(self._words).split())
            kind, found = self._of
            if kind == "a" and "href" in found:
                self.links.setdefault(text, found["href"])
            elif kind == "button" and self._form is not None:
                self._form.buttons[text] = found
            self._words = None

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words.append(data)


@dataclass
class Reader:
    """A member with a browser and no other means. ``paths``: all that was asked for."""

    browser: Client
    at: str = "/"
    page: str = ""
    paths: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self._read(self.browser.get(path, follow=True), path)

    def follow(self, link: str) -> None:
        """Click a link by its words, or the first that begins so."""
        links = Shown(self.page).links
        found = links.get(link) or next((href for text, href in links.items() if text.startswith(link)), None)
        assert found is not None, f"no link {link!r} on {self.at}: {sorted(links)}"
        self.open(urljoin(self.at, found))

    def press(self, button: str, *, tick: str = "", **fields: str) -> str:
        """Press a button by its words, with these fields filled in and all boxes of the name ``tick`` ticked; returns
        what the page then says."""
        forms = [form for form in Shown(self.page).forms if button in form.buttons]
        assert forms, f"no button {button!r} on {self.at}: {[list(form.buttons) for form in Shown(self.page).forms]}"
        form, pressed = forms[0], forms[0].buttons[button]
        sent: dict[str, list[str]] = {}
        for name, value in form.fields + [each for each in form.ticks if each[0] == tick]:
            sent.setdefault(name, []).append(value)
        if "name" in pressed:
            sent[pressed["name"]] = [pressed.get("value", "")]
        sent |= {name: [value] for name, value in fields.items()}
        goal = urljoin(self.at, pressed.get("formaction") or form.action or self.at)
        answer = self.browser.post(goal, sent, follow=True) if form.method == "post" else self.browser.get(goal, sent)
        self._read(answer, goal)
        return alerts(self.page)

    def _read(self, answer: Any, path: str) -> None:
        assert answer.status_code == 200, (path, answer.status_code, words(answer.content)[:1500])
        ways = [goal for goal, _status in getattr(answer, "redirect_chain", [])]
        self.paths += [path, *ways]
        self.at, self.page = urljoin(path, ways[-1]) if ways else path, answer.content.decode()


@pytest.mark.slow
def test_a_month_without_the_admin(scene: Make, queue: Queue) -> None:
    books = scene(
        entries=[
            entry(1),
            entry(2, seconds=7200),
            entry(3, tag="Audit"),
            entry(4, project_id=BAKERY_PROJECT),
        ],
    )
    books.control.put_entries(entry(5, "2026-10-07", seconds=1800))
    member = MembershipFactory(firm=books.firm, role="manager")
    assert not member.user.is_staff
    me = Reader(browser_of(member.user, books.firm))

    # Read.
    me.open("/")
    me.follow("small")
    me.press("Read Toggl now")
    queue.work()

    # Decide: the tag that leads nowhere, and an hour to keep back.
    me.open("/")
    me.follow("Decide now")
    said = me.press("Use for this entry", product="FIS")
    assert "1 hour solved" in said or "solved" in said, said
    assert LedgerRow.objects.attention().count() == 0

    # Draft from the preview, and look at what waits.
    me.open("/")
    me.follow("small")
    me.press("Preview", through="2026-10-31")
    me.press("Draft it so")
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["draft", "draft"]
    me.follow("Invoices")
    me.follow("Garage Vonk SRL")
    (box,) = [value for name, value in _ticks(me) if value == str(_entry_row(5))]
    assert "is taken out of the draft and held" in me.press("Take out of the draft", entry=box, reason="A gift?")

    # Approve, post and send all that waits.
    me.follow("Invoices")
    me.press("Approve", tick="invoice")
    me.press("Post to Billit", tick="invoice")
    queue.work()
    assert set(Invoice.objects.values_list("status", flat=True)) == {"posted"}
    # The tick that has the ways to the customers asked for.
    tick_delivery()
    queue.work()
    me.open("/invoices/?delivery=not_sent")
    me.press("Send …", tick="invoice")
    me.press("Send those that are chosen", tick="invoice")
    queue.work()
    assert set(Invoice.objects.values_list("delivery", flat=True)) == {"sent"}

    # An hour that is changed in Toggl afterwards: credited, and billed anew.
    books.control.put_entries(entry(1, seconds=5400))
    books.sync()
    assert Correction.objects.count() == 1
    me.open("/")
    me.follow("Corrections")
    me.press("Credit it and bill it anew")
    assert Invoice.objects.filter(kind="credit_note", status="draft").count() == 1

    # What was kept back is written off, on the page of the hours.
    me.follow("Hours")
    me.open("/hours/?state=held")
    me.press("Write off", tick="entry", reason="A gift")
    assert LedgerRow.objects.get(entry__remote_id=entry(5)["id"]).state == "written_off"

    assert [path for path in me.paths if "/admin" in path or "/operator" in path] == []
    assert "admin" not in words(me.page.encode()).lower()


def _ticks(me: Reader) -> list[tuple[str, str]]:
    return [each for form in Shown(me.page).forms for each in form.ticks]


def _entry_row(serial: int) -> int:
    return LedgerRow.objects.get(entry__remote_id=entry(serial)["id"]).entry_id
