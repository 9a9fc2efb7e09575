"""The pages of connections: added, chosen, rotated, paused, removed; no secret is ever shown."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.connections import credentials, webhook_addresses
from integrations.models import Company, Connection, Webhook, Workspace
from integrations.sandbox.process import Process
from tests.factories import (
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    EntryFactory,
    FirmFactory,
    MembershipFactory,
    WebhookFactory,
    WorkspaceFactory,
)
from tests.visitors import Tab, browser_of, events, signed_in, text
from toggbill.connecting.sign_in import STATES
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import Firm, Membership

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef0123456789abcdef"
API_KEY = "5ad1c0de-0000-4000-8000-000000000001"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def billit_knows_us(sandbox: Process, settings: Settings) -> Process:
    settings.BILLIT_LOGIN_URL = sandbox.billit_url
    settings.BILLIT_CLIENT_ID, settings.BILLIT_CLIENT_SECRET = "sandbox-client", "sandbox-secret"
    return sandbox


def shown(browser: Client) -> str:
    """What the page of the connection carries."""
    found = re.search(r'name="read" value="([^"]+)"', browser.get("/connections/billit/main/").content.decode())
    assert found
    return found[1]


def at_billit(browser: Client, key: str = "main", *, decision: str = "allow", read: str = "") -> str:
    """Go to Billit from our page, which showed what was read, and decide there; gives the address that Billit sends
    the browser back to."""
    form = {"key": key} | ({"read": read} if read else {})
    away = browser.post("/connections/sign-in/", form)
    assert away.status_code == 302
    query = {name: values[0] for name, values in parse_qs(urlsplit(away["Location"]).query).items()}
    form = query | {"email": "owner@example.com", "password": "", "decision": decision}
    back = requests.post(away["Location"].partition("?")[0], data=form, allow_redirects=False, timeout=10)
    found = urlsplit(back.headers["Location"])
    return f"{found.path}?{found.query}"


def test_toggl_is_connected_by_a_token_that_is_tried_at_once(firm: Firm, sandbox: Process) -> None:
    browser = signed_in(firm)
    answer = browser.post("/connections/add/toggl/", {"key": "main", "secret": f" {TOKEN} "})
    assert (answer.status_code, answer["Location"]) == (302, "/f/ours/connections/toggl/main/choose/")
    row = Connection.objects.get()
    assert (row.firm, row.secret, row.owner_name, row.timezone) == (firm, TOKEN, "Odile Verkansel", "Europe/Brussels")
    assert [item["path"] for item in sandbox.control.log("toggl")] == [
        "/api/v9/me",
        "/api/v9/me/workspaces",
        "/api/v9/me/organizations",
    ]
    words = text(browser, "/connections/toggl/main/choose/")
    assert "Bureau 4001 Premium" in words
    assert not Workspace.objects.exists()
    assert browser.post("/connections/toggl/main/choose/", {"chosen": ["4001"]}).status_code == 302
    assert list(Workspace.objects.values_list("remote_id", "is_admin", "plan")) == [(4001, True, "Premium")]
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_added", "connection_changed"]
    assert TOKEN not in str(events(firm))


def test_billit_is_connected_by_key(firm: Firm, sandbox: Process) -> None:
    browser = signed_in(firm)
    assert browser.post("/connections/add/billit/", {"key": "main", "secret": API_KEY}).status_code == 302
    assert browser.post("/connections/billit/main/choose/", {"chosen": ["7001"]}).status_code == 302
    assert list(Company.objects.values_list("party_id", "api_allowed")) == [(7001, True)]
    words = text(browser, "/connections/billit/main/")
    assert "Automatically send your invoices” is on in Billit&#x27;s settings" in words
    assert API_KEY not in words


def test_a_company_that_may_not_send_yet_is_seen_at_connecting(firm: Firm, sandbox: Process) -> None:
    sandbox.control.put_billit("companies", {"PartyID": 7001, "verified": False})
    browser = signed_in(firm)
    browser.post("/connections/add/billit/", {"key": "main", "secret": API_KEY})
    assert "Billit does not let it send yet" in text(browser, "/connections/billit/main/choose/")
    browser.post("/connections/billit/main/choose/", {"chosen": ["7001"]})
    assert not Company.objects.get().sending_open
    words = text(browser, "/connections/billit/main/")
    assert "send yet: sign in to Billit and finish what it asks for, such as proving the identity" in words


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_a_wrong_secret_is_refused_with_a_sentence_and_not_shown(service: str, firm: Firm, sandbox: Process) -> None:
    page = signed_in(firm).post(f"/connections/add/{service}/", {"key": "main", "secret": "f" * 32})
    assert page.status_code == 200
    assert "does not accept the" in page.content.decode()
    assert "f" * 32 not in page.content.decode()
    assert not Connection.objects.exists()


def test_a_token_of_no_admin_is_refused_unless_accepted(firm: Firm, sandbox: Process) -> None:
    user = {"id": 9002, "token": "fedcba9876543210fedcba9876543210", "email": "b@example.com", "fullname": "Bart"}
    sandbox.control.put_toggl("users", user | {"workspaces": [{"id": 4001, "admin": False}], "timezone": "UTC"})
    browser = signed_in(firm)
    form = {"key": "main", "secret": "fedcba9876543210fedcba9876543210"}
    assert "admin of no workspace" in browser.post("/connections/add/toggl/", form).content.decode()
    assert browser.post("/connections/add/toggl/", form | {"accept_partial": "on"}).status_code == 302
    assert browser.post("/connections/toggl/main/choose/", {"chosen": ["4001"]}).status_code == 302
    words = text(browser, "/connections/toggl/main/")
    assert "Toggl silently leaves out the hours of others" in words
    assert "lives in UTC, the firm in Europe/Brussels" in words


def test_a_name_is_used_once(firm: Firm) -> None:
    ConnectionFactory(firm=firm, key="main")
    page = signed_in(firm).post("/connections/add/toggl/", {"key": "main", "secret": "x"})
    assert "already has a connection of this name" in page.content.decode()


def test_billit_is_connected_by_signing_in(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    page = browser.get("/connections/add/billit/")
    assert "Sign in to Billit" in page.content.decode()
    assert f"form-action 'self' {billit_knows_us.billit_url}" in page["Content-Security-Policy"]
    answer = browser.get(at_billit(browser))
    assert answer["Location"] == "/f/ours/connections/billit/main/choose/"
    row = Connection.objects.get()
    assert (row.method, row.owner_name) == ("sign_in", "Odile Verkansel")
    assert "" not in (row.secret, row.refresh_secret)
    assert events(firm) == [
        ("connection_added", "connection billit main", {"new": {"method": "sign_in", "owner_name": "Odile Verkansel"}})
    ]


def test_signing_in_again_replaces_the_tokens_and_heals(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    browser.get(at_billit(browser))
    before = Connection.objects.get()
    CompanyFactory(firm=firm, connection=before, party_id=7001)
    Connection.objects.update(failure="credentials", failure_code="sign_in_over")
    answer = browser.get(at_billit(browser, read=shown(browser)))
    assert answer["Location"] == "/f/ours/connections/billit/main/"
    row = Connection.objects.get()
    assert (row.pk, row.failure, row.secret != before.secret) == (before.pk, "none", True)
    assert events(firm)[-1][2]["secret_changed"] is True


def test_signing_in_again_replaces_what_was_read_alone(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    browser.get(at_billit(browser))
    before, read = Connection.objects.get(), shown(browser)
    back, colleague = at_billit(browser, read=read), Actor("colleague@example.com", "web", Authority.COMMAND)
    credentials.pause(connection=before, by=colleague, now=timezone.now())
    answer = browser.get(back)
    page = answer.content.decode()
    assert (answer.status_code, re.findall(r"<td>(\w+)</td>", page)) == (409, ["no", "yes"])
    assert 'name="read"' not in page
    assert [call["path"] for call in billit_knows_us.control.log("billit")][-1] == "/OAuth2/revoke"
    row = Connection.objects.get()
    assert (row.secret, row.paused_at is not None) == (before.secret, True)
    # Nobody is sent to Billit by a page that is out of date, or for a name that is taken.
    assert browser.post("/connections/sign-in/", {"key": "main", "read": read}).status_code == 409
    taken = browser.post("/connections/sign-in/", {"key": "main"}, follow=True).content.decode()
    assert "The firm already has a connection of this name" in taken


def test_a_person_who_says_no_connects_nothing(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    back = at_billit(browser, decision="cancel")
    assert "error=access_denied" in back
    assert "Billit was not opened for toggbill" in browser.get(back, follow=True).content.decode()
    assert not Connection.objects.exists()


def test_the_state_is_that_of_the_session_and_good_once(firm: Firm, billit_knows_us: Process) -> None:
    browser, other = signed_in(firm), signed_in(firm)
    back = at_billit(browser)
    for address, visitor in ((back, other), (re.sub("state=.", "state=-", back), browser)):
        page = visitor.get(address, follow=True).content.decode()
        assert "This sign-in was not begun here" in page
    assert not Connection.objects.exists()
    assert browser.get(back)["Location"] == "/f/ours/connections/billit/main/choose/"
    assert "This sign-in was not begun here" in browser.get(back, follow=True).content.decode()


def test_the_state_says_for_which_firm_in_whatever_order(firm: Firm, billit_knows_us: Process) -> None:
    membership = MembershipFactory(firm=firm)
    theirs = MembershipFactory(user=membership.user, firm=FirmFactory(slug="theirs")).firm
    browser, other = browser_of(membership.user, firm), Tab(theirs)
    other.cookies = browser.cookies
    ours_back, theirs_back = at_billit(browser), at_billit(other, "second")
    other.get("/")
    assert other.get(ours_back)["Location"] == "/f/ours/connections/billit/main/choose/"
    assert browser.get(theirs_back)["Location"] == "/f/theirs/connections/billit/second/choose/"
    assert set(Connection.objects.values_list("firm__slug", "key")) == {("ours", "main"), ("theirs", "second")}


def test_the_state_of_a_firm_that_was_left_connects_nothing(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    back = at_billit(browser)
    MembershipFactory(firm=firm)
    mine = Membership.objects.filter(firm=firm, user=browser.session["_auth_user_id"])
    mine.update(role="bookkeeper")
    assert browser.get(back).status_code == 403
    mine.update(role="owner")
    back = at_billit(browser)
    mine.delete()
    assert browser.get(back)["Location"] == "/"
    assert not Connection.objects.exists()


def test_the_state_grows_old(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    back = at_billit(browser)
    session = browser.session
    [begun] = session[STATES].values()
    begun["at"] = (timezone.now() - timedelta(minutes=31)).isoformat()
    session.save()
    assert "or too long ago" in browser.get(back, follow=True).content.decode()


def test_signing_in_needs_a_client_at_billit(firm: Firm, settings: Settings) -> None:
    settings.BILLIT_CLIENT_ID = ""
    browser = signed_in(firm)
    assert browser.post("/connections/sign-in/", {"key": "main"}).status_code == 404
    assert "Sign in to Billit" not in browser.get("/connections/add/billit/").content.decode()


def test_a_secret_is_rotated_only_to_one_that_opens_what_is_used(firm: Firm, sandbox: Process) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret="old")
    WorkspaceFactory(firm=firm, connection=row, remote_id=4099, name="Elsewhere")
    browser = signed_in(firm)
    page = browser.post("/connections/toggl/main/rotate/", {"secret": TOKEN}).content.decode()
    assert "workspace 4099 is not open to this token" in page
    assert Connection.objects.get().secret == "old"
    Workspace.objects.update(remote_id=4001)
    assert browser.post("/connections/toggl/main/rotate/", {"secret": TOKEN}).status_code == 302
    assert Connection.objects.get().secret == TOKEN


def test_a_connection_is_paused_and_resumed(firm: Firm) -> None:
    row = ConnectionFactory(firm=firm, key="main")
    browser = signed_in(firm)
    browser.post("/connections/toggl/main/pause/")
    assert Connection.objects.get(pk=row.pk).paused_at is not None
    assert "paused" in text(browser, "/connections/")
    browser.post("/connections/toggl/main/resume/")
    assert Connection.objects.get(pk=row.pk).paused_at is None
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_paused", "connection_resumed"]


def test_removing_shows_what_depends_on_it_and_destroys_the_secrets(firm: Firm, billit_knows_us: Process) -> None:
    browser = signed_in(firm)
    browser.get(at_billit(browser))
    row = Connection.objects.get()
    company = CompanyFactory(firm=firm, connection=row, party_id=7001, name="Bureau")
    DossierFactory(firm=firm, company=company, name="Bakery")
    words = text(browser, "/connections/billit/main/remove/")
    assert "1 dossier can no longer be read or billed" in words
    assert "Bakery" in words
    assert browser.post("/connections/billit/main/remove/").status_code == 302
    gone = Connection.objects.get(service="billit")
    assert (gone.secret, gone.refresh_secret, gone.expires_at) == ("", "", None)
    assert gone.removed_at is not None
    assert [item["path"] for item in billit_knows_us.control.log("billit")][-1] == "/OAuth2/revoke"
    assert events(firm)[-1] == (
        "connection_removed",
        "connection billit main",
        {"workspaces": [], "companies": [7001]},
    )
    answer = requests.get(
        f"{billit_knows_us.billit_url}/v1/account/accountInformation",
        headers={"Authorization": f"Bearer {row.secret}"},
        timeout=10,
    )
    assert answer.json() == {"errors": [{"Code": "AccessTokenRevoked"}]}


def test_a_removed_connection_is_taken_up_again_by_its_name(firm: Firm, sandbox: Process) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret="old")
    workspace = WorkspaceFactory(firm=firm, connection=row, remote_id=4001)
    browser = signed_in(firm)
    browser.post("/connections/toggl/main/remove/")
    assert browser.post("/connections/add/toggl/", {"key": "main", "secret": TOKEN}).status_code == 302
    again = Connection.objects.get()
    assert (again.pk, again.secret, again.removed_at, again.paused_at) == (row.pk, TOKEN, None, None)
    workspace.refresh_from_db()
    assert workspace.next_sync_at is not None
    assert workspace.next_sync_at <= timezone.now()


def test_what_hours_hang_on_stays_chosen(firm: Firm, sandbox: Process) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret=TOKEN)
    EntryFactory(workspace=WorkspaceFactory(firm=firm, connection=row, remote_id=4077, name="Kept"))
    WorkspaceFactory(firm=firm, connection=row, remote_id=4078, name="Dropped")
    browser = signed_in(firm)
    page = browser.post("/connections/toggl/main/choose/", {"chosen": ["4001"]}, follow=True).content.decode()
    assert "“Kept” stays" in page
    assert sorted(Workspace.objects.values_list("remote_id", flat=True)) == [4001, 4077]


def test_a_connection_survives_the_member_who_added_it(firm: Firm, sandbox: Process) -> None:
    browser = signed_in(firm, "manager", email="gone@example.com")
    browser.post("/connections/add/toggl/", {"key": "main", "secret": TOKEN})
    Membership.objects.get(user__email="gone@example.com").user.delete()
    assert Connection.objects.get(firm=firm).secret == TOKEN


@pytest.mark.parametrize("role", ["bookkeeper", "viewer"])
def test_who_may_not_connect_sees_the_health_and_no_more(role: str, firm: Firm) -> None:
    ConnectionFactory(firm=firm, key="main")
    browser = signed_in(firm, role)
    assert "Pause" not in text(browser, "/connections/toggl/main/")
    assert browser.get("/connections/add/toggl/").status_code == 403
    for step in ("pause", "resume", "remove", "rotate", "choose"):
        assert browser.post(f"/connections/toggl/main/{step}/").status_code == 403


def test_a_connection_of_another_firm_is_not_found(firm: Firm) -> None:
    ConnectionFactory(key="theirs", owner_name="leakmark")
    browser = signed_in(firm)
    assert "leakmark" not in text(browser, "/connections/")
    assert browser.get("/connections/toggl/theirs/").status_code == 404
    for step in ("pause", "resume", "remove", "rotate", "choose"):
        assert browser.post(f"/connections/toggl/theirs/{step}/").status_code == 404


# --- webhooks -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_webhook_is_switched_on_renewed_and_off(sandbox: Process, live_server: LiveServer, settings: Settings) -> None:
    settings.PUBLIC_URL = live_server.url
    firm = FirmFactory(slug="ours")
    row = ConnectionFactory(firm=firm, key="main", secret=TOKEN)
    WorkspaceFactory(firm=firm, connection=row, remote_id=4001, name="Bureau")
    browser = signed_in(firm)
    assert "Switch on" in text(browser, "/connections/toggl/main/")
    path = "/connections/toggl/main/webhook/4001/"
    page = browser.post(path, {"do": "open"}, follow=True).content.decode()
    assert "From now on changes in “Bureau” are told at once." in page
    first = Webhook.objects.get()
    assert webhook_addresses.address(first) in page
    assert first.secret not in page
    assert webhook_addresses.address(first) not in text(signed_in(firm, "viewer"), "/connections/toggl/main/")
    browser.post(path, {"do": "open"})
    second = Webhook.objects.get()
    assert second.token != first.token
    page = browser.post(path, {"do": "close"}, follow=True).content.decode()
    assert "“Bureau” is read every quarter of an hour again." in page
    assert not Webhook.objects.exists()
    assert [data for _kind, _subject, data in events(firm)] == [
        {"new": {"webhook": "workspace 4001"}},
        {"new": {"webhook": "workspace 4001"}},
        {"old": {"webhook": "workspace 4001"}},
    ]
    assert first.token not in str(events(firm))


def test_webhook_that_cannot_be_opened_says_why(firm: Firm, sandbox: Process, settings: Settings) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    row = ConnectionFactory(firm=firm, key="main", secret=TOKEN)
    WorkspaceFactory(firm=firm, connection=row, remote_id=4001)
    browser = signed_in(firm)
    page = browser.post("/connections/toggl/main/webhook/4001/", {"do": "open"}, follow=True).content.decode()
    assert "Toggl refused the new webhook of workspace 4001:" in page
    assert not Webhook.objects.exists()
    assert browser.post("/connections/toggl/main/webhook/4002/", {"do": "open"}).status_code == 404
    assert browser.post("/connections/toggl/main/webhook/4001/").status_code == 302


def test_webhook_of_a_removed_connection_is_ended_at_toggl(firm: Firm, sandbox: Process, settings: Settings) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret="a-token-that-nobody-has")
    hook = WebhookFactory(workspace=WorkspaceFactory(firm=firm, connection=row, name="Bureau"))
    browser = signed_in(firm)
    page = browser.post("/connections/toggl/main/remove/", follow=True).content.decode()
    assert "The webhook of “Bureau” is dead here, but could not be ended at the service." in page
    assert not Webhook.objects.filter(pk=hook.pk).exists()
