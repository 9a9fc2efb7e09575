"""A session is named as its owner knows it."""

import pytest
from django.utils import translation

from toggbill.firms.templatetags.sessions import browser

APPLE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (WINDOWS, "Chrome on Windows"),
        (f"{WINDOWS} Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
        (f"{APPLE} Version/19.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{APPLE} CriOS/156.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 200, "x" * 60),
        ("", "unknown browser"),
    ],
)
def test_browser_and_machine(told: str, shown: str) -> None:
    with translation.override("en"):
        assert browser(told) == shown
