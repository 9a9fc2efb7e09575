"""French and Dutch are complete: every text is translated, keeps its places, and is in the compiled file."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings

PLACE = re.compile(r"%\([a-z]+\)[sd]")


def _unquote(lines: str) -> str:
    text = "".join(re.findall(r'^(?:msg\w+(?:\[\d\])? )?"(.*)"$', lines, flags=re.MULTILINE))
    return text.replace("\\n", "\n").replace('\\"', '"')


def _texts(path: Path) -> dict[str, list[str]]:
    """What each text is in the language; a text with a plural has two."""
    found = {}
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        fields = re.findall(r'^(msg\w+(?:\[\d\])?) ((?:".*"\n?)+)', block, flags=re.MULTILINE)
        texts = {name: _unquote(value) for name, value in fields}
        if texts.get("msgid"):
            found[texts["msgid"]] = [text for name, text in texts.items() if name.startswith("msgstr")]
    return found


@pytest.mark.parametrize("language", ["fr", "nl"])
def test_every_text_is_translated_and_compiled(language: str) -> None:
    folder = settings.LOCALE_PATHS[0] / language / "LC_MESSAGES"
    texts = _texts(folder / "django.po")
    assert len(texts) > 500
    with (folder / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for text, translations in texts.items():
        assert all(translations), text
        if len(translations) == 1:
            assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(translations[0])), text
            assert compiled.gettext(text) == translations[0]
        else:
            assert [compiled.ngettext(text, text, count) for count in (1, 2)] == translations
