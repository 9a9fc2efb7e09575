"""What a command was asked for: firms, dossiers, days. Each question that has no answer says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from invoicing.models import Agreement, Dossier
from invoicing.rules import days
from toggbill.firms.management.command import BAD_ARGUMENTS, Fault
from toggbill.firms.models import Firm


def firm(slug: str) -> Firm:
    """The firm of that short name. Raises ``Fault`` (2)."""
    found = Firm.objects.filter(slug=slug).first()
    if found is None:
        raise Fault(f"There is no firm “{slug}”. {_known(Firm.objects.values_list('slug', flat=True))}", BAD_ARGUMENTS)
    return found


def dossiers(of: Firm, key: str | None) -> list[Dossier]:
    """The firm's dossiers, or the one of that key. Raises ``Fault`` (2)."""
    every = (
        Dossier.objects.filter(firm=of)
        .order_by("key")
        .select_related("firm", "workspace__connection", "workspace__firm", "company__connection")
    )
    found = list(every if key is None else every.filter(key=key))
    if key is not None and not found:
        raise Fault(
            f"Firm “{of.slug}” has no dossier “{key}”. {_known([dossier.key for dossier in every])}", BAD_ARGUMENTS
        )
    return found


def agreement(of: Firm, key: str) -> Agreement:
    """The firm's agreement of that short name. Raises ``Fault`` (2)."""
    every = Agreement.objects.filter(firm=of).select_related("firm", "dossier__workspace")
    found = every.filter(key=key).first()
    if found is None:
        known = _known(every.values_list("key", flat=True))
        raise Fault(f"Firm “{of.slug}” has no agreement “{key}”. {known}", BAD_ARGUMENTS)
    return found


def day(text: str) -> date:
    """A day written YYYY-MM-DD. Raises ``Fault`` (2)."""
    try:
        return days.day(text)
    except ValueError:
        raise Fault(
            f"“{text}” is not a day of the calendar. Write it YYYY-MM-DD, such as 2026-10-31.", BAD_ARGUMENTS
        ) from None


def month(text: str) -> date:
    """The first day of a month written YYYY-MM. Raises ``Fault`` (2)."""
    try:
        return days.month(text)
    except ValueError:
        raise Fault(f"“{text}” is not a month. Write it YYYY-MM, such as 2026-10.", BAD_ARGUMENTS) from None


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names))
    return f"Known: {listed}." if listed else "There is none yet: run `manage.py onboard FILE.toml` first."
