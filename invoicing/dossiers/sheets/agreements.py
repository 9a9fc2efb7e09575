"""Fee agreements as rows of a sheet (design sections 11 and 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from integrations.models import Workspace
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.sheets.cells import AgreementRow, Cell, plan, references, references_in
from invoicing.dossiers.sheets.mappings import Read, Sheet, by_dossier, key_of
from invoicing.models import Agreement, Dossier
from invoicing.rules.agreement import Agreement as Terms
from invoicing.rules.agreement import Every, Kind, PartPeriods
from invoicing.rules.judging.mapping import normalise_number
from invoicing.rules.text import same_case_key
from toggbill.firms.audit import Actor


class AgreementSheet(Sheet):
    """Fee agreements."""

    row = AgreementRow

    def cells_of(self, instance: Agreement) -> dict[str, str]:
        """An agreement that stands."""
        return self._cells(
            instance.dossier.key,
            instance.key,
            instance.client_remote_id,
            instance.number,
            instance.title,
            instance.kind,
            instance.start_date.isoformat(),
            None if instance.end_date is None else instance.end_date.isoformat(),
            references(instance.products),
            " ".join(map(str, sorted(instance.projects))),
            instance.product_reference,
            _amount_of(instance.kind, instance.amount),
            instance.every,
            instance.in_advance,
            _amount(instance.included_hours),
            instance.extra_product,
            instance.part_periods,
            plan((each["day"], each["amount"]) for each in instance.plan),
            instance.settle_on,
            _amount(instance.hours),
            _amount(instance.price),
            _amount(instance.refill_at),
            _amount(instance.budget_hours),
            _amount(instance.budget_amount),
        )

    def read(self, rows: Sequence[Mapping[str, Cell]]) -> list[Read]:
        """As the onboarding file's ``agreements``, and judged beside those that stand."""
        of_dossiers = Agreement.objects.filter(dossier__in=self.scope.dossiers.values()).select_related("dossier")
        standing = {row.key: self.cells_of(row) for row in of_dossiers}
        found = []
        for cells in rows:
            old = standing.get(same_case_key(key_of(cells, "key")))
            row = AgreementRow.read(cells, old)
            terms = _terms(row)
            dossier = self._dossier(row)
            if terms.kind == Kind.fixed and not row.has("amount"):
                row.note_missing("amount")
            if dossier is not None:
                self._known(row, terms, dossier, old)
            found.append(Read(row, old, self._of(row, terms), (dossier, terms)))
        self._check(found)
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """One call of the verb for each dossier."""
        for dossier, stated in by_dossier(read).items():
            agreements.set_agreements(dossier=dossier, agreements=stated, by=by, now=now)

    def _of(self, row: AgreementRow, terms: Terms) -> dict[str, str]:
        return self._cells(
            row.dossier,
            terms.key,
            terms.client_id,
            terms.number,
            terms.title,
            terms.kind,
            terms.start.isoformat(),
            None if terms.end is None else terms.end.isoformat(),
            references(terms.products),
            " ".join(map(str, terms.projects)),
            terms.product,
            _amount_of(terms.kind, terms.amount),
            terms.every,
            terms.in_advance,
            _amount(terms.included_hours),
            terms.extra_product,
            terms.part_periods,
            plan((day.isoformat(), _amount(amount)) for day, amount in terms.plan),
            terms.settle_on,
            _amount(terms.hours),
            _amount(terms.price),
            _amount(terms.refill_at),
            _amount(terms.budget_hours),
            _amount(terms.budget_amount),
        )

    def _known(self, row: AgreementRow, terms: Terms, dossier: Dossier, old: Mapping[str, str] | None) -> None:
        """What the row newly names is the company's and the workspace's."""
        for column in ("product", "extra_product"):
            self._product(row, column, dossier.company, old)
        stands = old or {}
        known = references_in(stands.get("products", ""))
        self._has_products(row, "products", [each for each in terms.products if each not in known], dossier.company)
        if terms.client_id is not None:
            self._clients(row, "client", [terms.client_id], dossier.workspace, stands.get("client", ""))
        self._projects(row, terms.projects, dossier.workspace, stands.get("projects", ""))

    def _projects(self, row: AgreementRow, projects: Iterable[int], workspace: Workspace, old: str) -> None:
        """Projects that the row newly names are the workspace's; ``old``: its cell as it stands."""
        new = sorted(set(projects) - {int(each) for each in old.split()})
        if unknown := [each for each in new if row.sound("projects") and not self.known.has_project(workspace, each)]:
            words = {"workspace": workspace.name, "project": ", ".join(map(str, unknown))[:60]}
            text = _("workspace %(workspace)s has no project %(project)s in Toggl: check its id.")
            row.note("projects", text % words)

    def _check(self, read: Sequence[Read]) -> None:
        """Those of one dossier are judged together; a short name that the file has twice is told of in any case."""
        together: defaultdict[Dossier | None, list[Read]] = defaultdict(list)
        for each in read:
            together[each.told[0]].append(each)
        for dossier, of_one in together.items():
            terms = [each.told[1] for each in of_one]
            sound = dossier is not None and not any(each.faults for each in of_one)
            checked = (
                agreements.check_beside(dossier, terms) if sound and dossier else agreements.check_agreements(terms)
            )
            for each, faults in zip(of_one, checked, strict=True):
                for fault in faults:
                    if fault.field not in each.row.needed or each.row.has(fault.field):
                        each.row.note_fault(fault)


def _terms(row: AgreementRow) -> Terms:
    """What the row says; where a cell is missing or at fault, what stands in its place says nothing."""
    return Terms(
        key=row.key or "",
        title=row.title or "",
        start=row.from_ or date.min,
        product=row.product or "",
        amount=row.amount or Decimal(0),
        every=row.every or Every.month.value,
        kind=row.kind or Kind.fixed.value,
        client_id=row.client,
        number=normalise_number(row.vat or "") or row.vat or "",
        end=row.until,
        products=row.products or (),
        projects=tuple(sorted(row.projects or ())),
        in_advance=bool(row.in_advance),
        included_hours=row.included_hours,
        extra_product=row.extra_product or "",
        part_periods=row.part_periods or PartPeriods.full.value,
        plan=tuple(sorted(row.plan or ())),
        settle_on=row.settle_on or "",
        hours=row.hours,
        price=row.price,
        refill_at=row.refill_at,
        budget_hours=row.budget_hours,
        budget_amount=row.budget_amount,
    )


def _amount(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _amount_of(kind: str, amount: Decimal) -> str:
    """A fee may be of nothing; what has an amount in another way has none."""
    return _amount(amount) if amount or kind == Kind.fixed else ""
