"""Templates stay readable: the formatter wraps where it can, and this counts where it cannot."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.conf import settings
from django.test import Client

MOST = 160


def test_no_line_of_a_template_is_too_long() -> None:
    lines = [
        (f"{path.relative_to(settings.BASE_DIR)}:{number}", len(line))
        for path in (settings.BASE_DIR / "templates").rglob("*.html")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    ]
    assert len(lines) > 1000
    assert [f"{place} has {length} characters" for place, length in lines if length > MOST] == []


@pytest.mark.django_db
def test_htmx_brings_in_no_script_and_no_style_and_keeps_no_page() -> None:
    page = Client().get("/accounts/login/").content.decode()
    (content,) = re.findall(r"<meta\s+name=\"htmx-config\"\s+content='([^']*)'", page)
    told = json.loads(unescape(content))
    assert told.pop("responseHandling") == [{"code": "204", "swap": False}, {"code": "...", "swap": True}]
    assert told == {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "selfRequestsOnly": True,
        "historyEnabled": False,
    }
    # Released htmx alone, without what django-htmx has for errors in debugging.
    assert re.findall(r'src="/static/(django_htmx/[^"]*)"', page) == ["django_htmx/htmx-2.min.js"]
    # Attributes that hold script, which `allowEval` turns off.
    templates = (settings.BASE_DIR / "templates").rglob("*.html")
    found = [
        path.name for path in templates if re.search(r"hx-on|hx-vals='js:|hx-vars", path.read_text(encoding="utf-8"))
    ]
    assert found == []
