"""Every refusal of Billit, as the client tells it."""

from __future__ import annotations

import pytest

from integrations.clients import billit
from integrations.clients.http.transport import BadCredentials, Refused, TooManyRequests
from tests.integrations.answers import Scripted, Server, as_json
from tests.integrations.asking_billit import (
    EVERYTHING,
    KEY,
    ORDER,
    READS,
    SUMMARY,
    WRITES,
    error_body,
    failure,
    make,
)

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
    assert (error.reason, error.message.facts["said"]) == ("", {"code": "not_yours", "facts": {}})


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
    server.will_answer(Scripted(429, headers={"Retry-After": "11"}), Scripted(200, b"12"))
    error = failure(server, name)
    assert type(error) is TooManyRequests
    assert error.after == 11.0
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
