"""Dossiers, invoices and what hangs on them."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory

from invoicing.models import (
    Agreement,
    ClientMapping,
    Dossier,
    DossierClient,
    LedgerRow,
    Run,
    TagMapping,
    WriteBack,
)
from invoicing.rules.text import text_key
from tests import walking
from tests.factories.declared import NOW, DjangoModelFactory, enterprise_number
from tests.factories.mirror import (
    CompanyFactory,
    EntryFactory,
    FirmFactory,
    WorkspaceFactory,
)

Row = TypeVar("Row")


class DossierFactory(DjangoModelFactory[Dossier]):
    """A dossier by hand, in review, that begins on 1 September 2026."""

    class Meta:
        model = Dossier

    firm = SubFactory(FirmFactory)
    workspace = SubFactory(WorkspaceFactory, firm=SelfAttribute("..firm"))
    company = SubFactory(CompanyFactory, firm=SelfAttribute("..firm"))
    key = Sequence(lambda n: f"dossier-{n}")
    name = Sequence(lambda n: f"Dossier {n}")
    start_date = date(2026, 9, 1)
    # What goes out by itself says its limit.
    no_limit = LazyAttribute(
        lambda o: getattr(o, "mode", "review") != "review" and getattr(o, "auto_limit", None) is None
    )
    annex = False  # it costs a process of its own


class DossierClientFactory(DjangoModelFactory[DossierClient]):
    """A Toggl client that a dossier bills."""

    class Meta:
        model = DossierClient

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    workspace = SelfAttribute("dossier.workspace")
    client_remote_id = Sequence(lambda n: 501 + n)


class TagMappingFactory(DjangoModelFactory[TagMapping]):
    """A tag that leads to the product ADV."""

    class Meta:
        model = TagMapping

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    tag = Sequence(lambda n: f"Tag {n}")
    tag_key = LazyAttribute(lambda o: text_key(o.tag))
    product_reference = LazyAttribute(lambda o: "ADV" if o.bill else "")
    bill = True


class ClientMappingFactory(DjangoModelFactory[ClientMapping]):
    """A Toggl client mapped by number."""

    class Meta:
        model = ClientMapping

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    client_remote_id = Sequence(lambda n: 501 + n)
    number = Sequence(enterprise_number)


class AgreementFactory(DjangoModelFactory[Agreement]):
    """A fee of 250 euro a month in arrears, as product FORF, for all hours of a Toggl client from September 2026 on."""

    class Meta:
        model = Agreement

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    key = Sequence(lambda n: f"agreement-{n}")
    title = "Tenue de la comptabilité"
    client_remote_id = Sequence(lambda n: 501 + n)
    start_date = date(2026, 9, 1)
    product_reference = "FORF"
    amount = Decimal("250.00")


class PrepaidFactory(AgreementFactory):
    """Blocks of 2 hours at 95.00, as product ADV."""

    kind = "prepaid"
    amount = Decimal(0)
    hours = Decimal(2)
    price = Decimal("95.00")
    product_reference = "ADV"


class WalkingFactory(DjangoModelFactory[Row]):
    """Of rows whose state the database lets nobody choose: begun in a first state and moved on from there."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: type[Any], *args: Any, **fields: Any) -> Any:
        return walking.create(model_class, fields)


class LedgerRowFactory(WalkingFactory[LedgerRow]):
    """The books' row of a new entry of the dossier: open, one hour of ADV at 95 euro; `reason=` makes it attention."""

    class Meta:
        model = LedgerRow

    class Params:
        person_name = "An Example"
        description = Sequence(lambda n: f"Work {n}")
        tags = LazyFunction(lambda: ["ADV"])
        started_at = NOW - timedelta(days=10)
        duration = 3600

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    entry = SubFactory(
        EntryFactory,
        workspace=SelfAttribute("..dossier.workspace"),
        started_at=SelfAttribute("..started_at"),
        seconds=SelfAttribute("..duration"),
        person_name=SelfAttribute("..person_name"),
        description=SelfAttribute("..description"),
        tags=SelfAttribute("..tags"),
    )
    day = LazyAttribute(lambda o: o.entry.started_at.astimezone(o.dossier.firm.zone).date())
    seconds = SelfAttribute("entry.seconds")
    reason = ""
    state = LazyAttribute(lambda o: "attention" if o.reason else "open")
    twin = LazyAttribute(lambda o: o.entry if o.reason == "duplicate_entry" else None)
    client_name = "Garage Voorbeeld"
    buyer_key = LazyAttribute(lambda o: "" if o.reason else "party:88001")
    buyer_name = LazyAttribute(lambda o: "" if o.reason else "Garage Voorbeeld SRL")
    product_reference = LazyAttribute(lambda o: "" if o.reason else "ADV")
    price = LazyAttribute(lambda o: None if o.reason else Decimal("95.00"))


class RunFactory(DjangoModelFactory[Run]):
    """A pass of drafting through 31 October 2026."""

    class Meta:
        model = Run

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    cut_off = date(2026, 10, 31)
    started_at = NOW
    started_by = "schedule"
    mirror_as_of = NOW - timedelta(minutes=4)


class WriteBackFactory(DjangoModelFactory[WriteBack]):
    """A tag that an entry shall have in Toggl, and has not yet."""

    class Meta:
        model = WriteBack

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    entry = SubFactory(EntryFactory, workspace=SelfAttribute("..dossier.workspace"))
    wanted = "facturé"
    due_at = NOW
