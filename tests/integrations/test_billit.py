from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations import billit
from integrations.transport import BadCredentials, NoAnswer, Refused, RetryLater, ServiceError
from tests.integrations.answers import Scripted, Server, as_json, refusing_url

KEY = "7b0c2f52-0000-4000-8000-00000000test"
NUMBER = "BE0999999922"

LINE = billit.OrderLine(
    quantity=Decimal("1.50"),
    unit_price=Decimal("95.00"),
    description="Advies · Été",
    description_extended="",
    reference="ADV",
    vat_rate=Decimal("21"),
    ventilation_code=4,
)
ORDER = billit.Order(
    external_id="tb-0001",
    order_date=date(2026, 11, 2),
    expiry_date=date(2026, 12, 2),
    customer_id=88001,
    customer=None,
    reference="",
    title="Octobre 2026",
    period_from=date(2026, 10, 1),
    period_till=date(2026, 10, 31),
    lines=(LINE,),
)

Method = Callable[[billit.Api], object]
READS: dict[str, Method] = {
    "products": lambda api: list(api.products()),
    "customers": lambda api: list(api.customers()),
    "find_customers": lambda api: api.find_customers(NUMBER),
    "search_companies": lambda api: api.search_companies("bakkerij"),
    "participant": lambda api: api.participant(NUMBER),
    "order": lambda api: api.order(12),
    "find_orders": lambda api: api.find_orders("tb-0001"),
    "find_deleted_orders": lambda api: api.find_deleted_orders("tb-0001"),
    "orders_between": lambda api: api.orders_between(10, 20),
    "orders_with_prefix": lambda api: api.orders_with_prefix("tb-"),
}
LISTS = ("products", "customers", "find_customers", "find_orders", "find_deleted_orders", "orders_between")
WRITES: dict[str, Method] = {
    "create_order": lambda api: api.create_order(ORDER, key="tb-0001-1"),
    "send_order": lambda api: api.send_order(12, transport="Peppol", key="tb-0001-send-1"),
    "delete_order": lambda api: api.delete_order(12),
}
EVERYTHING = {**READS, **WRITES}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def make(server: Server, *, wait: float = 5.0) -> billit.Api:
    return billit.Api(url=server.url, credential=billit.ApiKey(KEY), party_id=7001, timeout=(2.0, wait))


def failure(server: Server, name: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        EVERYTHING[name](make(server))
    return caught.value


def error_body(*codes: str, status: int = 400) -> Scripted:
    return as_json({"errors": [{"Code": code, "Description": f"About {code}."} for code in codes]}, status)


def query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


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
    assert billit.companies(url=server.url, credential=billit.ApiKey(KEY)) == [
        billit.Company(7001, "Een", NUMBER, True, "NL"),
        billit.Company(7002, "Twee", "", False, "FR"),
        billit.Company(7003, "", "", True, ""),
    ]
    (asked,) = server.asked
    assert server.lines == ["GET /v1/account/accountInformation"]
    assert asked.headers["apikey"] == KEY
    assert "partyid" not in asked.headers


@pytest.mark.parametrize("body", [b"{}", b'{"Companies":null}'])
def test_companies_without_any_is_empty(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    assert billit.companies(url=server.url, credential=billit.ApiKey(KEY)) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"Companies":[{"Name":"x"}]}', b'{"Companies":7}', b"<html>"])
def test_companies_of_another_shape_is_later(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    with pytest.raises(RetryLater, match="Billit answered the list of companies with something"):
        billit.companies(url=server.url, credential=billit.ApiKey(KEY))


def test_companies_bad_key_is_bad_credentials(server: Server) -> None:
    server.will_answer(as_json({"errors": [{"Code": "ApiKeyNotValid"}]}, 401))
    with pytest.raises(BadCredentials):
        billit.companies(url=server.url, credential=billit.ApiKey(KEY))


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
    with pytest.raises(RetryLater, match="NextPageLink leads to"):
        list(make(server).products())
    assert len(server.asked) == 1


def test_list_next_page_that_goes_in_circles_is_later(server: Server) -> None:
    link = server.url + "/v1/products?$skip=120"
    server.will_answer(*[as_json({"Items": [{"ProductID": 1}], "NextPageLink": link})] * 5)
    with pytest.raises(RetryLater, match="leads back"):
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
                ]
            }
        )
    )
    assert list(make(server).customers()) == [
        billit.Customer(1, "Een", "BE 0999.999.922", "a@example.com", ""),
        billit.Customer(3, "Drie", "", "", "NL"),
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
    assert server.lines == ["GET /v1/peppol/participantInformation/0208%3A0999999922"]


@pytest.mark.parametrize("number", ["", "..", "BE0/1", "BE 1", "a?b", "é"])
def test_participant_of_no_number_asks_nothing(server: Server, number: str) -> None:
    with pytest.raises(ValueError, match="is not a number to look up"):
        make(server).participant(number)
    assert server.asked == []


# --- orders that are there ------------------------------------------------------------------------------------------

SUMMARY = {
    "OrderID": 12,
    "OrderNumber": "2026-0001",
    "OrderStatus": "Paid",
    "IsSent": True,
    "Paid": True,
    "PaidDate": "2026-11-20T00:00:00",
    "TotalExcl": 142.50,
    "TotalVAT": 29.93,
    "TotalIncl": 172.43,
    "CounterParty": {"PartyID": 88001, "VATNumber": NUMBER},
    "ExternalProviderID": "tb-0001",
    "LastModified": "2026-07-10T15:00:49.7212345",
}
EXPECTED = billit.OrderSummary(
    id=12,
    number="2026-0001",
    status="Paid",
    is_sent=True,
    paid=True,
    paid_date=date(2026, 11, 20),
    total_excl=Decimal("142.5"),
    total_vat=Decimal("29.93"),
    total_incl=Decimal("172.43"),
    customer_id=88001,
    customer_vat=NUMBER,
    external_id="tb-0001",
    last_modified=datetime(2026, 7, 10, 13, 0, 49, 721234, tzinfo=UTC),
)


def test_order_reads_one(server: Server) -> None:
    server.will_answer(as_json(SUMMARY))
    assert make(server).order(12) == EXPECTED
    assert server.lines == ["GET /v1/orders/12"]


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"Customer": {"PartyID": 5, "VATNumber": "X"}}, "customer_id", 5),
        ({"CounterParty": None, "CustomerID": 6}, "customer_id", 6),
        ({"CounterParty": None, "CounterPartyID": 7}, "customer_id", 7),
        ({"CounterParty": None}, "customer_id", None),
        ({"CounterParty": None}, "customer_vat", ""),
        ({"CounterParty": {"PartyID": 8}}, "customer_vat", ""),
        ({"OrderNumber": None}, "number", ""),
        ({"OrderNumber": 20260001}, "number", "20260001"),
        ({"IsSent": None}, "is_sent", False),
        ({"Paid": None}, "paid", False),
        ({"PaidDate": None}, "paid_date", None),
        ({"PaidDate": "2026-11-20"}, "paid_date", date(2026, 11, 20)),
        ({"PaidDate": "2026-11-19T23:30:00Z"}, "paid_date", date(2026, 11, 20)),
        ({"TotalVAT": None}, "total_vat", Decimal(0)),
        ({"TotalVAT": 0}, "total_vat", Decimal(0)),
        ({"ExternalProviderID": None}, "external_id", ""),
        ({"LastModified": None}, "last_modified", None),
        ({"LastModified": "2026-01-10T15:00:49Z"}, "last_modified", datetime(2026, 1, 10, 15, 0, 49, tzinfo=UTC)),
    ],
)
def test_order_absent_and_other_fields(server: Server, changes: dict[str, Any], field: str, value: object) -> None:
    server.will_answer(as_json({**SUMMARY, **changes}))
    assert getattr(make(server).order(12), field) == value


@pytest.mark.parametrize(
    "changes",
    [
        {"OrderID": None},
        {"OrderID": "x"},
        {"TotalIncl": "much"},
        {"TotalIncl": True},
        {"TotalIncl": [1]},
        {"Paid": "yes"},
        {"PaidDate": "soon"},
        {"PaidDate": "2026-13-01"},
        {"LastModified": "soon"},
        {"CounterParty": 5},
        {"OrderNumber": ["2026"]},
    ],
)
def test_order_that_cannot_be_read_is_later(server: Server, changes: dict[str, Any]) -> None:
    server.will_answer(as_json({**SUMMARY, **changes}))
    with pytest.raises(RetryLater, match="Billit answered order 12 with something that toggbill cannot read"):
        make(server).order(12)


def test_order_amount_beyond_all_amounts_is_later(server: Server) -> None:
    server.will_answer(Scripted(200, b'{"OrderID":12,"TotalIncl":1e999999}'))
    with pytest.raises(RetryLater, match="beyond all amounts"):
        make(server).order(12)


@pytest.mark.parametrize(
    ("name", "path"), [("find_orders", "/v1/orders"), ("find_deleted_orders", "/v1/orders/deleted")]
)
def test_find_orders_by_our_reference(server: Server, name: str, path: str) -> None:
    row = {key: value for key, value in SUMMARY.items() if key != "ExternalProviderID"}
    server.will_answer(as_json({"Items": [SUMMARY, {**row, "OrderID": 13}]}))
    found = READS[name](make(server))
    assert found == [EXPECTED, dataclasses.replace(EXPECTED, id=13, external_id="")]
    assert server.lines == [f"GET {path}?$filter=ExternalProviderID%20eq%20%27tb-0001%27"]


def test_find_orders_row_with_another_reference_is_no_hit(server: Server) -> None:
    server.will_answer(as_json({"Items": [{**SUMMARY, "ExternalProviderID": "tb-0002"}]}))
    assert make(server).find_orders("tb-0001") == []


@pytest.mark.parametrize("reference", ["", "tb 1", "tb'1", "tb-1' or '1' eq '1", "é", "a/b", "a\n", "%27"])
def test_lookup_of_a_dangerous_text_asks_nothing(server: Server, reference: str) -> None:
    api = make(server)
    for look_up in (api.find_orders, api.find_deleted_orders, api.orders_with_prefix, api.find_customers):
        with pytest.raises(ValueError, match="cannot be looked up at Billit"):
            look_up(reference)
    assert server.asked == []


def test_orders_between_asks_by_id(server: Server) -> None:
    server.will_answer(as_json({"Items": [SUMMARY]}))
    assert make(server).orders_between(10, 20) == [EXPECTED]
    assert query(server.asked[0].path)["$filter"] == ["OrderID ge 10 and OrderID le 20"]


def test_orders_with_prefix_asks_by_range_and_keeps_what_may_be_ours(server: Server) -> None:
    rows = [
        {"OrderID": 1, "ExternalProviderID": "tb-0001"},
        {"OrderID": 2},
        {"OrderID": 3, "ExternalProviderID": "tb0001"},
        {"OrderID": 4, "ExternalProviderID": None},
        {"OrderID": 5, "ExternalProviderID": "other"},
    ]
    server.will_answer(as_json({"Items": rows}))
    assert [order.id for order in make(server).orders_with_prefix("tb-")] == [1, 2, 4]
    assert query(server.asked[0].path)["$filter"] == ["ExternalProviderID ge 'tb-' and ExternalProviderID lt 'tb.'"]


# --- the body of an order -------------------------------------------------------------------------------------------


def test_order_body_for_a_known_customer() -> None:
    assert billit.order_body(ORDER) == {
        "OrderType": "Invoice",
        "OrderDirection": "Income",
        "OrderDate": "2026-11-02",
        "ExpiryDate": "2026-12-02",
        "Currency": "EUR",
        "ExternalProviderID": "tb-0001",
        "OrderTitle": "Octobre 2026",
        "PeriodFrom": "2026-10-01",
        "PeriodTill": "2026-10-31",
        "CustomerID": 88001,
        "OrderLines": [
            {
                "Quantity": Decimal("1.50"),
                "UnitPriceExcl": Decimal("95.00"),
                "Description": "Advies · Été",
                "Reference": "ADV",
                "VATPercentage": Decimal("21"),
                "VentilationCode": "4",
                "Unit": "HUR",
            }
        ],
    }


def test_order_body_for_a_new_belgian_customer() -> None:
    address = billit.Address("Dorpsstraat", "12", "", "9999", "Nergens", "BE")
    customer = billit.NewCustomer("Bakkerij Voorbeeld", NUMBER, "NL", address)
    body = billit.order_body(dataclasses.replace(ORDER, customer_id=None, customer=customer, reference="4500012345"))
    assert body["Customer"] == {
        "Name": "Bakkerij Voorbeeld",
        "VATNumber": NUMBER,
        "PartyType": "Customer",
        "Language": "NL",
        "Addresses": [
            {
                "AddressType": "InvoiceAddress",
                "Street": "Dorpsstraat",
                "StreetNumber": "12",
                "Zipcode": "9999",
                "City": "Nergens",
                "CountryCode": "BE",
            }
        ],
        "Identifiers": [{"IdentifierType": "CBE", "Identifier": "0999999922"}],
    }
    assert "CustomerID" not in body
    assert body["Reference"] == "4500012345"


@pytest.mark.parametrize("address", [None, billit.Address()])
def test_order_body_for_a_foreign_customer_without_address(address: billit.Address | None) -> None:
    customer = billit.NewCustomer("Voorbeeld GmbH", "DE999999999", address=address)
    body = billit.order_body(dataclasses.replace(ORDER, customer_id=None, customer=customer))
    assert body["Customer"] == {"Name": "Voorbeeld GmbH", "VATNumber": "DE999999999", "PartyType": "Customer"}


def test_order_body_for_a_credit_note() -> None:
    order = dataclasses.replace(ORDER, order_type="CreditNote", about_number="2026-0001")
    body = billit.order_body(order)
    assert (body["OrderType"], body["AboutInvoiceNumber"]) == ("CreditNote", "2026-0001")


def test_order_body_line_at_zero_per_cent_keeps_its_zero() -> None:
    line = dataclasses.replace(LINE, vat_rate=Decimal(0), ventilation_code=55, description_extended="more")
    (sent,) = billit.order_body(dataclasses.replace(ORDER, lines=(line,)))["OrderLines"]
    assert (sent["VATPercentage"], sent["VentilationCode"], sent["DescriptionExtended"]) == (Decimal(0), "55", "more")


def test_order_body_line_without_ventilation_code() -> None:
    line = dataclasses.replace(LINE, ventilation_code=None, reference="")
    (sent,) = billit.order_body(dataclasses.replace(ORDER, lines=(line,)))["OrderLines"]
    assert "VentilationCode" not in sent
    assert "Reference" not in sent


@pytest.mark.parametrize(
    "changes", [{"customer_id": None}, {"customer": billit.NewCustomer("Voorbeeld", NUMBER)}], ids=["none", "both"]
)
def test_order_body_needs_exactly_one_customer(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tb-0001 needs either a customer id or a customer"):
        billit.order_body(dataclasses.replace(ORDER, **changes))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.5"),
        (Decimal("0.1"), "0.1"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00"), "0"),
        (Decimal("-0.0"), "0"),
        (Decimal("-12.30"), "-12.3"),
        (Decimal("12345678901234567890.12"), "12345678901234567890.12"),
        (7, "7"),
        (True, "true"),
        (None, "null"),
        ('a"é\n', '"a\\"é\\n"'),
        ({"b": [1, Decimal("2.0")], "a": {}}, '{"a":{},"b":[1,2]}'),
    ],
)
def test_encode_exact_values(value: object, text: str) -> None:
    assert billit.encode({"x": value}) == f'{{"x":{text}}}'.encode()


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.5, TypeError), (date(2026, 1, 1), TypeError), (Decimal("NaN"), ValueError), (Decimal("Infinity"), ValueError)],
)
def test_encode_of_what_has_no_exact_form_is_refused(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        billit.encode({"x": value})


def test_encode_is_the_same_for_equal_orders() -> None:
    line = dataclasses.replace(LINE, quantity=Decimal("1.5"), unit_price=Decimal("95"), vat_rate=Decimal("21.00"))
    same = dataclasses.replace(ORDER, lines=(line,))
    assert billit.encode(billit.order_body(same)) == billit.encode(billit.order_body(ORDER))


# --- writes ---------------------------------------------------------------------------------------------------------


def test_create_order_sends_the_bytes_and_both_keys(server: Server) -> None:
    server.will_answer(Scripted(200, b"2615999"))
    assert make(server).create_order(ORDER, key="tb-0001-1") == 2615999
    (asked,) = server.asked
    assert server.lines == ["POST /v1/orders"]
    assert asked.body == billit.encode(billit.order_body(ORDER))
    assert asked.body.startswith(b'{"Currency":"EUR","CustomerID":88001,"ExpiryDate":"2026-12-02",')
    assert json.loads(asked.body)["OrderLines"][0]["UnitPriceExcl"] == 95
    assert asked.headers["content-type"] == "application/json"
    assert (asked.headers["idempotency-key"], asked.headers["idempotent-key"]) == ("tb-0001-1", "tb-0001-1")


@pytest.mark.parametrize(
    "body", [b"12", b'"12"', b" 12\r\n", b'{"OrderID":12}', b'{"OrderID":"12"}', b"\xef\xbb\xbf12"]
)
def test_create_order_id_in_every_shape(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    assert make(server).create_order(ORDER, key="k") == 12


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1.5",
        b"[]",
        b"[12]",
        b"{}",
        b'{"OrderID":null}',
        b'"ok"',
        b'""',
        b"<html>12",
    ],
)
def test_create_order_success_without_an_id_is_no_answer(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body), Scripted(200, b"12"))
    error = failure(server, "create_order")
    assert isinstance(error, NoAnswer)
    assert error.status == 200
    assert len(server.asked) == 1


def test_send_order_is_strict_about_the_transport(server: Server) -> None:
    server.will_answer(Scripted(200), Scripted(200))
    api = make(server)
    api.send_order(12, transport="Peppol", key="tb-0001-send-1")
    api.send_order(13, transport="SMTP", key="tb-0002-send-1")
    assert server.lines == ["POST /v1/orders/commands/send"] * 2
    assert [asked.json() for asked in server.asked] == [
        {"TransportType": "Peppol", "OrderIDs": [12]},
        {"TransportType": "SMTP", "OrderIDs": [13]},
    ]
    headers = server.asked[0].headers
    assert headers["stricttransporttype"] == "true"
    assert (headers["idempotency-key"], headers["idempotent-key"]) == ("tb-0001-send-1", "tb-0001-send-1")


def test_delete_order_asks_once(server: Server) -> None:
    server.will_answer(Scripted(200, b"true"))
    make(server).delete_order(12)
    assert server.lines == ["DELETE /v1/orders/12"]
    assert "idempotency-key" not in server.asked[0].headers


@pytest.mark.parametrize("name", ["send_order", "delete_order"])
@pytest.mark.parametrize("scripted", [Scripted(200), Scripted(204), Scripted(200, b"true"), Scripted(200, b" \r\n")])
def test_write_confirmed(server: Server, name: str, scripted: Scripted) -> None:
    server.will_answer(scripted)
    WRITES[name](make(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["send_order", "delete_order"])
@pytest.mark.parametrize("body", [b"false", b"<html>", b"17", b'{"errors":[{"Code":"Odd"}]}', b'"sent"'])
def test_write_not_confirmed_is_no_answer(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    error = failure(server, name)
    assert isinstance(error, NoAnswer)
    assert (error.status, error.code) == (200, "Odd" if b"Odd" in body else "")


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    ("scripted", "status", "code"),
    [
        (
            as_json({"errors": [{"Code": "Idempotent token already exists"}]}, 409),
            409,
            "Idempotent token already exists",
        ),
        (Scripted(409), 409, ""),
        (Scripted(500, b"<html>"), 500, ""),
        (error_body("GenericError", status=500), 500, "GenericError"),
        (Scripted(503, headers={"Retry-After": "1"}), 503, ""),
        (Scripted(cut=True), None, ""),
        (Scripted(200, b"1", missing=3), None, ""),
        (Scripted(302, headers={"Location": "/"}), 302, ""),
    ],
    ids=["409", "409 empty", "500", "500 code", "503", "cut", "truncated", "302"],
)
def test_write_of_unknown_outcome_is_no_answer_and_never_repeated(
    server: Server, name: str, scripted: Scripted, status: int | None, code: str
) -> None:
    server.will_answer(scripted, Scripted(200, b"12"))
    error = failure(server, name)
    assert isinstance(error, NoAnswer)
    assert (error.status, error.code) == (status, code)
    assert len(server.asked) == 1


def test_write_that_times_out_is_no_answer_and_never_repeated(server: Server) -> None:
    server.will_answer(Scripted(200, b"12", delay=0.4), Scripted(200, b"13"))
    with pytest.raises(NoAnswer) as caught:
        make(server, wait=0.1).create_order(ORDER, key="k")
    assert caught.value.status is None
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", EVERYTHING)
def test_unreachable_billit_is_later(name: str) -> None:
    api = billit.Api(url=refusing_url(), credential=billit.ApiKey(KEY), party_id=7001)
    with pytest.raises(RetryLater, match="Billit could not be reached"):
        EVERYTHING[name](api)


# --- refusals -------------------------------------------------------------------------------------------------------

CATALOGUE = [
    "GenericError",
    "_0_IsNoValidBEVAT",
    "YourVATIsNotValid",
    "CompanyNameOrContactNameIsRequired",
    "IdentifierTypeIsRequired",
    "Only1OfEachAddressTypeAllowed",
    "CustomerIsRequired",
    "OrderDateIsRequired",
    "ExpiryDateIsRequired",
    "InvalidDeliveryDate",
    "TheOrderDirectionCode_0_IsInvalid",
    "TheOrderTypeCode_0_IsInvalid",
    "ThereMustBeAtLeastOneOrderLine",
    "DescriptionIsMandatoryForOrderLinesWithTotals",
    "InvalidVAtPercentageForTaxCountry_0_",
    "TheFileIsNotValid",
    "TheFileCannotBeEmpty",
    "Invalid Filename",
    "This_0_WasAlreadySentLessThen_1_MinutesAgoTo_2_OrIsStillInTheQueue",
    "TheCustomer_0_DoesNotHaveAValidEmailAddress",
    "TheCustomerIsNotActiveOnPeppol",
    "TheCustomerDoesNotSupportPeppolForType_0_",
    "PleaseSupplyAValidPONumberInTheFieldYourReference",
]


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("code", CATALOGUE)
def test_catalogued_code_is_refused_with_its_text(server: Server, name: str, code: str) -> None:
    server.will_answer(error_body(code))
    error = failure(server, name)
    assert type(error) is Refused
    assert (error.status, error.code, error.reason) == (400, code, f"About {code}.")
    assert f"About {code}. Mend what it names" in str(error)
    assert len(server.asked) == 1


def test_several_violations_are_all_shown(server: Server) -> None:
    server.will_answer(error_body("CustomerIsRequired", "ExpiryDateIsRequired"))
    error = failure(server, "create_order")
    assert isinstance(error, Refused)
    assert (error.code, error.reason) == (
        "CustomerIsRequired",
        "About CustomerIsRequired.; About ExpiryDateIsRequired.",
    )


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize(
    "code",
    [
        "ApiKeyNotValid",
        "InvalidAccessToken",
        "AccessTokenExpired",
        "AccessTokenRevoked",
        "apikeynotvalid",
        "ACCESSTOKENEXPIRED",
    ],
)
def test_401_with_a_credential_code_is_bad_credentials(server: Server, name: str, code: str) -> None:
    answer = as_json({"errors": [{"Code": "Other"}, {"Code": code}]}, 401)
    server.will_answer(answer, answer)
    error = failure(server, name)
    assert isinstance(error, BadCredentials)
    assert KEY not in str(error)


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("body", [b"", b"null", b"<html>401</html>", b'{"errors":[]}'])
def test_401_without_a_code_is_a_wrong_id(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(401, body), Scripted(401, body))
    error = failure(server, name)
    assert type(error) is Refused
    assert (error.status, error.code) == (401, "")
    assert error.reason == "the id does not exist or belongs to another company"


def test_401_with_another_code_is_refused_with_its_text(server: Server) -> None:
    server.will_answer(error_body("GenericError", status=401))
    error = failure(server, "order")
    assert type(error) is Refused
    assert (error.status, error.code, error.reason) == (401, "GenericError", "About GenericError.")


@pytest.mark.parametrize("name", ["order", "create_order", "delete_order"])
@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 413, 422])
def test_certain_no_without_reason_is_refused(server: Server, name: str, status: int) -> None:
    server.will_answer(Scripted(status, b"<html>a page of IIS</html>"))
    error = failure(server, name)
    assert type(error) is Refused
    assert (error.status, error.reason) == (status, "")
    assert "no reason given" in str(error)


@pytest.mark.parametrize("name", EVERYTHING)
def test_429_is_later_and_not_repeated(server: Server, name: str) -> None:
    server.will_answer(Scripted(429, headers={"Retry-After": "3"}), Scripted(200, b"12"))
    error = failure(server, name)
    assert type(error) is RetryLater
    assert error.after == 3.0
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["products", "order", "participant"])
def test_read_server_error_is_repeated(server: Server, name: str) -> None:
    body = {"products": {"Items": []}, "order": SUMMARY, "participant": {}}[name]
    server.will_answer(Scripted(500, b"<html>"), Scripted(cut=True), as_json(body))
    READS[name](make(server))
    assert len(server.asked) == 3


def test_pace_is_asked_before_each_request(server: Server) -> None:
    server.will_answer(Scripted(500), as_json({"Items": []}), Scripted(200, b"12"))
    waits: list[int] = []
    api = billit.Api(
        url=server.url,
        credential=billit.ApiKey(KEY),
        party_id=7001,
        pace=lambda: waits.append(len(server.asked)),
    )
    list(api.products())
    api.create_order(ORDER, key="k")
    assert waits == [0, 1, 2]
    assert api.calls == 3


@pytest.mark.parametrize("name", EVERYTHING)
def test_errors_never_show_the_credential(server: Server, name: str) -> None:
    answer = as_json({"errors": [{"Code": f"Bad{KEY}", "Description": f"{KEY} is odd"}]}, 400)
    server.will_answer(answer, answer)
    error = failure(server, name)
    assert KEY not in f"{error} {error!r} {error.__dict__}"
