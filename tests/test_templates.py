"""Templates stay readable: the formatter wraps where it can, and this counts where it cannot."""

from __future__ import annotations

from django.conf import settings

MOST = 160


def test_no_line_of_a_template_is_too_long() -> None:
    lines = [
        (f"{path.relative_to(settings.BASE_DIR)}:{number}", len(line))
        for path in (settings.BASE_DIR / "templates").rglob("*.html")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    ]
    assert len(lines) > 1000
    assert [f"{place} has {length} characters" for place, length in lines if length > MOST] == []
