"""Orders: what POST makes, checks and computes."""

from decimal import Decimal
from typing import Any

import pytest

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import SECOND_VAT, UNKNOWN_VAT, VAT, Billit, codes, line, order


def test_answer_is_a_bare_integer(billit: Billit) -> None:
    first = billit.call("POST", "/orders", order())
    assert (first.status_code, first.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert first.text == "5000001"
    assert billit.create() == 5000002


def test_new_order_read_back(billit: Billit) -> None:
    identity = billit.create(line("1.25", "95.50"), ExternalProviderID="tb-1", Reference="4500012345")
    text = billit.get(f"/orders/{identity}").text
    assert '"Quantity":1.25000' in text
    assert '"TotalExcl":119.38' in text
    found = billit.order(identity)
    expected = {
        "OrderID": identity,
        "OrderNumber": "2026-0001",
        "OrderStatus": "ToSend",
        "IsSent": False,
        "Paid": False,
        "OrderDate": "2026-10-15T00:00:00",
        "ExpiryDate": "2026-11-14T00:00:00",
        "Created": "2026-10-15T12:00:00.00",
        "Currency": "EUR",
        "ExternalProvider": "APIFeed",
        "ExternalProviderID": "tb-1",
        "Reference": "4500012345",
        "PaymentReference": "+++000/5000/00139+++",
        "TotalExcl": Decimal("119.38"),
        "TotalVAT": Decimal("25.07"),
        "TotalIncl": Decimal("144.45"),
        "ToPay": Decimal("144.45"),
        "Overdue": False,
        "DaysOverdue": -30,
        "CurrentDocumentDeliveryDetails": {"IsDocumentDelivered": False},
        "Messages": [],
    }
    assert {name: found[name] for name in expected} == expected
    assert (found["Customer"]["PartyID"], found["CounterParty"]["Name"]) == (88001, "Mirvelle SRL")
    assert found["Supplier"]["PartyID"] == 7001
    assert not [name for name in found if name.startswith("_")]


def test_numbers_run_per_company_and_kind(billit: Billit) -> None:
    assert billit.order(billit.create())["OrderNumber"] == "2026-0001"
    assert billit.order(billit.create())["OrderNumber"] == "2026-0002"
    assert billit.order(billit.create(OrderNumber="F-9"))["OrderNumber"] == "F-9"
    assert billit.order(billit.create(OrderType="CreditNote"))["OrderNumber"] == "2026-CN-0001"
    billit.session.headers["PartyID"] = "7002"
    assert billit.order(billit.create(CustomerID=88101))["OrderNumber"] == "2026-0001"


def test_duplicate_number_by_switch(billit: Billit, control: Remote) -> None:
    billit.create(OrderNumber="F-9")
    billit.create(OrderNumber="F-9")
    control.switch(billit_duplicate_numbers="refuse")
    assert codes(billit.call("POST", "/orders", order(OrderNumber="F-9"))) == ["GenericError"]


def test_structured_reference_is_valid_and_a_given_one_is_kept(billit: Billit) -> None:
    for _ in range(3):
        digits = billit.order(billit.create())["PaymentReference"].replace("+", "").replace("/", "")
        assert int(digits[:10]) % 97 == int(digits[10:])
    assert billit.order(billit.create(PaymentReference="own"))["PaymentReference"] == "own"


def test_member_names_in_any_case_and_unknown_members(billit: Billit) -> None:
    body = {name.upper(): value for name, value in order(line(UNIT="HUR")).items()} | {"ToBeSent": True}
    body["ORDERLINES"] = [{name.lower(): value for name, value in line("2").items()}]
    answer = billit.call("POST", "/orders", body)
    assert answer.status_code == 200
    found = billit.order(answer.json())
    assert found["TotalExcl"] == Decimal("200.00")
    assert "ToBeSent" not in found


def test_nulls_by_switch(billit: Billit, control: Remote) -> None:
    body = {**order(), "Reference": None}
    assert billit.call("POST", "/orders", body).status_code == 200
    control.switch(billit_nulls="refuse")
    assert codes(billit.call("POST", "/orders", body)) == ["GenericError"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"CustomerID": None}, ["CustomerIsRequired"]),
        ({"OrderDate": None}, ["OrderDateIsRequired"]),
        ({"ExpiryDate": "14/11/2026"}, ["ExpiryDateIsRequired"]),
        ({"DeliveryDate": "soon"}, ["InvalidDeliveryDate"]),
        ({"OrderType": "Facture"}, ["TheOrderTypeCode_0_IsInvalid"]),
        ({"OrderDirection": "Out"}, ["TheOrderDirectionCode_0_IsInvalid"]),
        ({"OrderLines": []}, ["ThereMustBeAtLeastOneOrderLine"]),
        ({"OrderLines": [line(Description=" ")]}, ["DescriptionIsMandatoryForOrderLinesWithTotals"]),
        ({"OrderLines": [line(rate="20")]}, ["InvalidVAtPercentageForTaxCountry_0_"]),
        ({"CustomerID": None, "Customer": {"VATNumber": VAT}}, ["CompanyNameOrContactNameIsRequired"]),
        ({"CustomerID": None, "Customer": {"Name": "A", "VATNumber": "BE0999000135"}}, ["_0_IsNoValidBEVAT"]),
        (
            {"CustomerID": None, "Customer": {"Name": "A", "Addresses": [{"AddressType": "InvoiceAddress"}] * 2}},
            ["Only1OfEachAddressTypeAllowed"],
        ),
        (
            {"CustomerID": None, "Customer": {"Name": "A", "Identifiers": [{"Identifier": "1"}]}},
            ["IdentifierTypeIsRequired"],
        ),
        ({"OrderPDF": {"FileName": "a.pdf", "FileContent": "***"}}, ["TheFileIsNotValid"]),
        ({"Attachments": [{"FileName": "a.pdf"}]}, ["TheFileCannotBeEmpty"]),
        ({"OrderType": "CreditNote", "AboutInvoiceNumber": "2025-0001"}, ["TheAboutInvoiceNumberCouldNotBeFound"]),
    ],
)
def test_violation(billit: Billit, changes: Record, expected: list[str]) -> None:
    answer = billit.call("POST", "/orders", order(**changes))
    assert (answer.status_code, codes(answer)) == (400, expected)
    assert billit.get("/orders").json()["Items"] == []


def test_all_violations_are_told_at_once(billit: Billit) -> None:
    answer = billit.call("POST", "/orders", {})
    assert codes(answer) == [
        "CustomerIsRequired",
        "OrderDateIsRequired",
        "ExpiryDateIsRequired",
        "TheOrderTypeCode_0_IsInvalid",
        "TheOrderDirectionCode_0_IsInvalid",
        "ThereMustBeAtLeastOneOrderLine",
    ]


def test_descriptions_are_in_the_users_language(billit: Billit, other_billit: Billit) -> None:
    bad = order(OrderLines=[line(rate="20")])
    errors = billit.call("POST", "/orders", bad).json()["errors"]
    assert errors[0]["Description"] == "Invalid VAT percentage for country code BE"
    errors = other_billit.call("POST", "/orders", {**bad, "CustomerID": 88201}).json()["errors"]
    assert errors[0]["Description"] == "Ongeldig btw-percentage voor landcode BE"


def test_no_json(billit: Billit) -> None:
    answer = billit.session.post(f"{billit.url}/v1/orders", data="{", timeout=10)
    assert (answer.status_code, answer.json()) == (400, {"Message": "The request is invalid."})


# --- amounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "totals"),
    [
        # The documented sample, by the method that rounds each rate once.
        ([line("1", "49.99", "6"), line("1", "24.95"), line("1", "59.99")], ("134.93", "20.84", "155.77")),
        ([line("1", "7.50")], ("7.50", "1.58", "9.08")),
        # Twenty lines of 0.07: per line the VAT would be 0.01 each, together it is 0.29.
        ([line("1", "0.07")] * 20, ("1.40", "0.29", "1.69")),
        ([line("0.50", "0.01")], ("0.01", "0.00", "0.01")),
        ([line("1", "100", "0")], ("100.00", "0.00", "100.00")),
        ([line("1", "100"), line("1", "-25")], ("75.00", "15.75", "90.75")),
        ([line("2", "100", ReductionPercentage=Decimal(10))], ("180.00", "37.80", "217.80")),
    ],
)
def test_totals(billit: Billit, lines: list[Record], totals: tuple[str, str, str]) -> None:
    found = billit.order(billit.create(*lines, TotalExcl=Decimal("999.00")))
    assert (found["TotalExcl"], found["TotalVAT"], found["TotalIncl"]) == tuple(Decimal(text) for text in totals)


def test_vat_groups_and_codes(billit: Billit) -> None:
    found = billit.order(
        billit.create(line(), line(), line("1", "50", "6"), line(rate="0"), line(rate="0", VentilationCode=21))
    )
    assert [(group["VATPercentage"], group["VentilationCode"], group["TotalVAT"]) for group in found["VatGroups"]] == [
        (Decimal("21.00"), "4", Decimal("42.00")),
        (Decimal("6.00"), "2", Decimal("3.00")),
        (Decimal("0.00"), "1", Decimal("0.00")),
        (Decimal("0.00"), "21", Decimal("0.00")),
    ]


def test_header_code_applies_to_zero_lines(billit: Billit) -> None:
    found = billit.order(billit.create(line(rate="0"), line(), VentilationCode="55"))
    assert [row["VentilationCode"] for row in found["OrderLines"]] == ["55", "4"]


def test_surplus_decimals_are_cut(billit: Billit, control: Remote) -> None:
    found = billit.order(billit.create(line("0.339", "62.505")))
    assert (found["OrderLines"][0]["Quantity"], found["OrderLines"][0]["UnitPriceExcl"]) == (
        Decimal("0.33000"),
        Decimal("62.50000"),
    )
    assert found["TotalExcl"] == Decimal("20.63")
    control.switch(billit_surplus_decimals="round")
    assert billit.order(billit.create(line("0.339", "62.505")))["TotalExcl"] == Decimal("21.25")
    control.put_billit("companies", {"PartyID": 7001, "decimals": 3})
    assert billit.order(billit.create(line("0.339", "62.505")))["TotalExcl"] == Decimal("21.19")


def test_rounding_mode_by_switch(billit: Billit, control: Remote) -> None:
    assert billit.order(billit.create(line("0.50", "0.05")))["TotalExcl"] == Decimal("0.03")
    control.switch(billit_rounding="half_even")
    assert billit.order(billit.create(line("0.50", "0.05")))["TotalExcl"] == Decimal("0.02")


def test_line_of_a_product(billit: Billit) -> None:
    found = billit.order(billit.create({"ProductID": 60001, "Quantity": 2}))
    row = found["OrderLines"][0]
    assert (row["Description"], row["Reference"], row["TotalExcl"]) == ("Product ADV", "ADV", Decimal("190.00"))
    assert billit.call("POST", "/orders", order({"ProductID": 60003})).status_code == 401


# --- the customer ---------------------------------------------------------------------------------------------------


def customer(billit: Billit, **party: Any) -> Record:
    found: Record = billit.order(billit.create(CustomerID=None, Customer=party))["Customer"]
    return found


def test_customer_id_of_another_company(billit: Billit) -> None:
    answer = billit.call("POST", "/orders", order(CustomerID=88101))
    assert (answer.status_code, codes(answer)) == (401, ["AccessDenied"])


@pytest.mark.parametrize("number", [VAT, "BE 0999.000.129", "be0999000129"])
def test_customer_is_matched_by_number(billit: Billit, number: str) -> None:
    found = customer(billit, Name="Another name", VATNumber=number, Email="new@example.com")
    assert (found["PartyID"], found["Name"]) == (88001, "Mirvelle SRL")


def test_customer_with_a_number_is_not_matched_by_email(billit: Billit) -> None:
    found = customer(billit, Name="Caldrin", VATNumber=UNKNOWN_VAT, Email="mirvelle@example.com")
    assert (found["PartyID"], found["Name"], found["VATNumber"]) == (88202, "Caldrin", UNKNOWN_VAT)
    assert found["Identifiers"][0]["Identifier"] == UNKNOWN_VAT[2:]
    assert customer(billit, Name="Caldrin again", VATNumber=UNKNOWN_VAT)["PartyID"] == 88202


def test_customer_without_number_overwrites_whom_it_matches(billit: Billit, control: Remote) -> None:
    found = customer(billit, Name="Somebody else", Email="Orvignac@example.com")
    assert (found["PartyID"], found["Name"]) == (88002, "Somebody else")
    found = customer(billit, Name="Yet another", Email="mirvelle@example.com")
    assert (found["PartyID"], found["Name"], found["VATNumber"]) == (88001, "Yet another", VAT)
    warnings = [row["warning"] for row in control.lint() if "overwrote" in row["warning"]]
    assert warnings == ["a customer without VAT number overwrote a party"] * 2


def test_customer_with_an_identifier_does_not_overwrite(billit: Billit) -> None:
    identifier = {"IdentifierType": "CBE", "Identifier": SECOND_VAT[2:]}
    found = customer(billit, Name="Other words", Identifiers=[identifier])
    assert (found["PartyID"], found["Name"]) == (88003, "Sorvane SRL")


def test_new_customer_keeps_its_address(billit: Billit) -> None:
    address = {"AddressType": "InvoiceAddress", "Street": "Rue A", "StreetNumber": "1", "Zipcode": "1000", "City": "B"}
    found = customer(billit, Name="New", VATNumber=UNKNOWN_VAT, Addresses=[address], Language="NL")
    assert (found["Street"], found["City"], found["PartyType"], found["Language"]) == ("Rue A", "B", "Customer", "NL")


@pytest.mark.parametrize(("largest", "status"), [(40, 413), (0, 200), (4_194_304, 200)])
def test_request_that_is_too_large_is_refused_before_it_is_read(
    billit: Billit, control: Remote, largest: int, status: int
) -> None:
    control.switch(billit_largest_body=largest)
    answer = billit.call("POST", "/orders", order())
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert billit.get("/orders").json()["Items"] == []
