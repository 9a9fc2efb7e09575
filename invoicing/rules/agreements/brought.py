"""Orders that Billit made by itself (design section 11): what of an agreement each stands for, and its VAT. Pure."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from decimal import Decimal

from invoicing.rules.agreement import Agreement, Kind
from invoicing.rules.agreements.advances import advances_due
from invoicing.rules.agreements.periods import Period, period_of
from invoicing.rules.billing.rating import vat_of
from invoicing.rules.judging.mapping import Treatment

_NEAR = timedelta(days=10)
"""So far from the day of an invoice lies the period that it bills: before it in arrears, after it in advance."""
_FAR = timedelta(days=400)
_TREATMENTS = {"21": Treatment.reverse_charge, "55": Treatment.eu_services, "22": Treatment.outside_scope}
"""By Billit's VentilationCode, of what is billed at 0 %."""


def choices(agreement: Agreement, dated: date) -> Iterator[Period]:
    """What of an agreement an invoice of this day may stand for: periods of a fee, or advances, a year around it."""
    if agreement.kind == Kind.advance:
        for period, _cut_off, _amount in advances_due(agreement, dated + _FAR):
            if abs(period.first - dated) <= _FAR:
                yield period
        return
    period = period_of(agreement, max(dated - _FAR, agreement.start))
    while period.first <= dated + _FAR and (agreement.end is None or period.first <= agreement.end):
        yield period
        if period.last is None or not period.whole:
            return
        period = period_of(agreement, period.last + timedelta(days=1))


def stands_for(agreement: Agreement, dated: date, billed: Collection[date], period_from: date | None = None) -> date:
    """The key of the period or the advance that an invoice of this day most likely bills, of those that nothing bills
    yet; `period_from`: the day from which it says that it bills. ``date.min``: none of them."""
    free = [each for each in choices(agreement, dated) if each.key not in billed]
    if agreement.kind == Kind.advance:
        near = [each for each in free if abs(each.first - (period_from or dated)) <= _NEAR + timedelta(days=5)]
        return min(near, key=lambda each: abs(each.first - dated)).key if near else date.min
    day = period_from or (dated + _NEAR if agreement.in_advance else dated - _NEAR)
    inside = (each for each in free if each.first <= day and (each.last is None or day <= each.last))
    return next((each.key for each in inside), date.min)


def treatment_of(vat_rate: Decimal, ventilation_code: str, buyers: Treatment) -> Treatment:
    """How VAT is treated on what Billit billed: by its code at 0 %, else as for the customer; with VAT domestically."""
    if vat_rate:
        return Treatment.domestic
    return _TREATMENTS.get(ventilation_code, Treatment.domestic if ventilation_code else buyers)


def code_of(treatment: Treatment, vat_rate: Decimal, ventilation_code: str, exempt_code: int | None) -> int:
    """The VentilationCode of a line that deducts it: at 0 % Billit's, where it has one.

    Raises ValueError for a rate that Belgium does not have.
    """
    _rate, code = vat_of(treatment, vat_rate, exempt_code)
    return int(ventilation_code) if not vat_rate and ventilation_code.isdecimal() else code
