"""What the code cites of the design is there to be read, and what the pages of docs/ point to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
DESIGN = (DOCS / "design.md").read_text(encoding="utf-8")
CODE = sorted(
    path
    for folder in ("toggbill", "integrations", "invoicing", "templates", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".html"} and path != Path(__file__).resolve()
)
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def cited(pattern: str) -> set[str]:
    """Every number that the code cites in this form."""
    return {
        number
        for path in CODE
        for found in re.findall(pattern, path.read_text(encoding="utf-8"))
        for number in re.findall(r"[0-9]+", found)
    }


def test_every_cited_section_of_the_design_is_written() -> None:
    sections = set(re.findall(r"^## ([0-9]+)\. ", DESIGN, re.MULTILINE))
    found = cited(r"design sections? ([0-9]+(?:(?:, | and )[0-9]+)*)")
    assert found
    assert found <= sections


def test_every_cited_rule_is_written() -> None:
    rules = set(re.findall(r"^\*\*R([0-9]+) ", DESIGN, re.MULTILINE))
    found = cited(r"\bR([0-9]{1,2})\b(?! *=)")
    assert rules == {str(number) for number in range(1, 12)}
    # R003 and R008 are rules of Peppol, and are cited with three digits.
    assert found <= rules


def test_every_cited_decision_has_its_page() -> None:
    pages = {str(int(path.name[1:3])) for path in (DOCS / "decisions").glob("d*.md")}
    found = cited(r"design D([0-9]+)")
    assert found
    assert found <= pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_file_that_the_structure_page_names_exists() -> None:
    text = (DOCS / "structure.md").read_text(encoding="utf-8")
    missing = []
    for line in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        folder = ROOT
        for name in re.findall(r"`([\w/.]+)`", line.rpartition("|")[0].rpartition("|")[2]):
            path = ROOT / name if "/" in name else folder / name
            folder = path if path.is_dir() else path.parent
            if not path.exists():
                missing.append(name)
    assert missing == []
