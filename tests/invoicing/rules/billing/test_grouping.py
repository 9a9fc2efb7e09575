from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing.grouping import group_of, line_texts
from tests.invoicing.strategies import an_entry, quick


@pytest.mark.parametrize(
    ("group_by", "shown"),
    [
        ("product", ""),
        ("project", "Accounts"),
        ("person", "An Example"),
        ("day", "05/10/2026"),
        ("description", "Quarterly return"),
        ("entry", "05/10/2026 · Quarterly return"),
    ],
)
def test_group_of_shows(group_by: str, shown: str) -> None:
    assert group_of(an_entry(description="  Quarterly return "), group_by).shown == shown


def test_group_of_an_entry_without_description_shows_its_day() -> None:
    assert group_of(an_entry(description=" "), "entry").shown == "05/10/2026"


@pytest.mark.parametrize(
    ("group_by", "changes", "same"),
    [
        ("product", {"project_id": 12, "person_id": 22, "day": date(2026, 10, 6), "description": "Other"}, True),
        ("project", {"project_id": 12}, False),
        ("project", {"project_name": "Accounts, renamed"}, True),
        ("person", {"person_id": 22}, False),
        ("person", {"person_name": "An Other"}, True),
        ("day", {"day": date(2026, 10, 6)}, False),
        ("day", {"description": "Other"}, True),
        ("description", {"description": " Quarterly return "}, True),
        ("description", {"description": "quarterly return"}, False),
        ("entry", {"id": 2}, False),
    ],
)
def test_group_of_tells_apart(group_by: str, changes: dict[str, Any], same: bool) -> None:
    keys = group_of(an_entry(), group_by).key, group_of(an_entry(**changes), group_by).key
    assert (keys[0] == keys[1]) is same


@pytest.mark.parametrize("group_by", ["project", "description"])
def test_group_of_orders_by_what_it_shows_case_folded(group_by: str) -> None:
    entries = [
        an_entry(project_name=text, description=text, project_id=number) for number, text in enumerate(["b", "C", "a"])
    ]
    groups = sorted((group_of(entry, group_by) for entry in entries), key=lambda group: group.order)
    assert [group.shown for group in groups] == ["a", "b", "C"]


@pytest.mark.parametrize("group_by", ["day", "entry"])
def test_group_of_orders_days_by_date(group_by: str) -> None:
    days = [date(2026, 10, 1), date(2026, 9, 30), date(2025, 12, 31)]
    groups = sorted((group_of(an_entry(day=day), group_by) for day in days), key=lambda group: group.order)
    assert [group.shown[:10] for group in groups] == ["31/12/2025", "30/09/2026", "01/10/2026"]


def test_group_of_an_unknown_grouping() -> None:
    with pytest.raises(ValueError, match=r"'colour'.*product, project, person, day, description, entry"):
        group_of(an_entry(), "colour")


@pytest.mark.parametrize(
    ("product", "addition", "texts"),
    [
        ("Advice", "", ("Advice", "")),
        ("Advice", "  ", ("Advice", "")),
        (" Advice ", "Accounts", ("Advice · Accounts", "")),
        ("", "Accounts", ("Accounts", "")),
        ("p" * 512, "", ("p" * 512, "")),
        ("p" * 513, "", ("p" * 512, "p")),
        ("p" * 509, "ab", ("p" * 509 + " · ", "ab")),
        ("Advice", "x" * 1015, ("Advice · " + "x" * 503, "x" * 512)),
        ("Advice", "x" * 1016, ("Advice · " + "x" * 503, "x" * 511 + "…")),
        ("😀" * 256, "", ("😀" * 256, "")),
        ("x" + "😀" * 256, "", ("x" + "😀" * 255, "😀")),
        ("😀" * 512, "", ("😀" * 256, "😀" * 256)),
        ("😀" * 512, "x", ("😀" * 256, "😀" * 255 + "…")),
    ],
)
def test_line_texts(product: str, addition: str, texts: tuple[str, str]) -> None:
    assert line_texts(product, addition) == texts


LONG = st.builds(
    lambda text, times: text * times, st.text(st.sampled_from("ab é€😀𝒳"), max_size=9), st.integers(0, 200)
)


@given(product=LONG, addition=st.one_of(LONG, st.text(max_size=1200)))
@quick
def test_line_texts_fit_and_lose_nothing_that_fits(product: str, addition: str) -> None:
    description, extended = line_texts(product, addition)
    whole = " · ".join(part for part in (product.strip(), addition.strip()) if part)
    assert units(description) <= 512
    assert units(extended) <= 512
    if units(whole) <= 1023:
        assert description + extended == whole
    else:
        assert description + extended == whole or whole.startswith((description + extended).removesuffix("…"))
        # Of what is cut nothing is left out that would have fitted.
        assert units(description) >= 511
        assert description + extended == whole or units(extended) >= 511


def units(text: str) -> int:
    """As .NET counts."""
    return len(text.encode("utf-16-le")) // 2
