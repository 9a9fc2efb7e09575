"""Files of orders: the posted JSON, the caller's own, the PDF that Billit makes later, the UBL of a sent one."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.rules.ubl import Writing, document
from integrations.sandbox.http.wire import Answer, Record, json_answer

_PAGE = "BT /F1 14 Tf 60 780 Td ({}) Tj ET"


def posted_json(call: Call, given: Record, identity: int) -> Record:
    """Billit keeps the posted JSON as an attachment of the order."""
    name = f"{given.get('OrderNumber') or identity}__{call.clock.local():%d_%m_%Y %H_%M_%S}.json"
    return _stored(call, name, "application/json", base64.b64encode(call.request.raw).decode())


def kept(call: Call, given: Record) -> Record:
    """A file of the caller, whose content was checked before; a FileID that came along is not heeded."""
    name = str(given.get("FileName") or "file")
    return _stored(call, name, str(given.get("MimeType") or "application/octet-stream"), str(given["FileContent"]))


def _stored(call: Call, name: str, kind: str, content: str) -> Record:
    identity = str(uuid.uuid4())
    call.store.files[identity] = {
        "FileID": identity,
        "FileName": name,
        "MimeType": kind,
        "FileContent": content,
        "CompanyID": call.company_id,
    }
    return {"FileID": identity, "FileName": name}


def generated_pdf(identity: int) -> Record:
    return {"FileID": str(uuid.uuid4()), "FileName": f"{identity}.pdf"}


def pdf_is_ready(call: Call, order: Record) -> bool:
    """A PDF that the caller brought is there at once, Billit's own after the switch's seconds."""
    lag = float(call.switches["billit_pdf_seconds"])
    if lag == 0 or order["OrderPDF"]["FileID"] in call.store.files:
        return True
    return (call.clock.local() - datetime.fromisoformat(order["Created"])).total_seconds() >= lag


@router.on("GET", r"/v1/files/([0-9A-Za-z-]+)")
def file(call: Call, identity: str) -> Answer:
    row = call.store.files.get(identity) or _made(call, identity)
    if row is None or row["CompanyID"] != call.company_id:
        raise call.not_accessible()
    return json_answer({name: value for name, value in row.items() if name != "CompanyID"})


def _made(call: Call, identity: str) -> Record | None:
    """The PDF of an order of this company, or the UBL of a message that went out, made when it is asked for."""
    for order in call.store.orders.values():
        if order["CompanyID"] != call.company_id:
            continue
        pdf = order.get("OrderPDF", {})
        if pdf.get("FileID") == identity and pdf_is_ready(call, order):
            return _row(call, identity, pdf["FileName"], "application/pdf", _pdf(order))
        if any(message.get("FileID") == identity for message in order["Messages"]):
            return _row(call, identity, f"{order['OrderID']}.xml", "application/xml", ubl(call, order).encode())
    return None


def _row(call: Call, identity: str, name: str, kind: str, content: bytes) -> Record:
    return {
        "FileID": identity,
        "FileName": name,
        "MimeType": kind,
        "FileContent": base64.b64encode(content).decode(),
        "CompanyID": call.company_id,
    }


def _pdf(order: Record) -> bytes:
    """A page with the number and the total."""
    text = f"{order['OrderType']} {order.get('OrderNumber', '')}  {order['TotalIncl']} {order['Currency']}"
    stream = _PAGE.format("".join(letter for letter in text if letter.isascii() and letter not in "()\\"))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            " /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        ),
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
    ]
    page, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(page))
        page += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 5\n0000000000 65535 f \n{table}trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n{len(page)}\n%%EOF\n"
    return (page + end).encode("ascii")


def ubl(call: Call, order: Record) -> str:
    """The e-invoice of an order, whether it was sent or not."""
    customer = call.store.parties[order["_customer"]]
    return document(order, supplier=call.company, customer=customer, writing=Writing.of(call.switches.values))
