"""The languages of the control page. Texts are written in English, and looked up by it in fr.json and nl.json.

The imitation's own names (kinds of faults, switches, members of Billit) and what the switches mean stay English, as in
the documents of both services.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from integrations.sandbox.http.wire import Request

LANGUAGES = {"en": "English", "fr": "Français", "nl": "Nederlands"}
COOKIE = "sandbox_language"
TEXTS: dict[str, dict[str, str]] = {
    name: json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8")) for name in LANGUAGES if name != "en"
}
language: ContextVar[str] = ContextVar("language", default="en")
"""That of the request which is answered."""


def chosen(request: Request) -> str:
    """The language that a visitor asked for just now (`lang`) or before (cookie), else the browser's first that we
    have."""
    asked = [request.query.get("lang", ""), _kept(request)]
    asked += [
        part.partition(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")
    ]
    return next((each for each in asked if each in LANGUAGES), "en")


def _kept(request: Request) -> str:
    try:
        kept = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if kept is None else kept.value


def tr(text: str, **facts: object) -> str:
    """A text in the language of the visitor, with its facts."""
    found = TEXTS.get(language.get(), {}).get(text, text)
    return found.format(**facts) if facts else found
