"""misc/typecodes: the few lists of words that a client looks up, with Billit's constants (docs: types)."""

from __future__ import annotations

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.http.wire import Answer, json_answer

# The French and the Dutch words are few on purpose: a key that has no translation is answered in English.
_CODES: dict[str, dict[str, str]] = {
    "OrderType": {"Invoice": "Invoice", "CreditNote": "Credit note", "Offer": "Offer", "Order": "Order form"},
    "OrderDirection": {"Income": "Sales", "Cost": "Purchases"},
    "OrderStatus": {
        "Draft": "Draft",
        "ToSend": "To send",
        "ToPay": "To pay",
        "Paid": "Paid",
        "Credited": "Credited",
        "Refused": "Refused",
        "Canceled": "Canceled",
    },
    "ApprovalStatus": {"Pending": "Pending", "Approved": "Approved", "Rejected": "Rejected"},
    "PartyType": {"Customer": "Customer", "Supplier": "Supplier"},
    "TransportType": {"SMTP": "E-mail", "Letter": "Letter", "Peppol": "Peppol"},
    "IdentifierType": {"VAT": "VAT number", "CBE": "Company number", "GLN": "GLN"},
    "VentilationCode": {
        "1": "0 %",
        "2": "6 %",
        "3": "12 %",
        "4": "21 %",
        "21": "Reverse charge (Belgium)",
        "22": "Outside scope",
        "51": "Intra-Community goods",
        "55": "Intra-Community services",
        "70": "Import and export",
    },
}
_FRENCH = {"Invoice": "Facture", "CreditNote": "Note de crédit", "Paid": "Payé", "ToSend": "À envoyer"}
_DUTCH = {"Invoice": "Factuur", "CreditNote": "Creditnota", "Paid": "Betaald", "ToSend": "Te verzenden"}
_WORDS = {"FR": _FRENCH, "NL": _DUTCH}


def _list(call: Call, kind: str) -> dict[str, str]:
    codes = next((codes for name, codes in _CODES.items() if name.lower() == kind.lower()), None)
    if codes is None:
        raise call.refuse(generic(f"The type code {kind} does not exist."))
    return codes


@router.on("GET", r"/v1/misc/typecodes/(\w+)")
def all_of(call: Call, kind: str) -> Answer:
    return json_answer({"Items": [{"Key": key, "Value": value} for key, value in _list(call, kind).items()]})


@router.on("GET", r"/v1/misc/typecodes/(\w+)/(\w+)/(\w+)")
def one(call: Call, kind: str, key: str, language: str) -> Answer:
    codes = _list(call, kind)
    if key not in codes:
        raise call.refuse(generic(f"The type code {kind} has no key {key}."), status=404)
    value = _WORDS.get(language.upper()[:2], {}).get(key, codes[key])
    return json_answer({"Items": [{"Key": key, "Value": value}]})
