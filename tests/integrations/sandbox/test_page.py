"""The control plane's page: what it shows, what its forms do, and what it keeps to itself."""

import ast
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests

from integrations.sandbox.http.faults import KINDS
from integrations.sandbox.http.switches import SWITCHES
from integrations.sandbox.page import words
from integrations.sandbox.page.menus import FREQUENCIES, PLACES
from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ADMIN, KEY, Billit, Toggl, order


class Page:
    """A visitor's browser without JavaScript."""

    def __init__(self, process: Process) -> None:
        self.url = process.control_url

    def text(self, path: str = "/", **headers: str) -> str:
        answer = requests.get(f"{self.url}{path}", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        return answer.text

    def post(self, action: str, /, **form: object) -> str:
        """The sentence that the page then says."""
        answer = requests.post(f"{self.url}/page/{action}", data=form, allow_redirects=False, timeout=10)
        assert answer.status_code == 303, answer.text
        shown = requests.get(f"{self.url}{answer.headers['Location']}", timeout=10).text
        said = re.search(r'<p class="said( wrong)?" role="(?:status|alert)">(.*?)</p>', shown)
        assert said is not None
        return ("WRONG: " if said[1] else "") + said[2]


@pytest.fixture
def visitor(process: Process) -> Page:
    return Page(process)


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"input", "meta"}:
            self.open.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_needs_no_script(visitor: Page, billit: Billit) -> None:
    billit.create()
    text = visitor.text()
    parser = _Balance()
    parser.feed(text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    named = {"hours", "orders", "world", "clock", "faults", "quota", "mail", "deliveries", "log", "switches"}
    assert named <= set(parser.ids)
    assert "<script" not in text
    assert "color-scheme:light dark" in text
    assert [name for name in SWITCHES if f'name="{name}"' not in text] == []
    assert [kind for kind in KINDS if kind != "status" and f'value="{kind}"' not in text] == []
    assert [name for name in PLACES if f'value="{name}"' not in text] == []


def test_policy_forbids_everything_from_elsewhere(visitor: Page) -> None:
    policy = requests.get(visitor.url, timeout=10).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")


def test_form_of_another_site_is_not_heeded(visitor: Page, control: Remote) -> None:
    for origin, status in (("https://evil.example.com", 403), (visitor.url, 303)):
        answer = requests.post(
            f"{visitor.url}/page/clock",
            data={"how": "set", "now": "2026-12-01T08:00:00Z"},
            headers={"Origin": origin},
            allow_redirects=False,
            timeout=10,
        )
        assert answer.status_code == status


def test_secrets_are_masked(visitor: Page, billit: Billit, toggl: Toggl, control: Remote) -> None:
    control.put_oauth_clients({"client_id": "c", "client_secret": "very-hush", "redirect_uris": ["loopback"]})
    secret = billit.call(
        "POST",
        "/webhooks",
        {"EntityType": "Order", "EntityUpdateType": "I", "WebhookURL": "https://office.example.com"},
    ).json()["Secret"]
    fresh = billit.call("POST", "/webhooks/refresh/1001").json()
    billit.get("/orders")
    toggl.get("/me")
    body = {"client_id": "c", "client_secret": "very-hush", "grant_type": "refresh_token", "refresh_token": "old-one"}
    requests.post(f"{billit.url}/OAuth2/token", data=body, timeout=10)
    requests.post(f"{billit.url}/OAuth2/token", json=body, timeout=10)
    pages = re.findall(r'href="(/page/request/\d+)"', visitor.text())
    assert len(pages) > 5
    text = visitor.text() + "".join(visitor.text(page) for page in pages)
    assert [word for word in (KEY, ADMIN, secret, fresh, "very-hush", "old-one") if word in text] == []
    assert text.count("•••") > 5
    assert "/v1/webhooks/refresh/1001" in text


def test_text_of_others_is_escaped(visitor: Page, billit: Billit) -> None:
    identity = billit.create(OrderTitle="<b>bold</b>")
    text = visitor.text(f"/page/order/{identity}")
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text


def test_world(visitor: Page, control: Remote) -> None:
    assert visitor.post("world", name="empty").startswith("The world empty is loaded")
    assert control.world()["name"] == "empty"
    assert visitor.post("world", name="atlantis").startswith("WRONG: There is no world or file")


def test_clock(visitor: Page, control: Remote) -> None:
    assert (
        visitor.post("clock", how="set", now="2026-12-01T08:00:00Z")
        == "It is 2026-12-01T08:00:00Z now in both services."
    )
    assert visitor.post("clock", how="on", minutes=90) == "It is 2026-12-01T09:30:00Z now in both services."
    visitor.post("clock", how="real")
    assert "(real)" in visitor.text()
    assert visitor.post("clock", how="set", now="noon").startswith("WRONG: ")


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"how": "next", "number": 2}, {"times": 2}),
        ({"how": "nth", "number": 3}, {"nth": 3}),
        ({"how": "chance", "number": 25, "seed": 7}, {"probability": Decimal("0.25")}),
        ({"how": "always"}, {}),
        ({"how": "always", "tenant": "7001"}, {"tenant": "7001"}),
    ],
)
def test_fault_of_the_menu(visitor: Page, control: Remote, form: dict[str, object], told: dict[str, object]) -> None:
    visitor.post("fault", kind="cut_after", place="billit_post", **form)
    meets = {"service": "billit", "method": "POST", "path": "^/v1/orders/?$"}
    assert control.faults_told() == [{"kind": "cut_after", "seen": 0, "fired": 0, **meets, **told}]


def test_faults_are_added_and_taken_away(visitor: Page, billit: Billit, control: Remote) -> None:
    visitor.post("fault", kind="unavailable", place="billit_find", how="always")
    visitor.post("fault", kind="too_many", place="billit_products", how="always", retry_after=9)
    assert billit.get("/orders").status_code == 503
    assert billit.get("/products").headers["Retry-After"] == "9"
    assert visitor.post("faults/clear") == "No faults any more."
    assert billit.get("/orders").status_code == 200
    assert visitor.post("fault", kind="flood", place="all").startswith("WRONG: The kind of a fault is one of")


def test_plan_and_quota(visitor: Page, toggl: Toggl) -> None:
    visitor.post("plan", organization=3001, plan="free")
    assert toggl.get("/workspaces/4001/tags").headers["X-Toggl-Quota-Remaining"] == "29"
    visitor.post("quota", organization=3001, remaining=0, resets_in=60)
    assert toggl.get("/workspaces/4001/tags").status_code == 402
    visitor.post("quota", organization="", remaining=0, resets_in=60)
    assert toggl.get("/me").status_code == 402
    assert "0 of 30" in visitor.text()
    assert visitor.post("plan", organization=3001, plan="gold").startswith("WRONG: The plans are free")


def test_switches(visitor: Page, control: Remote) -> None:
    visitor.post("switches", billit_rounding="half_even", toggl_running_in_reports="false", billit_pdf_seconds="30")
    values = control.switches()
    assert (values["billit_rounding"], values["toggl_running_in_reports"], values["billit_pdf_seconds"]) == (
        "half_even",
        False,
        30,
    )
    assert '<td class="changed">billit_rounding</td>' in visitor.text()
    assert visitor.post("switches", billit_rounding="up").startswith("WRONG: The switch")
    assert visitor.post("switches", billit_pdf_seconds="soon").startswith("WRONG: The switch")


def test_log_and_outbox(visitor: Page, billit: Billit) -> None:
    billit.send(billit.create())
    text = visitor.text()
    assert "POST /v1/orders/commands/send" in text
    assert "0208:0999000129" in text
    visitor.post("log/clear")
    assert "No requests yet." in visitor.text()


def test_somebody_in_billit_did_this(visitor: Page, billit: Billit, control: Remote) -> None:
    identity = billit.create()
    visitor.post("order", order=identity, action="change", name="TotalIncl", value="99,9")
    visitor.post("order", order=identity, action="change", name="ExpiryDate", value="2026-12-24")
    found = billit.order(identity)
    assert (found["TotalIncl"], found["ExpiryDate"]) == (Decimal("99.90"), "2026-12-24T00:00:00")
    visitor.post("order", order=identity, action="pay")
    assert billit.order(identity)["OrderStatus"] == "Paid"
    visitor.post("order", order=identity, action="delete")
    assert billit.get(f"/orders/{identity}").status_code == 401
    visitor.post("order", order=identity, action="restore")
    visitor.post("order", order=identity, action="send")
    assert billit.order(identity)["IsSent"] is True
    assert [row["order_id"] for row in control.outbox()] == [identity]


def test_draft_becomes_an_invoice(visitor: Page, billit: Billit, control: Remote) -> None:
    (identity,) = control.put_drafts({"CompanyID": 7001, **order()})
    visitor.post("order", order=identity, action="finish")
    found = billit.order(identity)
    assert (found["OrderStatus"], found["OrderNumber"]) == ("ToSend", "2026-0001")
    assert visitor.post("order", order=identity, action="finish") == f"WRONG: The order {identity} is no draft."


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"action": "burn"}, "Nothing is called"),
        ({"action": "change", "name": "Paid", "value": "1"}, "The member"),
        ({"action": "change", "name": "TotalIncl", "value": "much"}, "is no amount."),
        ({"action": "send"}, "does not have a valid e-mail address"),
    ],
)
def test_what_cannot_be_done_by_hand(visitor: Page, billit: Billit, form: dict[str, str], said: str) -> None:
    identity = billit.create(CustomerID=88003)
    answer = visitor.post("order", order=identity, **form)
    assert answer.startswith("WRONG: ")
    assert said in answer
    assert visitor.post("order", order=77, action="pay") == "WRONG: There is no 77."


# --- hours ------------------------------------------------------------------------------------------------------------


def test_hour_is_found_changed_and_deleted(visitor: Page, toggl: Toggl, control: Remote) -> None:
    (number,) = control.put_entries(
        {
            "workspace_id": 4001,
            "user_id": 9001,
            "start": "2026-11-20T08:00:00Z",
            "stop": "2026-11-20T09:00:30Z",
            "description": "Annual <accounts>",
            "tags": ["Advice"],
        }
    )
    listed = visitor.text("/?hours=annual")
    assert f'<a href="/page/hour/{number}">2026-11-20 08:00</a>' in listed
    assert "Annual &lt;accounts&gt;" in listed
    assert "1:00:30" in listed
    assert "No hours are found." in visitor.text("/?hours=nothing+like+it")
    form = {"hour": number, "action": "change", "description": "Annual accounts", "tags": "Advice, Late"}
    # Other words alone leave the seconds as they are.
    visitor.post("hour", minutes=60, **form)
    changed = toggl.get(f"/me/time_entries/{number}").json()
    assert (changed["duration"], changed["description"], changed["tags"]) == (
        3630,
        "Annual accounts",
        ["Advice", "Late"],
    )
    said = visitor.post("hour", minutes=90, **form)
    assert said == f"The hour {number} has 90 minutes now. Have toggbill read Toggl on the page of its dossier."
    assert toggl.get(f"/me/time_entries/{number}").json()["duration"] == 5400
    assert visitor.post("hour", minutes=0, **form) == "WRONG: An hour has 1 minute or more."
    assert visitor.post("hour", hour=number, action="delete").startswith(f"The hour {number} is deleted in Toggl.")
    assert f"/page/hour/{number}" not in visitor.text("/?hours=annual")
    assert visitor.post("hour", hour=1, action="delete") == "WRONG: There is no 1."


# --- languages, size --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({}, "Toggl&#x27;s hours, by hand"),
        ({"Accept-Language": "nl-BE,nl;q=0.9,en;q=0.8"}, "De uren van Toggl, met de hand"),
        ({"Accept-Language": "de-DE,fr-BE;q=0.7"}, "Les heures de Toggl, à la main"),
        ({"Accept-Language": "nl", "Cookie": "sandbox_language=fr"}, "Les heures de Toggl, à la main"),
        ({"Cookie": "sandbox_language=xx; ="}, "Toggl&#x27;s hours, by hand"),
    ],
)
def test_language_is_the_visitors(visitor: Page, headers: dict[str, str], title: str) -> None:
    assert title.replace("&#x27;", "'") in visitor.text(**headers)


def test_language_that_was_chosen_stays(visitor: Page) -> None:
    browser = requests.Session()
    assert '<html lang="fr">' in browser.get(f"{visitor.url}/?lang=fr", timeout=10).text
    said = browser.post(f"{visitor.url}/page/faults/clear", timeout=10).text
    assert "Plus aucune panne." in said
    assert '<html lang="fr">' in said


def test_every_text_has_both_languages() -> None:
    """What is asked for in the code of the page, and the texts of the menus."""
    asked = {*KINDS.values(), *FREQUENCIES.values(), *(place.what for place in PLACES.values())} - {"503"}
    for path in Path(words.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "tr"
                and isinstance(node.args[0], ast.Constant)
            ):
                asked.add(str(node.args[0].value))
    said = {"The hour {number} is deleted in Toggl. Have toggbill read Toggl on the page of its dossier."}
    said |= {"The hour {number} has {minutes} minutes now. Have toggbill read Toggl on the page of its dossier."}
    places = re.compile(r"\{\w+\}")
    for texts in words.TEXTS.values():
        assert texts.keys() == asked | said
        assert [text for text, other in texts.items() if set(places.findall(text)) != set(places.findall(other))] == []


def test_page_stays_below_60_kilobytes(visitor: Page, toggl: Toggl, control: Remote) -> None:
    for number in range(60):
        control.put_drafts({"CompanyID": 7001, **order(OrderTitle=f"Title {number}")})
        toggl.get("/me")
    assert len(visitor.text("/?lang=fr").encode()) < 60_000
    control.load("demo")
    for lang in words.LANGUAGES:
        assert len(visitor.text(f"/?lang={lang}").encode()) < 60_000
