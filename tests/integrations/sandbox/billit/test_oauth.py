"""OAuth2: the login page, the code, tokens that rotate and run out, and their revocation."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import NOW, Billit, codes

CLIENT = {"client_id": "bill-1", "client_secret": "hush-hush", "redirect_uris": ["https://office.example.com/back"]}
BACK = "https://office.example.com/back"


@pytest.fixture(autouse=True)
def client(control: Remote) -> None:
    control.put_oauth_clients(CLIENT, {**CLIENT, "client_id": "bill-2"})


class Login:
    """A person's browser and an application's server, before Billit."""

    def __init__(self, process: Process) -> None:
        self.url = process.billit_url
        self.process = process

    def page(self, **query: str) -> requests.Response:
        given = {"client_id": "bill-1", "redirect_uri": BACK, **query}
        return requests.get(f"{self.url}/Account/Logon", params=given, timeout=10)

    def decide(self, decision: str = "allow", **form: str) -> requests.Response:
        given = {
            "client_id": "bill-1",
            "redirect_uri": BACK,
            "email": "owner@example.com",
            "decision": decision,
            **form,
        }
        return requests.post(f"{self.url}/Account/Logon", data=given, allow_redirects=False, timeout=10)

    def code(self, **form: str) -> str:
        answer = self.decide(**form)
        assert answer.status_code == 302, answer.text
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]

    def token(self, **body: str) -> requests.Response:
        given = {"client_id": "bill-1", "client_secret": "hush-hush", **body}
        return requests.post(f"{self.url}/OAuth2/token", json=given, timeout=10)

    def by_code(self, code: str, **body: str) -> requests.Response:
        return self.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **body})

    def by_refresh(self, token: str, **body: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token, **body)

    def pair(self) -> dict[str, Any]:
        answer = self.by_code(self.code())
        assert answer.status_code == 200, answer.text
        pair: dict[str, Any] = answer.json()
        return pair

    def orders(self, access: str) -> requests.Response:
        billit = Billit(self.process)
        del billit.session.headers["ApiKey"]
        billit.session.headers["Authorization"] = f"Bearer {access}"
        answer = billit.get("/orders")
        billit.session.close()
        return answer


@pytest.fixture
def login(process: Process) -> Login:
    return Login(process)


def test_page_is_a_form(login: Login) -> None:
    page = login.page(state="a b")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post" action="/Account/Logon">' in page.text
    assert '<input type="hidden" name="state" value="a b">' in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize(
    "query",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://office.example.com/back/"},
        {"redirect_uri": f"{BACK}?tenant=7"},
        {"redirect_uri": "https://elsewhere.example.com/"},
    ],
)
def test_trouble_shows_on_the_page_and_does_not_come_back(login: Login, query: dict[str, str]) -> None:
    page = login.page(**query)
    assert (page.status_code, page.history) == (400, [])
    assert login.decide(**query).status_code == 400


def test_code_and_state_come_back(login: Login) -> None:
    location = login.decide(state="xyz").headers["Location"]
    query = parse_qs(urlsplit(location).query)
    assert location.startswith(f"{BACK}?code=")
    assert sorted(query) == ["code", "state"]
    assert query["state"] == ["xyz"]


def test_state_is_cut_at_an_ampersand(login: Login) -> None:
    location = login.decide(state="first&second").headers["Location"]
    assert parse_qs(urlsplit(location).query)["state"] == ["first"]


def test_person_who_cancels(login: Login) -> None:
    assert login.decide("cancel", state="xyz").headers["Location"] == f"{BACK}?error=access_denied&state=xyz"


def test_unknown_person_stays_on_the_page(login: Login) -> None:
    page = login.decide(email="nobody@example.com")
    assert (page.status_code, "is wrong" in page.text) == (200, True)


def test_tokens_of_a_code(login: Login) -> None:
    pair = login.pair()
    assert sorted(pair) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 3600)
    assert login.orders(pair["access_token"]).status_code == 200


def test_code_works_once(login: Login) -> None:
    code = login.code()
    assert login.by_code(code).status_code == 200
    assert (login.by_code(code).status_code, codes(login.by_code(code))) == (400, ["GenericError"])


@pytest.mark.parametrize(
    "body",
    [
        {"client_id": "bill-2"},
        {"client_secret": "guess"},
        {"redirect_uri": "https://office.example.com/other"},
        {"grant_type": "client_credentials"},
    ],
)
def test_code_is_bound(login: Login, body: dict[str, str]) -> None:
    code = login.code()
    assert login.by_code(code, **body).status_code == 400
    assert login.by_code(code).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 400)])
def test_code_lives_ten_minutes(login: Login, control: Remote, seconds: int, status: int) -> None:
    code = login.code()
    control.clock(NOW + timedelta(seconds=seconds))
    assert login.by_code(code).status_code == status


@pytest.mark.parametrize(("seconds", "status"), [(3599, 200), (3600, 401)])
def test_access_token_lives_an_hour(login: Login, control: Remote, seconds: int, status: int) -> None:
    access = login.pair()["access_token"]
    control.clock(NOW + timedelta(seconds=seconds))
    answer = login.orders(access)
    assert answer.status_code == status
    if status == 401:
        assert answer.json() == {"errors": [{"Code": "AccessTokenExpired"}]}


def test_life_of_a_token_by_switch(login: Login, control: Remote) -> None:
    control.switch(billit_access_token_seconds=5)
    access = login.pair()["access_token"]
    control.clock(NOW + timedelta(seconds=5))
    assert codes(login.orders(access)) == ["AccessTokenExpired"]


def test_unknown_token(login: Login) -> None:
    answer = login.orders("made-up")
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"Code": "InvalidAccessToken"}]})


def test_refresh_gives_a_whole_new_pair_however_late(login: Login, control: Remote) -> None:
    first = login.pair()
    control.clock(NOW + timedelta(days=800))
    second = login.by_refresh(first["refresh_token"]).json()
    assert {first["access_token"], first["refresh_token"]}.isdisjoint(second.values())
    assert login.orders(second["access_token"]).status_code == 200


def test_refresh_token_works_once(login: Login, control: Remote) -> None:
    first = login.pair()
    second = login.by_refresh(first["refresh_token"]).json()
    answer = login.by_refresh(first["refresh_token"])
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])
    assert login.orders(second["access_token"]).status_code == 200
    control.switch(billit_refresh_reuse_status=401, billit_refresh_reuse_code="InvalidAccessToken")
    answer = login.by_refresh(first["refresh_token"])
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"Code": "InvalidAccessToken"}]})


def test_reuse_revokes_the_newer_pair_by_switch(login: Login, control: Remote) -> None:
    control.switch(billit_refresh_reuse_revokes=True)
    first = login.pair()
    second = login.by_refresh(first["refresh_token"]).json()
    login.by_refresh(first["refresh_token"])
    assert codes(login.orders(second["access_token"])) == ["AccessTokenRevoked"]


def test_grace_period_by_switch(login: Login, control: Remote) -> None:
    control.switch(billit_refresh_grace_seconds=30)
    first = login.pair()
    second = login.by_refresh(first["refresh_token"]).json()
    control.clock(NOW + timedelta(seconds=29))
    assert login.by_refresh(first["refresh_token"]).json() == second
    control.clock(NOW + timedelta(seconds=30))
    assert login.by_refresh(first["refresh_token"]).status_code == 400


def test_refresh_token_of_another_client(login: Login) -> None:
    refresh = login.pair()["refresh_token"]
    assert login.by_refresh(refresh, client_id="bill-2").status_code == 400
    assert login.by_refresh(refresh).status_code == 200


def test_answer_lost_after_rotation(login: Login, control: Remote) -> None:
    refresh = login.pair()["refresh_token"]
    control.faults({"service": "billit", "path": "^/OAuth2/token$", "kind": "cut_after", "times": 1})
    with pytest.raises(requests.ConnectionError):
        login.by_refresh(refresh)
    assert login.by_refresh(refresh).status_code == 400


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoke(login: Login, which: str) -> None:
    pair = login.pair()
    answer = requests.post(f"{login.url}/OAuth2/revoke", json={"token": pair[which]}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {})
    refused = login.orders(pair["access_token"])
    assert (refused.status_code, refused.json()) == (401, {"errors": [{"Code": "AccessTokenRevoked"}]})
    assert login.by_refresh(pair["refresh_token"]).status_code == 400


def test_revoke_by_header(login: Login) -> None:
    access = login.pair()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    assert requests.post(f"{login.url}/OAuth2/revoke", headers=headers, timeout=10).status_code == 200
    assert codes(login.orders(access)) == ["AccessTokenRevoked"]
    unknown = requests.post(f"{login.url}/OAuth2/revoke", json={"token": "made-up"}, timeout=10)
    assert (unknown.status_code, codes(unknown)) == (401, ["InvalidAccessToken"])


def test_token_as_a_form(login: Login) -> None:
    body = {**CLIENT, "grant_type": "authorization_code", "code": login.code(), "redirect_uri": BACK}
    del body["redirect_uris"]
    assert requests.post(f"{login.url}/OAuth2/token", data=body, timeout=10).status_code == 200


def test_token_expires_in_the_middle(login: Login, control: Remote) -> None:
    pair = login.pair()
    control.faults({"service": "billit", "path": "/orders$", "kind": "expire_token", "nth": 2})
    assert login.orders(pair["access_token"]).status_code == 200
    assert codes(login.orders(pair["access_token"])) == ["AccessTokenExpired"]
    assert codes(login.orders(pair["access_token"])) == ["AccessTokenExpired"]
    fresh = login.by_refresh(pair["refresh_token"]).json()["access_token"]
    assert login.orders(fresh).status_code == 200


def test_all_tokens_expired_by_hand(login: Login, control: Remote) -> None:
    access = login.pair()["access_token"]
    control.expire_tokens()
    assert codes(login.orders(access)) == ["AccessTokenExpired"]


def test_client_of_a_world_that_names_none(process: Process) -> None:
    uri = "http://127.0.0.1:8000/billit/back/"
    form = {"client_id": "sandbox-client", "redirect_uri": uri, "email": "owner@example.com", "decision": "allow"}
    login = Login(process)
    code = login.code(**form)
    pair = login.by_code(code, client_id="sandbox-client", client_secret="sandbox-secret", redirect_uri=uri)
    assert pair.status_code == 200
    assert login.page(client_id="sandbox-client", redirect_uri="http://127.0.0.1.example.com/").status_code == 400
