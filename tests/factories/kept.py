"""What is kept beside the books: findings, totals that Toggl reports, sums and proofs of months, views."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from factory.declarations import LazyAttribute, SelfAttribute, Sequence, SubFactory

from invoicing.models import (
    BudgetNotice,
    Drift,
    LedgerRow,
    ReportedMonth,
    SavedView,
)
from invoicing.models.months import ChangedMonth, MonthProof, MonthSum
from tests.factories.books import AgreementFactory, DossierFactory
from tests.factories.declared import NOW, DjangoModelFactory
from tests.factories.mirror import (
    MembershipFactory,
)


class DriftFactory(DjangoModelFactory[Drift]):
    """An order that was deleted in Billit, found last night; `gone_at=` when it is no longer."""

    class Meta:
        model = Drift

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    kind = Drift.Kind.ORDER_DELETED
    order_id = Sequence(lambda n: 4_471_203 + n)
    reference = Sequence(lambda n: f"tb-{n}")
    about = LazyAttribute(lambda o: f"/{o.order_id}/{o.reference}")
    facts = LazyAttribute(lambda o: {"invoice": o.reference})
    first_seen_at = NOW - timedelta(hours=6)
    last_seen_at = SelfAttribute("first_seen_at")


class BudgetNoticeFactory(DjangoModelFactory[BudgetNotice]):
    """Four fifths of the 250 euro of an agreement's November 2026 are used."""

    class Meta:
        model = BudgetNotice

    firm = SelfAttribute("agreement.firm")
    dossier = SelfAttribute("agreement.dossier")
    agreement = SubFactory(AgreementFactory)
    period = date(2026, 11, 1)
    level = 80
    amount = Decimal("250.00")
    noticed_at = NOW


class ReportedMonthFactory(DjangoModelFactory[ReportedMonth]):
    """October 2026: ten hours in Toggl, and as many mirrored."""

    class Meta:
        model = ReportedMonth

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    month = date(2026, 10, 1)
    since = SelfAttribute("month")
    through = date(2026, 10, 31)
    toggl_seconds = 36_000
    own_seconds = 36_000
    read_at = NOW - timedelta(hours=6)
    differs_since = LazyAttribute(lambda o: None if o.toggl_seconds == o.own_seconds else o.read_at)


class SavedViewFactory(DjangoModelFactory[SavedView]):
    """A view of a member: what is open."""

    class Meta:
        model = SavedView

    firm = SelfAttribute("membership.firm")
    membership = SubFactory(MembershipFactory)
    name = Sequence(lambda n: f"View {n}")
    query = "state=open"


class MonthSumFactory(DjangoModelFactory[MonthSum]):
    """An open hour of a dossier's October 2026."""

    class Meta:
        model = MonthSum

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
    state = LedgerRow.State.OPEN
    price = Decimal("95.00")
    entries = 1
    seconds = 3600
    corrected_entries = 0
    corrected_seconds = 0


class MonthProofFactory(DjangoModelFactory[MonthProof]):
    """A dossier's October 2026, in which every rule holds."""

    class Meta:
        model = MonthProof

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
    proved_at = NOW


class ChangedMonthFactory(DjangoModelFactory[ChangedMonth]):
    """A dossier's October 2026, which changed since it was checked."""

    class Meta:
        model = ChangedMonth

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
