"""Billit's arithmetic (docs: calculations): decimals cut, lines rounded, VAT once per rate, posted totals ignored."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from integrations.sandbox.http.wire import Record

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# The codes that Billit derives itself; for 0 % another code may be given.
DERIVED_CODES = {Decimal(0): "1", Decimal(6): "2", Decimal(12): "3", Decimal(21): "4"}

Round = Callable[[Decimal], Decimal]


def number(value: Any) -> Decimal | None:
    """A JSON number, or a string of digits as .NET binds it; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def rounding(mode: str) -> Round:
    """Rounds an amount to cents; half_up goes away from zero."""
    rule = ROUND_HALF_EVEN if mode == "half_even" else ROUND_HALF_UP
    return lambda amount: amount.quantize(CENT, rounding=rule)


def kept(value: Decimal, decimals: int, surplus: str) -> Decimal:
    """What a company keeps of a quantity or price: `decimals` digits, the surplus cut (or rounded, by switch)."""
    rule = ROUND_HALF_UP if surplus == "round" else ROUND_DOWN
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=rule)


def shown(value: Decimal) -> Decimal:
    """Quantities and prices are answered with five decimals."""
    return value.quantize(Decimal("0.00001"))


def rated_line(given: Record, *, header_code: str | None, decimals: int, surplus: str, cents: Round) -> Record:
    """The line as Billit stores it: kept quantity and price, totals and ventilation code filled in."""
    rate = number(given.get("VATPercentage")) or Decimal(0)
    price = number(given.get("UnitPriceExcl"))
    if price is None and given.get("InclLeading") and (including := number(given.get("UnitPriceIncl"))) is not None:
        price = including / (1 + rate / 100)
    quantity = number(given.get("Quantity"))
    if quantity is None:
        quantity = Decimal(0) if price is None else Decimal(1)
    quantity, price = kept(quantity, decimals, surplus), kept(price or Decimal(0), decimals, surplus)
    reduction = number(given.get("ReductionPercentage")) or Decimal(0)
    excl = cents(quantity * price * (1 - reduction / 100))
    vat = cents(excl * rate / 100)
    code = given.get("VentilationCode") or (header_code if rate == 0 else None) or DERIVED_CODES.get(rate, "4")
    line = {
        **given,
        "Quantity": shown(quantity),
        "UnitPriceExcl": shown(price),
        "TotalExcl": excl,
        "TotalVAT": vat,
        "TotalIncl": excl + vat,
        "VATPercentage": rate.quantize(CENT),
        "VentilationCode": str(code),
        "InclLeading": bool(given.get("InclLeading")),
    }
    line.setdefault("CustomFields", {})
    return line


def is_allowance(line: Record) -> bool:
    """Whether a line is an allowance or a charge: on the line that has its link, else on the whole order (Billit docs:
    allowances-and-charges-advanced)."""
    return line.get("AllowanceChargeIndicator") is not None


def is_linked_product(line: Record) -> bool:
    """Whether allowances and charges may stand on this line."""
    return bool(line.get("LinkedOrderLineID")) and not is_allowance(line)


def rated(given: Record, *, decimals: int, surplus: str, cents: Round) -> Record:
    """The lines of a posted body as Billit stores them, each with its place as its id, and the totals of the order."""
    code = given.get("VentilationCode")
    header_code = str(code) if code else None
    lines = []
    products = {line["LinkedOrderLineID"]: line for line in given["OrderLines"] if is_linked_product(line)}
    for position, line in enumerate(given["OrderLines"], start=1):
        product = products.get(line.get("LinkedOrderLineID"), {}) if is_allowance(line) else {}
        taken = {name: product[name] for name in ("VATPercentage", "VentilationCode") if name in product}
        row = rated_line(line | taken, header_code=header_code, decimals=decimals, surplus=surplus, cents=cents)
        row.setdefault("OrderLineID", position)
        lines.append(row)
    return {"OrderLines": lines, **totals(lines, cents)}


def totals(lines: list[Record], cents: Round) -> Record:
    """VatGroups and the three totals: sums per rate, VAT of each sum, each group rounded once."""
    groups: dict[tuple[Decimal, str], Decimal] = {}
    for line in lines:
        key = (line["VATPercentage"], line["VentilationCode"])
        groups[key] = groups.get(key, ZERO) + line["TotalExcl"]
    rows: list[Record] = []
    for (rate, code), base in groups.items():
        incl = cents(base * (1 + rate / 100))
        rows.append(
            {
                "VentilationCode": code,
                "VATPercentage": rate,
                "TotalExcl": base,
                "TotalVAT": incl - base,
                "TotalIncl": incl,
                "Mtvh": base,
                "FinancialReductionAmount": ZERO,
            }
        )
    return {
        "VatGroups": rows,
        "TotalExcl": sum((row["TotalExcl"] for row in rows), ZERO),
        "TotalVAT": sum((row["TotalVAT"] for row in rows), ZERO),
        "TotalIncl": sum((row["TotalIncl"] for row in rows), ZERO),
    }


def structured_reference(seed: int) -> str:
    """A Belgian structured message (OGM): ten digits and their remainder by 97, 97 instead of 0."""
    first = seed % 10_000_000_000
    digits = f"{first:010d}{first % 97 or 97:02d}"
    return f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"
