"""Who receives over Peppol, and under which of the two Belgian identifiers."""

from __future__ import annotations

from integrations.sandbox.billit.access import Call
from integrations.sandbox.billit.store import plain_number
from integrations.sandbox.http.wire import Record

ENTERPRISE, VAT = "0208", "9925"
"""The schemes of a Belgian receiver: enterprise number, and VAT number with its country (docs: allowed-identifiers)."""


def receiver(call: Call, party: Record) -> Record | None:
    """The Peppol registration of a party: {"number", "documents", "behaviour", "schemes"}, None when it has none."""
    number = plain_number(party.get("VATNumber"))
    return call.store.peppol.get(number) if number else None


def schemes_of(call: Call, row: Record) -> tuple[str, ...]:
    """Under which schemes a receiver is registered: its own "schemes", else what the switch says; "" for abroad."""
    if not str(row["number"]).startswith("BE"):
        return ("",)
    said = row.get("schemes")
    if said is None:
        switch = str(call.switches["billit_peppol_scheme"])
        said = [ENTERPRISE, VAT] if switch == "both" else [switch]
    return tuple(str(scheme) for scheme in said)


def identifier(number: str, scheme: str) -> str:
    """`0208:0563846944`, `9925:BE0563846944`; abroad the number as it is."""
    if scheme == ENTERPRISE:
        return f"{scheme}:{number[2:]}"
    return f"{scheme}:{number}" if scheme else number
