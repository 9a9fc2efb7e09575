"""One way to change a rule: whoever does it, the same rows, one shape of event, and the older hours are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from integrations.mirror import writing
from integrations.mirror.sync import sync_workspace
from integrations.models import Workspace
from invoicing.due.runs import reread_hours
from invoicing.ledger.states import derive
from invoicing.models import Dossier, TagMapping
from tests.invoicing.admin.test_dossiers import dossier_form
from tests.invoicing.admin.uploads import imported
from tests.invoicing.scene import Scene, ids
from tests.visitors import address, managed, staff
from tests.worlds import entry

Load = Callable[..., Scene]


def by_form(made: Scene, _folder: Path) -> None:
    dossier = made.dossier
    rows: list[dict[str, Any]] = [
        {"id": row.pk, "tag": row.tag, "bill": "on", "product_reference": row.product_reference}
        for row in dossier.tag_mappings.order_by("pk")
    ]
    rows[0]["product_reference"] = "FIS"
    fields = {
        "start_date": "2026-08-01",
        "mode": "post",
        "no_limit": "on",
        "email_allowed": "on",
        "annex": "on",
        "billed_tag": "invoiced",
        "rounding_minutes": 15,
    }
    fields |= {"four_eyes": "on", "deviation": 50}
    form = dossier_form(dossier, **fields, every="weekly", day=5) | managed("tag_mappings", rows, before=len(rows))
    for number, row in enumerate(dossier.client_mappings.order_by("pk")):
        fields = {"id": row.pk, "client_remote_id": row.client_remote_id, "number": row.number}
        form |= {f"client_mappings-{number}-{name}": value for name, value in fields.items()}
    form |= dict.fromkeys(["client_mappings-TOTAL_FORMS", "client_mappings-INITIAL_FORMS"], 2)
    answer = staff(made.firm).post(address(Dossier, "change", dossier.pk), form)
    assert answer.status_code == 302, answer.content.decode()


def by_sheet(made: Scene, _folder: Path) -> None:
    browser = staff(made.firm)
    columns = "key,workspace,company,start,mode,no_limit,email_allowed,annex"
    columns += ",four_eyes,deviation,rounding_minutes,every,day,billed_tag"
    imported(browser, Dossier, f"{columns}\nsmall,4001,7001,2026-08-01,post,yes,yes,yes,yes,50,15,weekly,5,invoiced\n")
    imported(browser, TagMapping, "dossier,tag,product\nsmall,Advice,FIS\n")


def by_onboarding(made: Scene, folder: Path) -> None:
    path = folder / "firm.toml"
    old = path.read_text(encoding="utf-8")
    assert "start = 2026-09-01" in old
    start = 'start = 2026-08-01\nmode = "post"\nno_limit = true\nemail_allowed = true\nrounding = { minutes = 15 }'
    start += '\nannex = true\nfour_eyes = true\ndeviation = 50\nbilled_tag = "invoiced"'
    new = old.replace("annex = false\n", "").replace(
        "start = 2026-09-01", f'{start}\nschedule = {{ every = "weekly", weekday = 5 }}'
    )
    path.write_text(new.replace('"ADV"', '"FIS"'), encoding="utf-8")
    assert made.command("onboard", str(path)).code == 0


CHANGES = [by_form, by_sheet, by_onboarding]


@pytest.mark.parametrize("change", CHANGES)
def test_a_rule_changes_in_one_way(change: Callable[[Scene, Path], None], scene: Load, tmp_path: Path) -> None:
    made = scene()
    change(made, tmp_path)
    dossier = made.dossier
    assert str(dossier.start_date) == "2026-08-01"
    assert (dossier.mode, dossier.email_allowed, dossier.annex, dossier.rounding_minutes) == ("post", True, True, 15)
    assert dossier.due_at is not None
    workspace = Workspace.objects.get()
    assert (str(workspace.read_from), workspace.reread_at) == ("2026-08-01", None)
    assert (workspace.next_sync_at, workspace.own_tags) == (timezone.now(), ["invoiced"])
    assert workspace.entries.filter(marked_at__isnull=True).count() == 0
    old = {
        "name": "small",
        "workspace": 4001,
        "company": 7001,
        "start": "2026-09-01",
        "clients": [],
        "billable": "all",
        "group_by": "product",
        "rounding": {"minutes": 0, "direction": "up", "level": "entry", "minimum": 0},
        "schedule": {"every": "manual"},
        "mode": "review",
        "email_allowed": False,
        "annex": False,
        "auto_limit": None,
        "no_limit": False,
        "longest_hours": 16,
        "four_eyes": False,
        "deviation": 0,
        "price_decimals": 2,
        "price_day": "draft",
        "payment_days": 30,
        "default_product": "",
        "billed_tag": "",
    }
    new = {
        "start": "2026-08-01",
        "rounding": old["rounding"] | {"minutes": 15},  # type: ignore[operator]  # a table
        "schedule": {"every": "weekly", "weekday": 5},
        "mode": "post",
        "no_limit": True,
        "email_allowed": True,
        "four_eyes": True,
        "deviation": 50,
        "annex": True,
        "billed_tag": "invoiced",
    }
    rules = [(event.subject, event.data) for event in made.events("rule_changed")]
    assert rules == [
        ("dossier small", {"old": None, "new": old}),
        ("dossier small", {"old": old, "new": old | new}),
    ]
    mapping = {"tag": "Advice", "bill": True, "product": "ADV", "priority": None}
    last = made.events("mapping_changed")[-1]
    assert (last.subject, last.data) == ("dossier small", {"old": mapping, "new": mapping | {"product": "FIS"}})


AUGUST = ids(5000)


def far_back(scene: Load) -> Scene:
    """A dossier whose newer hours fill more than a page, and one hour of before its start."""
    newer = [entry(n, "2026-10-05", seconds=60, at=f"2026-10-05T{n // 60:02}:{n % 60:02}:00Z") for n in range(1, 1200)]
    made = scene(entries=[entry(5000, "2026-08-05", at="2026-08-05T12:00:00Z"), *newer])
    assert made.states().keys() & set(AUGUST) == set()
    made.later(minutes=20)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_start_moved_back_has_the_older_hours_read(
    change: Callable[[Scene, Path], None], scene: Load, tmp_path: Path
) -> None:
    made = far_back(scene)
    change(made, tmp_path)
    sync_workspace(workspace=made.dossier.workspace, now=timezone.now(), background=True)
    derive.derive_marked(now=timezone.now())
    assert [made.states().get(entry) for entry in AUGUST] == ["open"]


@pytest.mark.slow
def test_a_run_before_the_older_hours_are_read_reads_them(scene: Load, tmp_path: Path) -> None:
    made = far_back(scene)
    by_form(made, tmp_path)
    reread_hours(workspace=made.dossier.workspace, now=timezone.now(), background=True)
    derive.derive_marked(now=timezone.now())
    assert [made.states().get(entry) for entry in AUGUST] == ["open"]


def test_books_opened_further_back_during_a_reading_are_not_taken_for_read(
    scene: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene()
    workspace = made.dossier.workspace
    made.later(minutes=20)
    entries = writing.entries

    def between(**page: Any) -> None:
        entries(**page)
        if Workspace.objects.get().read_from == workspace.read_from:
            by_form(made, tmp_path)

    monkeypatch.setattr(writing, "entries", between)
    sync_workspace(workspace=workspace, now=timezone.now(), full=True)
    assert (str(Workspace.objects.get().read_from), Workspace.objects.get().reread_at) == ("2026-08-01", None)
