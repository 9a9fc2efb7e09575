"""The account, the number sequences, the company search and the Peppol look-up."""

from __future__ import annotations

from urllib.parse import unquote

from integrations.sandbox.billit.access import Call, open_router, router
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.billit.sending import receivers
from integrations.sandbox.billit.store import plain_number
from integrations.sandbox.http.wire import Answer, Record, json_answer

_SEQUENCES = frozenset({"Income-Invoice", "Income-CreditNote"})
_FEATURES = ("TimeRegistration", "Projects", "DailyReceipts", "FinancialReduction", "GLAccounts", "Cashbook")
_INVOICE_ID = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"


@router.on("GET", r"/v1/account/accountInformation")
def account(call: Call) -> Answer:
    """All companies that the user may open; the PartyID of each is the value for the header."""
    user = call.user
    first, _, last = str(user.get("name", "")).partition(" ")
    numbers = [number for number in user["companies"] if number in call.store.companies]
    companies = [_company(call, call.store.companies[number]) for number in numbers]
    own_roles = user.get("roles", {})
    roles = [
        {"PartyID": number, "UserRoleTypes": list(own_roles.get(str(number), ["Administrator"]))} for number in numbers
    ]
    return json_answer(
        {
            "Email": user["email"],
            "FirstName": first,
            "LastName": last,
            "Companies": companies,
            "UserCompanyRoles": roles,
            "LoginOrRegisterNeeded": _is_unverified(call, numbers),
        }
    )


def _is_unverified(call: Call, numbers: list[int]) -> bool:
    """Whether one of the companies ("verified": false) may not send yet, if the switch says that this is told."""
    unverified = [number for number in numbers if call.store.companies[number].get("verified") is False]
    return bool(unverified) and bool(call.switches["billit_unverified_told"])


def _company(call: Call, company: Record) -> Record:
    row = {name: value for name, value in company.items() if name not in {"decimals", "auto_send", "verified"}}
    row.setdefault("APIAllowed", True)
    row.setdefault("DefaultCurrencyTC", "EUR")
    row["DisplayName"] = row["TabNameAlias"] = row["Name"]
    row["UserLanguage"] = call.language
    row["APIEnabledFeatures"] = dict.fromkeys(_FEATURES, False)
    row["Users"] = []
    return row


@router.on("POST", r"/v1/account/sequences")
def sequences(call: Call) -> Answer:
    given = names.canonical(call.body(), names.SEQUENCE)
    kind = given.get("SequenceType")
    if kind not in _SEQUENCES:
        raise call.refuse(generic(f"The sequence type {kind} is invalid."))
    year = call.clock.today().year
    return json_answer(call.store.sequence(call.company_id, str(kind), year, consume=bool(given.get("Consume"))))


@router.on("GET", r"/v1/misc/companysearch/(.+)")
def company_search(call: Call, keywords: str) -> Answer:
    """Rows of the business register by number or by a part of the name."""
    text = unquote(keywords).strip()
    number = plain_number(text).removeprefix("BE")
    rows = [
        row
        for row in call.store.kbo
        if text.casefold() in str(row.get("Name", "")).casefold()
        or (number.isdigit() and plain_number(row["CompanyIdentification"]).removeprefix("BE") == number)
        or plain_number(row["CompanyIdentification"]) == plain_number(text)
    ]
    return json_answer({"Items": rows})


@open_router.on("GET", r"/v1/peppol/participantInformation/(.+)")
def participant(call: Call, given: str) -> Answer:
    """Answered without credentials. An unknown number is no error: 200 with Registered false."""
    text = unquote(given).strip()
    scheme, number = _asked(text, str(call.switches["billit_participant_by_vat"]))
    row = call.store.peppol.get(number)
    found = receivers.schemes_of(call, row) if row is not None else ()
    if row is None or (scheme and scheme not in found):
        return json_answer({"Registered": False, "Identifier": text, "DocumentTypes": [], "ServiceDetails": []})
    identifier = receivers.identifier(number, scheme or found[0])
    documents = list(row.get("documents", ["BISv3Invoice", "BISv3CreditNote"]))
    endpoint = {"EndpointURL": "https://ap.example.com/as4", "TransportProfile": "peppol-transport-as4-v2_0"}
    process = {
        "ProcessIdentifier": "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
        "ProcessIdentifierScheme": "cenbii-procid-ubl",
        "Endpoints": [endpoint],
    }
    details = [
        {
            "DocumentIdentifier": f"{_INVOICE_ID}::{document}",
            "DocumentIdentifierScheme": "busdox-docid-qns",
            "Processes": [process],
        }
        for document in documents
    ]
    return json_answer(
        {
            "Registered": True,
            "Identifier": identifier,
            "DocumentTypes": documents,
            "ServiceDetails": details,
            "ServiceProviderID": "POP000000",
            "ServiceProviderName": "Sandbox Access Point",
        }
    )


def _asked(text: str, by_vat: str) -> tuple[str, str]:
    """The scheme that is asked for ("" for any) and the number with its country, of a number or `scheme:id`.

    `by_vat`: the switch that says under what a bare Belgian VAT number is looked up.
    """
    scheme, colon, value = text.partition(":")
    number = plain_number(value if colon else text)
    if not colon:
        scheme = receivers.ENTERPRISE if number.isdigit() else ""
        if number.startswith("BE"):
            scheme = by_vat
    if number.isdigit():
        number = f"BE{number}"
    return scheme, number
