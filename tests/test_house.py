"""The house of docs/structure.md: files that a person reads in one sitting, none of them a drawer for everything."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_LINES = 400
MOST_FILES = 10
GIVEN = ("toggbill", "invoicing/management/commands")
"""Django and Celery say where these files are: settings and entries of the site, one file for each command."""
DRAWERS = {"utils", "util", "helpers", "common", "base", "services", "misc", "managers"}
"""Names that say nothing of what is inside."""
# Services are what tests/services.py starts; Django looks for the engine of a database in a file of this name.
SAID = ("tests/services.py", "toggbill/database/postgresql/base.py", "toggbill/database/sqlite3/base.py")


def _sources() -> list[Path]:
    houses = ("toggbill", "integrations", "invoicing", "tests")
    return [path for house in houses for path in (ROOT / house).rglob("*.py") if path.parent.name != "migrations"]


def test_no_source_is_longer_than_a_sitting() -> None:
    sources = _sources()
    assert len(sources) > 500
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_source_is_named_for_nothing() -> None:
    named = [path.relative_to(ROOT).as_posix() for path in _sources() if DRAWERS & {path.stem, path.parent.name}]
    assert sorted(named) == sorted(SAID)


def test_no_folder_has_more_files_than_a_glance_takes_in() -> None:
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in _sources() if path.stem != "__init__")
    folders = {name: count for name, count in counts.items() if not name.startswith("tests") and name not in GIVEN}
    assert len(folders) > 60
    assert {name: count for name, count in folders.items() if count > MOST_FILES} == {}
