"""What Billit does without being asked, and what its user interface alone can do."""

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.sandbox.remote import ControlError, Remote
from tests.integrations.sandbox.scene import KEY, NOW, VAT, Billit, codes, line, order, small_world

# In Brussels, where 09:00 is 07:00 UTC in summer time.
BEFORE_NINE, NINE = datetime(2026, 10, 16, 6, 59, 59, tzinfo=UTC), datetime(2026, 10, 16, 7, 0, tzinfo=UTC)


def automatic(control: Remote, *companies: int) -> None:
    control.put_billit("companies", *({"PartyID": number, "auto_send": True} for number in companies))


def sent(billit: Billit, identity: int) -> bool:
    return bool(billit.order(identity)["IsSent"])


def test_nine_o_clock_sends_what_is_unsent(billit: Billit, control: Remote) -> None:
    automatic(control, 7001)
    identity = billit.create()
    control.clock(BEFORE_NINE)
    assert sent(billit, identity) is False
    control.clock(NINE)
    assert sent(billit, identity) is True
    assert [(row["order_id"], row["transport"], row["at"]) for row in control.outbox()] == [
        (identity, "Peppol", "2026-10-16T09:00:00.00")
    ]
    late = billit.create()
    assert sent(billit, late) is False
    control.clock(NINE + timedelta(days=1))
    assert sent(billit, late) is True


def test_company_without_the_option_sends_nothing(billit: Billit, control: Remote) -> None:
    automatic(control, 7002)
    identity = billit.create()
    control.clock(NINE)
    assert sent(billit, identity) is False
    assert control.outbox() == []


def test_option_switched_on_at_noon_waits_for_the_morning(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    control.clock(NINE + timedelta(hours=3))
    automatic(control, 7001)
    assert sent(billit, identity) is False


def test_what_cannot_be_sent_waits_for_the_next_day(billit: Billit, control: Remote) -> None:
    automatic(control, 7001)
    identity = billit.create(CustomerID=88003)
    control.clock(NINE)
    assert sent(billit, identity) is False
    assert [row["warning"] for row in control.lint()][-1:] == ["the automatic sending could not send"]
    control.put_billit("parties", {"PartyID": 88003, "Email": "sorvane@example.com"})
    control.clock(NINE + timedelta(days=1))
    assert [(row["transport"], row["destination"]) for row in control.outbox()] == [("SMTP", "sorvane@example.com")]


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_draft_of_the_user_interface(billit: Billit, control: Remote) -> None:
    automatic(control, 7001)
    (identity,) = control.put_drafts({"CompanyID": 7001, **order()})
    found = billit.order(identity)
    assert (found["OrderStatus"], "OrderNumber" in found, "ExternalProvider" in found) == ("Draft", False, False)
    rows = billit.get("/orders", **{"$filter": "OrderStatus eq 'Draft'"}).json()["Items"]
    assert [row["OrderID"] for row in rows] == [identity]
    assert codes(billit.send(identity)) == ["GenericError"]
    control.clock(NINE)
    assert control.outbox() == []
    assert billit.order(billit.create())["OrderNumber"] == "2026-0001"


def test_draft_is_never_made_by_the_api(billit: Billit, control: Remote) -> None:
    assert billit.order(billit.create(OrderStatus="Draft"))["OrderStatus"] == "ToSend"
    control.switch(billit_posted_status="honour")
    assert billit.order(billit.create(OrderStatus="Draft"))["OrderStatus"] == "Draft"


def test_draft_for_nobody(control: Remote) -> None:
    with pytest.raises(ControlError):
        control.put_drafts({"CompanyID": 7999, **order()})


# --- files ----------------------------------------------------------------------------------------------------------


def content(billit: Billit, identity: str) -> bytes:
    return base64.b64decode(billit.get(f"/files/{identity}").json()["FileContent"])


def test_pdf_comes_a_little_later(billit: Billit, control: Remote) -> None:
    control.switch(billit_pdf_seconds=30)
    identity = billit.create()
    assert "OrderPDF" not in billit.order(identity)
    assert "OrderPDF" not in billit.get("/orders").json()["Items"][0]
    control.clock(NOW + timedelta(seconds=30))
    pdf = billit.order(identity)["OrderPDF"]
    assert pdf["FileName"] == "5000001.pdf"
    file = billit.get(f"/files/{pdf['FileID']}").json()
    assert (file["MimeType"], file["FileName"]) == ("application/pdf", "5000001.pdf")
    assert content(billit, pdf["FileID"]).startswith(b"%PDF-1.4")


def test_files_of_the_caller(billit: Billit, control: Remote) -> None:
    control.switch(billit_pdf_seconds=30)
    own = {"FileName": "own.pdf", "MimeType": "application/pdf", "FileContent": base64.b64encode(b"mine").decode()}
    sheet = {"FileName": "hours.csv", "MimeType": "text/csv", "FileContent": base64.b64encode(b"a;b").decode()}
    found = billit.order(billit.create(OrderPDF=own, Attachments=[sheet]))
    assert content(billit, found["OrderPDF"]["FileID"]) == b"mine"
    assert [row["FileName"] for row in found["Attachments"]] == ["5000001__15_10_2026 12_00_00.json", "hours.csv"]
    assert content(billit, found["Attachments"][1]["FileID"]) == b"a;b"


def test_file_of_another_company(billit: Billit, other_billit: Billit) -> None:
    pdf = billit.order(billit.create())["OrderPDF"]
    assert other_billit.get(f"/files/{pdf['FileID']}").status_code == 401


@pytest.mark.parametrize(
    ("members", "switched", "unit"),
    [({}, True, "HUR"), ({}, False, "NAR"), ({"CustomFields": {"PeppolUnitCode": "H87"}}, False, "H87")],
)
def test_unit_in_the_ubl(billit: Billit, control: Remote, members: dict[str, Any], switched: bool, unit: str) -> None:
    control.switch(billit_unit_in_ubl=switched)
    identity = billit.create(line("1.50", **members))
    billit.send(identity)
    message = billit.order(identity)["Messages"][0]
    text = content(billit, message["FileID"]).decode()
    assert f'<cbc:InvoicedQuantity unitCode="{unit}">1.5</cbc:InvoicedQuantity>' in text
    assert "<cbc:BuyerReference>Octobre 2026</cbc:BuyerReference>" in text


# --- what the receivers do ------------------------------------------------------------------------------------------


def test_receiver_that_reports_its_payment(billit: Billit, control: Remote) -> None:
    control.put_peppol({"number": VAT, "behaviour": "pays"})
    identity = billit.create()
    billit.send(identity)
    found = billit.order(identity)
    assert found["CurrentDocumentDeliveryDetails"]["DocumentDeliveryInfo"] == "Paid"
    assert [row.get("Description") for row in found["Messages"]] == [
        None,
        "AB: Document received",
        "PD: Document paid",
    ]
    assert (found["Paid"], found["ToPay"]) == (False, Decimal("121.00"))


def test_fallback_to_mail_by_switch(billit: Billit, control: Remote) -> None:
    control.put_peppol({"number": VAT, "registered": False})
    control.switch(billit_peppol_fallback=True)
    assert codes(billit.send(billit.create(), StrictTransportType="true")) == ["TheCustomerIsNotActiveOnPeppol"]
    assert billit.send(billit.create()).status_code == 200
    assert [row["transport"] for row in control.outbox()] == ["SMTP"]


def test_several_ids_of_which_one_fails_by_switch(billit: Billit, control: Remote) -> None:
    sound, nobody = billit.create(), billit.create(CustomerID=88003)
    control.switch(billit_send_partial="valid")
    assert codes(billit.send(nobody, sound, Idempotency_Key="k")) == ["TheCustomerIsNotActiveOnPeppol"]
    assert [row["order_id"] for row in control.outbox()] == [sound]
    assert billit.send(nobody, Idempotency_Key="k").status_code == 400


def test_accountant_with_his_own_company(billit: Billit, control: Remote) -> None:
    world = small_world()
    world["billit"]["users"][0] |= {"companies": [7001, 7002, 7003], "accountant_companies": [7002]}
    control.load(world)
    account = billit.get("/account/accountInformation").json()
    assert [row["PartyID"] for row in account["Companies"]] == [7001, 7002, 7003]
    assert account["UserCompanyRoles"][2] == {"PartyID": 7003, "UserRoleTypes": ["Administrator"]}
    statuses: dict[tuple[str, str], int] = {}
    for rule in ("accountant", "equal", "ignore"):
        control.switch(billit_context_party=rule)
        for context in ("7001", "7002", "7003"):
            statuses[rule, context] = billit.call("GET", "/orders", ContextPartyID=context).status_code
    assert statuses == {
        ("accountant", "7001"): 200,
        ("accountant", "7002"): 200,
        ("accountant", "7003"): 401,
        ("equal", "7001"): 200,
        ("equal", "7002"): 401,
        ("equal", "7003"): 401,
        ("ignore", "7001"): 200,
        ("ignore", "7002"): 200,
        ("ignore", "7003"): 200,
    }


def test_company_without_a_party_id_by_switch_still_tells_the_account(billit: Billit, control: Remote) -> None:
    control.switch(billit_missing_party="refuse")
    del billit.session.headers["PartyID"]
    assert billit.session.headers["ApiKey"] == KEY
    assert billit.get("/orders").status_code == 401
    assert billit.get("/account/accountInformation").status_code == 200


def test_demo_has_an_accountant_of_three_companies_and_a_colleague_with_one(billit: Billit, control: Remote) -> None:
    control.load("demo")
    companies = {}
    for key in ("5ad1c0de-0000-4000-8000-00000000de40", "5ad1c0de-0000-4000-8000-00000000de41"):
        billit.session.headers.pop("PartyID", None)
        billit.session.headers["ApiKey"] = key
        account = billit.get("/account/accountInformation").json()
        companies[account["Email"]] = [row["PartyID"] for row in account["Companies"]]
    assert companies == {"owner@example.com": [7001, 7002, 7003], "colleague@example.com": [7002]}
