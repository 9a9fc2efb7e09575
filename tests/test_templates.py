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


# --- what takes something away looks like it ------------------------------------------------------------------------

_TAKES_AWAY = re.compile(r"(?:Close the firm|Drop|Remove|Revoke|Stop using it|Write off)\b")
_BUTTON = re.compile(r"<(button|a)\s([^>]*\bclass=\"btn\b(?:[^>{]|\{[^>]*?\})*)>(.*?)</\1>", re.DOTALL)


def test_what_takes_something_away_looks_like_it() -> None:
    found: dict[str, list[str]] = {"alike": [], "plain": []}
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.html")):
        for _tag, attributes, inside in _BUTTON.findall(path.read_text(encoding="utf-8")):
            words = re.findall(r'translate "([^"]*)"', inside)
            if any(_TAKES_AWAY.match(word) for word in words):
                is_told = "btn-danger" in attributes or "btn-outline-danger" in attributes
                found["alike" if is_told else "plain"].append(f"{path.name}: {words[-1]}")
    assert found["plain"] == []
    assert len(found["alike"]) == 17


@pytest.mark.parametrize("theme", [":root", '[data-bs-theme="dark"]'])
def test_what_takes_something_away_can_be_read(theme: str) -> None:
    css = (settings.BASE_DIR / "toggbill/static/toggbill/app.css").read_text(encoding="utf-8")
    block = css[css.index(f"{theme} {{") :]
    colours = dict(re.findall(r"--tb-([a-z-]+): (#[0-9a-f]{6});", block[: block.index("}")]))
    pairs = [("#ffffff", colours["danger"]), ("#ffffff", colours["danger-strong"])]
    pairs += [(colours["danger-ink"], colours["card"]), (colours["danger-ink"], colours["paper"])]
    # WCAG 2.2, 1.4.3 for words, and 1.4.11 for the button against what it stands on.
    assert [pair for pair in pairs if _contrast(*pair) < 4.5] == []
    assert _contrast(colours["danger"], colours["card"]) >= 3


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
