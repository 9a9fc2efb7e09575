"""What the Billit client asks: credentials, companies, lists, customers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.clients import billit
from integrations.clients.http.transport import BadCredentials, RetryLater, ServiceError
from tests.integrations.answers import Scripted, Server, as_json
from tests.integrations.asking_billit import (
    EVERYTHING,
    KEY,
    LISTS,
    NUMBER,
    READS,
    error_body,
    failure,
    make,
    query,
)

# --- credentials and headers ----------------------------------------------------------------------------------------


def test_credentials_are_stripped_and_hidden() -> None:
    assert billit.ApiKey(f" {KEY}\r\n").headers == {"ApiKey": KEY}
    assert billit.Bearer(f"{KEY}\n").headers == {"Authorization": f"Bearer {KEY}"}
    for credential in (billit.ApiKey(KEY), billit.Bearer(KEY)):
        assert KEY not in f"{credential} {credential!r}"


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_call_names_the_company_and_no_context(server: Server, name: str) -> None:
    server.will_answer(Scripted(404))
    with pytest.raises(ServiceError):
        EVERYTHING[name](make(server))
    headers = server.asked[0].headers
    assert headers["partyid"] == "7001"
    assert "contextpartyid" not in headers
    assert headers.get("apikey") == (None if name == "participant" else KEY)


def test_bearer_is_sent_as_authorization(server: Server) -> None:
    server.will_answer(as_json({"Items": []}), as_json({"Registered": False}))
    api = billit.Api(url=server.url, credential=billit.Bearer("token-1"), party_id=7001)
    list(api.products())
    api.participant(NUMBER)
    assert server.asked[0].headers["authorization"] == "Bearer token-1"
    assert "authorization" not in server.asked[1].headers


# --- companies ------------------------------------------------------------------------------------------------------


def test_companies_lists_what_the_credential_opens(server: Server) -> None:
    server.will_answer(
        as_json(
            {
                "Companies": [
                    {"PartyID": 7001, "Name": "Een", "VATNumber": NUMBER, "APIAllowed": True, "Language": "NL"},
                    {"PartyID": 7002, "CommercialName": "Twee", "APIAllowed": False, "UserLanguage": "FR"},
                    {"PartyID": 7003},
                ]
            }
        )
    )
    assert billit.account(url=server.url, credential=billit.ApiKey(KEY)).companies == (
        billit.Company(7001, "Een", NUMBER, True, "NL"),
        billit.Company(7002, "Twee", "", False, "FR"),
        billit.Company(7003, "", "", True, ""),
    )
    (asked,) = server.asked
    assert server.lines == ["GET /v1/account/accountInformation"]
    assert asked.headers["apikey"] == KEY
    assert "partyid" not in asked.headers


@pytest.mark.parametrize("body", [b"{}", b'{"Companies":null}'])
def test_companies_without_any_is_empty(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    assert billit.account(url=server.url, credential=billit.ApiKey(KEY)).companies == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"Companies":[{"Name":"x"}]}', b'{"Companies":7}', b"<html>"])
def test_companies_of_another_shape_is_later(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    with pytest.raises(RetryLater, match="Billit answered the list of companies with something"):
        billit.account(url=server.url, credential=billit.ApiKey(KEY))


def test_companies_bad_key_is_bad_credentials(server: Server) -> None:
    server.will_answer(as_json({"errors": [{"Code": "ApiKeyNotValid"}]}, 401))
    with pytest.raises(BadCredentials):
        billit.account(url=server.url, credential=billit.ApiKey(KEY))


# --- lists ----------------------------------------------------------------------------------------------------------


def test_products_exact_amounts(server: Server) -> None:
    server.will_answer(
        Scripted(
            200,
            b'{"Items":[{"ProductID":1,"Reference":"ADV","Description":"Advies","AmountExcl":95.00000,"VAT":21.00},'
            b'{"ProductID":2,"Reference":null,"AmountExcl":0.1},'
            b'{"ProductID":3,"AmountExcl":100,"VAT":0},{"ProductID":4,"AmountExcl":87.125}]}',
        )
    )
    products = list(make(server).products())
    assert products == [
        billit.Product(1, "ADV", "Advies", Decimal("95"), Decimal("21")),
        billit.Product(2, "", "", Decimal("0.1"), None),
        billit.Product(3, "", "", Decimal("100"), Decimal("0")),
        billit.Product(4, "", "", Decimal("87.125"), None),
    ]
    assert [str(product.price) for product in products] == ["95", "0.1", "100", "87.125"]
    assert server.lines == ["GET /v1/products"]


def test_list_follows_the_next_page_and_gives_a_row_once(server: Server) -> None:
    second = server.url + "/v1/products?$skip=120"
    third = server.url + "/v1/products?$skip=240&$filter=Reference+eq+'a%20b'"
    server.will_answer(
        as_json({"Items": [{"ProductID": 1}, {"ProductID": 2}, {"ProductID": 1}], "NextPageLink": second}),
        as_json({"Items": [{"ProductID": 2}, {"ProductID": 3}], "NextPageLink": third}),
        as_json({"Items": [{"ProductID": 4}], "NextPageLink": None}),
    )
    api = make(server)
    assert [product.id for product in api.products()] == [1, 2, 3, 4]
    assert server.lines == [
        "GET /v1/products",
        "GET /v1/products?$skip=120",
        "GET /v1/products?$skip=240&$filter=Reference+eq+'a%20b'",
    ]
    assert all(asked.headers["partyid"] == "7001" for asked in server.asked)
    assert api.calls == 3


def test_list_relative_next_page_is_followed(server: Server) -> None:
    server.will_answer(as_json({"Items": [], "NextPageLink": "/v1/products?$skip=1"}), as_json({"Items": None}))
    assert list(make(server).products()) == []
    assert server.lines[1] == "GET /v1/products?$skip=1"


@pytest.mark.parametrize(
    "link",
    [
        "https://api.example.com/v1/products?$skip=120",
        "http://127.0.0.1:1/v1/products?$skip=120",
        "//api.example.com/v1/products",
        "http://127.0.0.1@api.example.com/v1",
        "mailto:x",
    ],
)
def test_list_next_page_on_another_host_is_not_followed(server: Server, link: str) -> None:
    server.will_answer(as_json({"Items": [], "NextPageLink": link}), as_json({"Items": []}))
    with pytest.raises(RetryLater, match="the next page leads to"):
        list(make(server).products())
    assert len(server.asked) == 1


def test_list_next_page_that_goes_in_circles_is_later(server: Server) -> None:
    link = server.url + "/v1/products?$skip=120"
    server.will_answer(*[as_json({"Items": [{"ProductID": 1}], "NextPageLink": link})] * 5)
    with pytest.raises(RetryLater, match="the next page is one that was read before"):
        list(make(server).products())
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", LISTS)
def test_list_null_items_is_empty(server: Server, name: str) -> None:
    server.will_answer(as_json({"Items": None, "Count": None}))
    assert READS[name](make(server)) == []


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"17",
        b"true",
        b'"text"',
        b"[]",
        b"{}",
        b'{"errors":[]}',
        b'{"Items":7}',
        b'{"Items":[null]}',
        b'{"Items":[{"Name":"without id"}]}',
        b"<html></html>",
        b'{"Items":[',
    ],
)
def test_list_of_another_shape_is_later_and_not_empty(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    error = failure(server, name)
    assert type(error) is RetryLater
    assert "something that toggbill cannot read" in str(error)


# --- customers and companies ----------------------------------------------------------------------------------------


def test_customers_are_filtered_and_suppliers_left_out(server: Server) -> None:
    server.will_answer(
        as_json(
            {
                "Items": [
                    {"PartyID": 1, "Name": "Een", "VATNumber": "BE 0999.999.922", "Email": "a@example.com"},
                    {"PartyID": 2, "Name": "Leverancier", "PartyType": "Supplier"},
                    {"PartyID": 3, "DisplayName": "Drie", "PartyType": "Customer", "Language": "NL"},
                    {
                        "PartyID": 4,
                        "Name": "Vier",
                        "CountryCode": "FR",
                        "Addresses": [
                            {"AddressType": "DeliveryAddress", "CountryCode": "LU"},
                            {"AddressType": "InvoiceAddress", "CountryCode": "US"},
                        ],
                    },
                    {"PartyID": 5, "Name": "Vijf", "CountryCode": "FR"},
                ]
            }
        )
    )
    assert list(make(server).customers()) == [
        billit.Customer(1, "Een", "BE 0999.999.922", "a@example.com", ""),
        billit.Customer(3, "Drie", "", "", "NL"),
        billit.Customer(4, "Vier", "", "", "", "US"),
        billit.Customer(5, "Vijf", "", "", "", "FR"),
    ]
    assert server.lines == ["GET /v1/parties?$filter=PartyType%20eq%20%27Customer%27"]


def test_find_customers_by_number(server: Server) -> None:
    server.will_answer(as_json({"Items": [{"PartyID": 1, "Name": "Een", "VATNumber": NUMBER}]}))
    assert make(server).find_customers(NUMBER) == [billit.Customer(1, "Een", NUMBER, "", "")]
    assert query(server.asked[0].path) == {
        "$filter": [f"PartyType eq 'Customer' and VATNumber eq '{NUMBER}'"],
    }


def test_find_customers_refused_filter_falls_back_to_full_text(server: Server) -> None:
    server.will_answer(
        error_body("GenericError"), as_json({"Items": [{"PartyID": 2, "Name": "Twee", "VATNumber": "0999999922"}]})
    )
    assert make(server).find_customers(NUMBER) == [billit.Customer(2, "Twee", "0999999922", "", "")]
    assert query(server.asked[1].path) == {
        "fullTextSearch": [NUMBER],
        "$filter": ["PartyType eq 'Customer'"],
    }


def test_find_customers_that_fails_for_now_does_not_fall_back(server: Server) -> None:
    server.will_answer(Scripted(429), as_json({"Items": []}))
    assert isinstance(failure(server, "find_customers"), RetryLater)
    assert len(server.asked) == 1


def test_search_companies_reads_the_register(server: Server) -> None:
    server.will_answer(
        as_json(
            {
                "Items": [
                    {
                        "Source": "KBO",
                        "CompanyIdentification": "0999999922",
                        "Name": "Bakkerij Voorbeeld",
                        "Street": "Dorpsstraat",
                        "Number": 12,
                        "Box": "A",
                        "Zipcode": "9999",
                        "City": "Nergens",
                        "Country": "BE",
                    }
                ]
            }
        )
    )
    assert make(server).search_companies("Bakkerij / Voorbeeld & zoon") == [
        billit.FoundCompany("Bakkerij Voorbeeld", "0999999922", "Dorpsstraat", "12", "A", "9999", "Nergens", "BE")
    ]
    assert server.lines == ["GET /v1/misc/companysearch/Bakkerij%20Voorbeeld%20%26%20zoon"]


@pytest.mark.parametrize("keywords", ["", "  ", "/", "..", "../..", "..\\.."])
def test_search_companies_without_words_asks_nothing(server: Server, keywords: str) -> None:
    assert make(server).search_companies(keywords) == []
    assert server.asked == []


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"Items":null}', b'{"Items":[]}'])
def test_search_companies_that_finds_none_is_empty(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    assert make(server).search_companies("niemand") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"Registered": True, "DocumentTypes": ["BISv3Invoice", "BISv3CreditNote"]},
            billit.Participant(True, frozenset({"BISv3Invoice", "BISv3CreditNote"})),
        ),
        ({"Registered": False, "DocumentTypes": []}, billit.Participant(False, frozenset())),
        ({"Registered": True, "DocumentTypes": None}, billit.Participant(True, frozenset())),
        ({}, billit.Participant(False, frozenset())),
    ],
)
def test_participant_every_shape(server: Server, body: dict[str, Any], expected: billit.Participant) -> None:
    server.will_answer(as_json(body))
    assert make(server).participant("0208:0999999922") == expected
    assert server.lines == ["GET /v1/peppol/participantInformation/0208:0999999922"]


@pytest.mark.parametrize("number", ["", "..", "BE0/1", "BE 1", "a?b", "é"])
def test_participant_of_no_number_asks_nothing(server: Server, number: str) -> None:
    with pytest.raises(ValueError, match="is not a number to look up"):
        make(server).participant(number)
    assert server.asked == []
