"""What Billit wrote into the e-invoices that a company has sent already: read, never made.

The document of an order lies with the first message that went out over Peppol (Billit docs: status of a sales invoice).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from integrations.probing.asking import Asker, json_of, rows_of

QUESTIONS: dict[str, str] = {
    "billit_unit_in_ubl": "Does Unit reach the UBL?",
    "billit_negative_price": "What does the UBL of a negative price say?",
    "billit_allowances": "What does the UBL of a line with a discount say?",
    "billit_outside_scope": "What does the UBL of code 22 say?",
    "billit_exemption_reasons": "Does the UBL give reasons for 0 %?",
}
"""By the switch that takes the answer."""

_LATEST = 40
_EXEMPT = frozenset({"AE", "E", "G", "K", "O"})


class _Sent(NamedTuple):
    """An order and its document."""

    order: dict[str, Any]
    ubl: str


def ask(asker: Asker, listed: Iterable[dict[str, Any]]) -> None:
    """Looks through the documents of these rows of the list of orders until each question has its answer."""
    open_questions = dict(_READERS)
    looked_at = 0
    for sent in _documents(asker, listed):
        looked_at += 1
        for switch, reader in list(open_questions.items()):
            if (found := reader(sent)) is not None:
                note = f"the document of order {sent.order.get('OrderID')}"
                asker.findings.tell(QUESTIONS[switch], found, note, switch=switch)
                del open_questions[switch]
        if not open_questions:
            return
    for switch in open_questions:
        why = f"no such line in the {looked_at} documents of the latest orders that were sent over Peppol"
        asker.findings.leave(QUESTIONS[switch], why, switch=switch)


def latest(asker: Asker) -> list[dict[str, Any]]:
    """The latest invoices that were sent, as the list shows them."""
    wanted = "IsSent eq true and OrderType eq 'Invoice' and OrderDirection eq 'Income'".replace(" ", "%20")
    path = f"/v1/orders?$filter={wanted}&$orderby=OrderID%20desc&$top={_LATEST}"
    return rows_of(asker.ask("GET", path), member="Items")


def _documents(asker: Asker, rows: Iterable[dict[str, Any]]) -> Iterator[_Sent]:
    for row in rows:
        order = json_of(asker.ask("GET", f"/v1/orders/{row.get('OrderID')}"))
        messages = order.get("Messages") if isinstance(order, dict) else None
        went_out = (
            message["FileID"]
            for message in messages or []
            if message.get("MessageDirection") == "Outgoing"
            and message.get("TransportType") == "Peppol"
            and message.get("FileID")
        )
        if (file := next(went_out, None)) is not None:
            answer = json_of(asker.ask("GET", f"/v1/files/{file}"))
            text = _text(answer.get("FileContent")) if isinstance(answer, dict) else ""
            if "InvoiceLine" in text:
                yield _Sent(order, text)


def _text(content: Any) -> str:
    try:
        return base64.b64decode(str(content), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _elements(name: str, text: str) -> list[str]:
    """What stands in the elements of a name, whatever its prefix."""
    return re.findall(rf"<(?:\w+:)?{name}\b[^>]*>(.*?)</(?:\w+:)?{name}>", text, re.DOTALL)


def _number(text: Any) -> Decimal:
    try:
        return Decimal(str(text).strip())
    except InvalidOperation:
        return Decimal(0)


def _lines(sent: _Sent) -> list[dict[str, Any]]:
    return [line for line in sent.order.get("OrderLines") or [] if isinstance(line, dict)]


def _unit(sent: _Sent) -> bool | None:
    units = {str(line["Unit"]) for line in _lines(sent) if line.get("Unit")} - {"NAR"}
    written = set(re.findall(r"""<(?:\w+:)?InvoicedQuantity\b[^>]*\bunitCode=["'](\w+)["']""", sent.ubl))
    if not units or not written:
        return None
    return True if units <= written else False if written == {"NAR"} else None


def _negative_price(sent: _Sent) -> str | None:
    if not any(_number(line.get("UnitPriceExcl")) < 0 for line in _lines(sent)):
        return None
    if any(_number(price) < 0 for price in _elements("PriceAmount", sent.ubl)):
        return "as_posted"
    return "turned" if any(_number(each) < 0 for each in _elements("InvoicedQuantity", sent.ubl)) else None


def _allowances(sent: _Sent) -> str | None:
    if not any(line.get("AllowanceChargeIndicator") is not None for line in _lines(sent)):
        return None
    return "linked" if _elements("AllowanceCharge", sent.ubl) else "lines"


def _outside_scope(sent: _Sent) -> str | None:
    categories = [each for each in _elements("ClassifiedTaxCategory", sent.ubl) if _elements("ID", each)[:1] == ["O"]]
    if not categories:
        return None
    if any(_elements("Percent", each) for each in categories):
        return "rate"
    return "numbers" if _elements("PartyTaxScheme", sent.ubl) else "plain"


def _exemption_reasons(sent: _Sent) -> bool | None:
    categories = [each for each in _elements("TaxCategory", sent.ubl) if set(_elements("ID", each)[:1]) & _EXEMPT]
    if not categories:
        return None
    return all(_elements("TaxExemptionReason(?:Code)?", each) for each in categories)


_READERS = {
    "billit_unit_in_ubl": _unit,
    "billit_negative_price": _negative_price,
    "billit_allowances": _allowances,
    "billit_outside_scope": _outside_scope,
    "billit_exemption_reasons": _exemption_reasons,
}
