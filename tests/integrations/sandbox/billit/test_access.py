"""Billit's credentials, companies, look-ups and unknown paths."""

import pytest

from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import KEY, UNKNOWN_VAT, VAT, Billit, codes


@pytest.mark.parametrize("key", ["", "wrong", KEY + " x"])
def test_wrong_key(process: Process, key: str) -> None:
    answer = Billit(process, key=key).get("/orders")
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"Code": "ApiKeyNotValid"}]})


def test_bearer_token(billit: Billit) -> None:
    del billit.session.headers["ApiKey"]
    billit.session.headers["Authorization"] = "Bearer bearer-1"
    assert billit.get("/orders").status_code == 200
    billit.session.headers["Authorization"] = "Bearer bearer-2"
    assert codes(billit.get("/orders")) == ["InvalidAccessToken"]


def test_company_of_others(billit: Billit) -> None:
    billit.session.headers["PartyID"] = "7003"
    assert billit.get("/orders").status_code == 401


def test_missing_party_id_works_in_the_first_company(process: Process, control: Remote) -> None:
    careless = Billit(process, party=None)
    assert [row["ProductID"] for row in careless.get("/products").json()["Items"]] == [60001, 60002]
    assert [row["warning"] for row in control.lint()] == ["no PartyID header"]
    control.switch(billit_missing_party="refuse")
    assert careless.get("/products").status_code == 401


@pytest.mark.parametrize(("context", "status"), [("7001", 200), ("7002", 401)])
def test_context_party_id(billit: Billit, context: str, status: int) -> None:
    billit.session.headers["ContextPartyID"] = context
    assert billit.get("/orders").status_code == status


def test_account_lists_every_company_of_the_user(billit: Billit, control: Remote) -> None:
    account = billit.get("/account/accountInformation").json()
    assert account["Email"] == "owner@example.com"
    assert [(row["PartyID"], row["Name"], row["APIAllowed"]) for row in account["Companies"]] == [
        (7001, "First SRL", True),
        (7002, "Second SRL", True),
    ]
    control.put_billit("companies", {"PartyID": 7002, "APIAllowed": False})
    companies = billit.get("/account/accountInformation").json()["Companies"]
    assert [row["APIAllowed"] for row in companies] == [True, False]


def test_unknown_path_is_html(billit: Billit) -> None:
    answer = billit.get("/nothing")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_sequences_peek_and_consume(billit: Billit) -> None:
    def following(consume: bool) -> str:
        body = {"SequenceType": "Income-Invoice", "Consume": consume}
        return str(billit.call("POST", "/account/sequences", body).json())

    assert [following(False), following(False), following(True), following(False)] == [
        "2026-0001",
        "2026-0001",
        "2026-0001",
        "2026-0002",
    ]


@pytest.mark.parametrize("keywords", ["Caldrin", "caldrin", UNKNOWN_VAT, UNKNOWN_VAT[2:], "BE 0999.000.327"])
def test_company_search(billit: Billit, keywords: str) -> None:
    rows = billit.get(f"/misc/companysearch/{keywords}").json()["Items"]
    assert [(row["Name"], row["CompanyIdentification"]) for row in rows] == [("Caldrin SComm", "0999000327")]


def test_company_search_finds_nothing(billit: Billit) -> None:
    assert billit.get("/misc/companysearch/Quendal").json() == {"Items": []}


@pytest.mark.parametrize(
    ("number", "identifier"),
    [(VAT, f"9925:{VAT}"), (VAT[2:], f"0208:{VAT[2:]}"), (f"0208:{VAT[2:]}",) * 2, (f"9925:{VAT}",) * 2],
)
def test_participant_without_credentials(process: Process, number: str, identifier: str) -> None:
    answer = Billit(process, key="wrong").get(f"/peppol/participantInformation/{number}").json()
    assert (answer["Registered"], answer["Identifier"]) == (True, identifier)
    assert answer["DocumentTypes"] == ["BISv3Invoice", "BISv3CreditNote"]


def test_participant_not_registered(billit: Billit) -> None:
    answer = billit.get(f"/peppol/participantInformation/{UNKNOWN_VAT}")
    assert (answer.status_code, answer.json()["Registered"], answer.json()["DocumentTypes"]) == (200, False, [])


def test_per_second_limiter(billit: Billit, control: Remote) -> None:
    control.switch(billit_per_second=1)
    assert [billit.get("/products").status_code for _ in range(3)][-1] == 429
