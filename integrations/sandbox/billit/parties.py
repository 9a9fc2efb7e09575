"""Parties: lists, one, create, patch, and the way an order finds its customer."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.lists import listed
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.checks import party_refusals
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.billit.store import plain_number
from integrations.sandbox.http.wire import Answer, Record, json_answer

_TYPE = "Domain.Party.PartyPerformanceSafeColumns"
_PROPERTIES = frozenset([*names.PARTY, "LastModified", "Created"])
_PATCHABLE = frozenset(
    [
        "GLAccountCode",
        "GLDefaultExpiryOffset",
        "Nr",
        "Email",
        "ExternalProviderTC",
        "ExternalProviderID",
        "Name",
        "CommercialName",
        "ContactFirstName",
        "ContactLastName",
        "CountryCode",
        "City",
        "Street",
        "StreetNumber",
        "Zipcode",
        "Box",
        "Phone",
        "Mobile",
        "Fax",
        "VATNumber",
        "IBAN",
        "Language",
        "VATLiable",
    ]
)
_ADDRESS = ("Street", "StreetNumber", "Box", "Zipcode", "City", "CountryCode")


def shown(party: Record) -> Record:
    """The party as Billit answers it: our own members left out, a display name and empty custom fields added."""
    row = {name: value for name, value in party.items() if name != "CompanyID" and not name.startswith("_")}
    row["DisplayName"] = row.get("DisplayName") or row.get("Name", "")
    row.setdefault("CustomFields", [])
    return row


def with_delivery_address(party: Record) -> Record:
    """On an order the delivery address is the invoice address unless the party has its own."""
    addresses = party.get("Addresses") or []
    kinds = {address.get("AddressType"): address for address in addresses}
    if "InvoiceAddress" not in kinds or "DeliveryAddress" in kinds:
        return party
    return {**party, "Addresses": [*addresses, {**kinds["InvoiceAddress"], "AddressType": "DeliveryAddress"}]}


@router.on("GET", r"/v1/parties")
def all_parties(call: Call) -> Answer:
    query = call.request.query
    text = query.get("$filter", "")
    if call.switches["billit_party_vat_filter"] == "refuse" and "VATNumber" in text:
        raise call.refuse(generic(f"Could not find a property named 'VATNumber' on type '{_TYPE}'."))
    rows = [shown(party) for party in sorted(call.store.own_parties(call.company_id), key=lambda row: row["PartyID"])]
    if search := query.get("fullTextSearch", "").strip():
        rows = [row for row in rows if _meets(row, search)]
    return listed(call, rows, properties=_PROPERTIES, type_name=_TYPE)


def _meets(row: Record, search: str) -> bool:
    words = " ".join(str(row.get(name, "")) for name in ("Name", "CommercialName", "Email", "City", "Nr"))
    number = plain_number(search)
    vat = plain_number(row.get("VATNumber"))
    return search.casefold() in words.casefold() or bool(number and number in vat)


@router.on("GET", r"/v1/parties/(\d+)")
def one(call: Call, number: str) -> Answer:
    return json_answer(shown(own(call, int(number))))


def own(call: Call, number: int) -> Record:
    """The party of this company. Raises RejectedError with 401 for another's."""
    party = call.store.parties.get(number)
    if party is None or party["CompanyID"] != call.company_id:
        raise call.not_accessible()
    return party


@router.on("POST", r"/v1/parties")
def create(call: Call) -> Answer:
    party = names.canonical(call.body(), names.PARTY)
    if refusals := party_refusals(party, named="PartyID" not in party):
        raise call.refuse(*refusals)
    if "PartyID" in party:
        number = own(call, int(party["PartyID"]))["PartyID"]
        call.store.put("parties", [party])
    else:
        found = match(call, party)
        number = found["PartyID"] if found else call.store.next_party_id()
        call.store.put("parties", [new_party(call, {**party, "PartyID": number})])
    return json_answer(number)


@router.on("PATCH", r"/v1/parties/(\d+)")
def patch(call: Call, number: str) -> Answer:
    party = own(call, int(number))
    changes = names.changes(call.body(), _PATCHABLE)
    if not changes or any(isinstance(value, dict | list) for value in changes.values()):
        raise call.refuse(generic("No valid properties or values were supplied for this patch."))
    if refusals := party_refusals(changes, named=False):
        raise call.refuse(*refusals)
    call.store.put("parties", [{"PartyID": party["PartyID"], **changes}])
    return Answer(200)


def new_party(call: Call, party: Record) -> Record:
    """The party as it is stored: of this company, its invoice address flattened, its CBE number added."""
    row: Record = {"PartyType": "Customer", **party, "CompanyID": call.company_id}
    for address in party.get("Addresses") or []:
        if address.get("AddressType") == "InvoiceAddress":
            row.update({name: address[name] for name in _ADDRESS if address.get(name)})
    vat = plain_number(row.get("VATNumber"))
    if vat.startswith("BE") and not row.get("Identifiers"):
        row["Identifiers"] = [
            {"IdentifierType": "CBE", "Identifier": vat[2:], "SchemeID": "0208", "Preferred": False},
        ]
    row.setdefault("Language", call.company.get("Language", "NL"))
    row.setdefault("VATLiable", bool(vat))
    return row


def customer_for(call: Call, given: Record) -> int:
    """The PartyID of the customer that an order carries: matched, or made (docs: create-first-invoice).

    The documented trap: a customer without VAT number and identifier that matches by e-mail, address or number
    overwrites the party it matched.
    """
    if "PartyID" in given:
        return int(own(call, int(given["PartyID"]))["PartyID"])
    found = match(call, given)
    if found is None:
        number = call.store.next_party_id()
        call.store.put("parties", [new_party(call, {**given, "PartyID": number})])
        return number
    if not plain_number(given.get("VATNumber")) and not given.get("Identifiers"):
        call.store.warn(call.company_id, "a customer without VAT number overwrote a party", str(found["PartyID"]))
        call.store.put("parties", [{**new_party(call, given), "PartyID": found["PartyID"]}])
    return int(found["PartyID"])


def match(call: Call, given: Record) -> Record | None:
    """The company's customer with the same VAT (or company) number, else e-mail, else address, else Nr."""
    customers = [row for row in call.store.own_parties(call.company_id) if row.get("PartyType") == "Customer"]
    customers.sort(key=lambda row: row["PartyID"])
    numbers = _numbers(given)
    if numbers:
        # Who brings a number is never taken for somebody with another one.
        return next((row for row in customers if numbers & _numbers(row)), None)
    for key in (_email, _address, _nr):
        wanted = key(given)
        if wanted:
            found = next((row for row in customers if key(row) == wanted), None)
            if found:
                return found
    return None


def _numbers(party: Record) -> set[str]:
    values = [party.get("VATNumber")]
    values += [identifier.get("Identifier") for identifier in party.get("Identifiers") or []]
    return {plain_number(value).removeprefix("BE") for value in values if plain_number(value)}


def _email(party: Record) -> str:
    return str(party.get("Email") or "").strip().casefold()


def _address(party: Record) -> tuple[str, ...]:
    addresses = [row for row in party.get("Addresses") or [] if row.get("AddressType") == "InvoiceAddress"]
    source: Record = addresses[0] if addresses else party
    parts: tuple[Any, ...] = tuple(source.get(name) for name in ("Street", "StreetNumber", "Zipcode", "City"))
    return tuple(str(part).casefold() for part in parts) if all(parts) else ()


def _nr(party: Record) -> str:
    return str(party.get("Nr") or "").strip()
