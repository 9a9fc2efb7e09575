"""Lists: the filter grammar, the whitelist, order, pages, summaries; parties and products."""

from decimal import Decimal

import pytest

from integrations.sandbox.billit.rules.odata import ODataError, filtered, ordered
from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import VAT, Billit, codes, line

ROWS: list[Record] = [
    {"Id": 1, "Name": "tb-a", "Amount": Decimal("10.50"), "Paid": False, "At": "2026-10-01T00:00:00", "To": {"Id": 7}},
    {"Id": 2, "Name": "tb-b", "Amount": Decimal("20.0"), "Paid": True, "At": "2026-10-15T12:30:00.55", "To": {"Id": 8}},
    {"Id": 3, "Name": "it's", "Amount": Decimal("30.00"), "Paid": True, "At": "2026-11-01T00:00:00", "To": {"Id": 7}},
    {"Id": 4, "Paid": False},
]
NAMES = {"Id", "Name", "Amount", "Paid", "At", "To/Id"}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 4]),
        ("Id eq 2", [2]),
        ("2 eq Id", [2]),
        ("Id ne 2", [1, 3, 4]),
        ("Id ge 2 and Id le 3", [2, 3]),
        ("Id gt 2", [3, 4]),
        ("Id lt 2", [1]),
        ("Amount ge 10.50M", [1, 2, 3]),
        ("Name eq 'tb-a'", [1]),
        ('Name eq "tb-a"', [1]),
        ("Name eq 'it''s'", [3]),
        ("Name ge 'tb-' and Name lt 'tb.'", [1, 2]),
        ("Name eq null", [4]),
        ("Paid eq true", [2, 3]),
        ("Paid eq false", [1, 4]),
        ("At ge DateTime'2026-10-15'", [2, 3]),
        ("At gt datetime'2026-10-15T12:30:00.55'", [3]),
        ('At lt DateTime"2026-10-02"', [1]),
        ("To/Id eq 7", [1, 3]),
        ("Id eq 1 or Id eq 2 and Paid eq false", [1]),
        ("(Id eq 1 or Id eq 2) and Paid eq true", [2]),
        ("((Id eq 4))", [4]),
    ],
)
def test_filter(text: str, ids: list[int]) -> None:
    assert [row["Id"] for row in filtered(ROWS, text, NAMES, "T")] == ids


@pytest.mark.parametrize(
    "text",
    ["Id", "Id eq", "Id eq 1 and", "(Id eq 1", "Id eq 1)", "Id like 1", "eq eq 1 1", "Id eq 'a", "At eq DateTime'x'"],
)
def test_filter_with_bad_grammar(text: str) -> None:
    with pytest.raises(ODataError):
        filtered(ROWS, text, NAMES, "T")


def test_filter_on_an_unknown_property() -> None:
    with pytest.raises(ODataError, match=r"^Could not find a property named 'Vat' on type 'T'\.$"):
        filtered(ROWS, "Vat eq 1", NAMES, "T")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Id desc", [4, 3, 2, 1]),
        ("Amount", [4, 1, 2, 3]),
        ("Paid desc, Id desc", [3, 2, 4, 1]),
        ("To/Id asc,Id", [4, 1, 3, 2]),
    ],
)
def test_order(text: str, ids: list[int]) -> None:
    assert [row["Id"] for row in ordered(ROWS, text, NAMES, "T")] == ids


def test_summary_rows(billit: Billit) -> None:
    billit.create(line("2"), ExternalProviderID="tb-1", Reference="PO-1")
    row = billit.get("/orders").json()["Items"][0]
    assert (row["OrderID"], row["OrderNumber"], row["TotalIncl"], row["Reference"]) == (
        5000001,
        "2026-0001",
        242.0,
        "PO-1",
    )
    assert row["CounterParty"] == {
        "PartyID": 88001,
        "Name": "Mirvelle SRL",
        "VATNumber": VAT,
        "PartyType": "Customer",
        "DisplayName": "Mirvelle SRL",
    }
    assert "OrderLines" not in row
    assert "Customer" not in row
    assert row["ExternalProviderID"] == "tb-1"


def test_rows_without_our_reference_are_still_found_by_it(billit: Billit, control: Remote) -> None:
    billit.create(ExternalProviderID="tb-1")
    billit.create(ExternalProviderID="tb-2")
    control.switch(billit_summary_external_id=False)
    rows = billit.get("/orders", **{"$filter": "ExternalProviderID eq 'tb-2'"}).json()["Items"]
    assert [(row["OrderID"], "ExternalProviderID" in row) for row in rows] == [(5000002, False)]


def test_filter_over_http_with_both_kinds_of_blanks(billit: Billit) -> None:
    billit.create(ExternalProviderID="tb-1")
    for blank in ("+", "%20"):
        query = "$filter=ExternalProviderID eq 'tb-1' and CounterParty/PartyID eq 88001".replace(" ", blank)
        answer = billit.session.get(f"{billit.url}/v1/orders?{query}", timeout=10)
        assert len(answer.json()["Items"]) == 1


def test_order_property_outside_the_whitelist(billit: Billit) -> None:
    answer = billit.get("/orders", **{"$filter": "OrderTitle eq 'x'"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "Code": "GenericError",
            "Description": "Could not find a property named 'OrderTitle' on type "
            "'Domain.Order.OrderPartyPerformanceSafeColumns'.",
        }
    ]


def test_plain_parameters_are_ignored(billit: Billit) -> None:
    billit.create()
    assert len(billit.get("/orders", OrderType="CreditNote").json()["Items"]) == 1


def test_orders_of_others_are_not_listed(billit: Billit, other_billit: Billit) -> None:
    other_billit.create(CustomerID=88201)
    billit.create()
    assert [row["OrderID"] for row in billit.get("/orders").json()["Items"]] == [5000002]


def test_pages_of_120(billit: Billit, control: Remote) -> None:
    control.put_billit(
        "parties",
        *({"PartyID": 90000 + n, "CompanyID": 7001, "PartyType": "Customer", "Name": f"C{n}"} for n in range(250)),
    )
    query = {"$top": "500", "$filter": "PartyType eq 'Customer' and PartyID ge 90000", "$orderby": "PartyID desc"}
    seen: list[int] = []
    page = billit.get("/parties", **query).json()
    sizes = [len(page["Items"])]
    seen += [row["PartyID"] for row in page["Items"]]
    while "NextPageLink" in page:
        assert page["NextPageLink"].startswith(f"{billit.url}/v1/parties?")
        page = billit.session.get(page["NextPageLink"], timeout=10).json()
        sizes.append(len(page["Items"]))
        seen += [row["PartyID"] for row in page["Items"]]
    assert sizes == [120, 120, 10]
    assert seen == list(range(90249, 89999, -1))
    assert "Count" not in page


def test_top_skip_and_count(billit: Billit, control: Remote) -> None:
    answer = billit.get("/parties", **{"$top": "2", "$skip": "1", "$inlinecount": "allpages"}).json()
    assert [row["PartyID"] for row in answer["Items"]] == [88002, 88003]
    assert answer["Count"] == 3
    assert "NextPageLink" not in answer
    assert "NextPageLink" in billit.get("/parties", **{"$top": "2"}).json()
    control.switch(billit_next_link_past_top=False)
    assert "NextPageLink" not in billit.get("/parties", **{"$top": "2"}).json()


@pytest.mark.parametrize("query", [{"$top": "many"}, {"$skip": "-1"}, {"$orderby": "Name sideways"}])
def test_bad_list_options(billit: Billit, query: dict[str, str]) -> None:
    answer = billit.get("/parties", **query)
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])


# --- parties and products -------------------------------------------------------------------------------------------


def test_parties_by_number_and_by_text(billit: Billit, control: Remote) -> None:
    rows = billit.get("/parties", **{"$filter": f"VATNumber eq '{VAT}'"}).json()["Items"]
    assert [row["PartyID"] for row in rows] == [88001]
    assert "CompanyID" not in rows[0]
    assert [row["PartyID"] for row in billit.get("/parties", fullTextSearch=VAT).json()["Items"]] == [88001]
    assert [row["PartyID"] for row in billit.get("/parties", fullTextSearch="orvign").json()["Items"]] == [88002]
    control.switch(billit_party_vat_filter="refuse")
    assert billit.get("/parties", **{"$filter": f"VATNumber eq '{VAT}'"}).status_code == 400


def test_parties_changed_since(billit: Billit, control: Remote) -> None:
    control.put_billit("parties", {"PartyID": 88003, "City": "Namur"})
    since = "PartyType eq 'Customer' and LastModified ge DateTime'2026-10-15T12:00:00'"
    assert [row["PartyID"] for row in billit.get("/parties", **{"$filter": since}).json()["Items"]] == [88003]


def test_party_created_read_patched(billit: Billit) -> None:
    identity = billit.call("POST", "/parties", {"Name": "Caldrin", "VATNumber": "BE0999000327"}).json()
    assert billit.get(f"/parties/{identity}").json()["Name"] == "Caldrin"
    answer = billit.call("PATCH", f"/parties/{identity}", {"Email": "caldrin@example.com"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert billit.get(f"/parties/{identity}").json()["Email"] == "caldrin@example.com"
    assert codes(billit.call("PATCH", f"/parties/{identity}", {"PartyType": "Supplier"})) == ["GenericError"]
    assert billit.get("/parties/88201").status_code == 401


@pytest.mark.parametrize("number", ["BE0999000135", "BE1", "BE2999000171"])
def test_party_with_a_wrong_number(billit: Billit, number: str) -> None:
    answer = billit.call("POST", "/parties", {"Name": "Caldrin", "VATNumber": number})
    assert codes(answer) == ["_0_IsNoValidBEVAT"]


def test_products(billit: Billit) -> None:
    rows = billit.get("/products").json()["Items"]
    assert [(row["ProductID"], row["Reference"], row["AmountExcl"], row["VAT"]) for row in rows] == [
        (60001, "ADV", 95.0, 21.0),
        (60002, "FIS", 110.0, 21.0),
    ]
    assert '"AmountExcl":95.00' in billit.get("/products").text
    found = billit.get("/products", **{"$filter": "Reference eq 'FIS'"}).json()["Items"]
    assert [row["ProductID"] for row in found] == [60002]
    assert billit.get("/products/60003").status_code == 401


def test_product_created_as_one_or_several(billit: Billit) -> None:
    one = {"Reference": "NEW", "Description": "New", "AmountExcl": Decimal("10.00"), "VAT": 21}
    assert billit.call("POST", "/products", one).json() == 60004
    assert billit.call("POST", "/products", {"Items": [one, {**one, "Reference": "NEW2"}]}).json() == 60006
    changed = {"ProductID": 60004, "AmountExcl": Decimal("12.00")}
    assert billit.call("POST", "/products", changed).json() == 60004
    assert billit.get("/products/60004").json()["AmountExcl"] == 12.0
