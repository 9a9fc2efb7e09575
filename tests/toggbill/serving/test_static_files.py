"""Static files by the manifest of `collectstatic`, and without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.contrib.staticfiles import finders
from pytest_django import Settings

from toggbill.serving.static_files import ManifestStorage

NAME = "toggbill/app.css"


@pytest.mark.parametrize(
    ("manifest", "shown"),
    [
        (f'{{"version": "1.1", "hash": "", "paths": {{"{NAME}": "toggbill/app.0123.css"}}}}', "toggbill/app.0123.css"),
        ('{"version": "1.1", "hash": "", "paths": {}}', NAME),
        ('{"version": "1.1", "pat', NAME),
        (None, NAME),
    ],
    ids=["whole", "without the file", "cut off", "absent"],
)
def test_page_names_the_hashed_file_or_else_the_plain_one(
    tmp_path: Path, settings: Settings, manifest: str | None, shown: str
) -> None:
    settings.DEBUG = False
    if manifest is not None:
        (tmp_path / "staticfiles.json").write_text(manifest)
    assert ManifestStorage(location=str(tmp_path), base_url="/static/").url(NAME) == f"/static/{shown}"


def test_templates_name_only_files_that_exist() -> None:
    """A page would be shown without the others."""
    named = {
        name
        for page in (site_settings.BASE_DIR / "templates").rglob("*.html")
        for name in re.findall(r"{% static ['\"]([^'\"]+)['\"]", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert [name for name in sorted(named) if finders.find(name) is None] == []
