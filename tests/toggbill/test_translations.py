"""French and Dutch are complete: every text is translated, keeps its places, and is in the compiled file."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

PLACE = re.compile(r"%\([a-z]+\)[sd]")


def _unquote(lines: str) -> str:
    text = "".join(re.findall(r'^(?:msg\w+(?:\[\d\])? )?"(.*)"$', lines, flags=re.MULTILINE))
    return text.replace("\\n", "\n").replace('\\"', '"')


def _texts(path: Path) -> dict[tuple[str, str], list[str]]:
    """By its context, "" for none, and itself: what each text is in the language; a text with a plural has two."""
    found = {}
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        fields = re.findall(r'^(msg\w+(?:\[\d\])?) ((?:".*"\n?)+)', block, flags=re.MULTILINE)
        texts = {name: _unquote(value) for name, value in fields}
        if texts.get("msgid"):
            found[texts.get("msgctxt", ""), texts["msgid"]] = [
                text for name, text in texts.items() if name.startswith("msgstr")
            ]
    return found


@pytest.mark.parametrize("language", ["fr", "nl"])
def test_every_text_is_translated_and_compiled(language: str) -> None:
    folder = settings.LOCALE_PATHS[0] / language / "LC_MESSAGES"
    texts = _texts(folder / "django.po")
    assert len(texts) > 500
    with (folder / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for (context, text), translations in texts.items():
        assert all(translations), text
        if len(translations) == 1:
            assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(translations[0])), text
            assert (compiled.pgettext(context, text) if context else compiled.gettext(text)) == translations[0]
        else:
            assert [compiled.ngettext(text, text, count) for count in (1, 2)] == translations


def test_french_sign_never_begins_a_line_by_itself() -> None:
    """Before : ; ? ! » and after « French has a blank that no line breaks at."""
    folder = settings.LOCALE_PATHS[0] / "fr" / "LC_MESSAGES"
    texts = [text for each in _texts(folder / "django.po").values() for text in each]
    assert sum("\xa0" in text for text in texts) > 500
    assert [text for text in texts if re.search(r"\S [:;?!»](?![)\w/])|« ", text)] == []


def _asked_in_code() -> Iterator[tuple[str, str]]:
    """Where a text is asked for without a number, and the text."""
    for package in ("toggbill", "integrations", "invoicing"):
        for path in (settings.BASE_DIR / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    if name in {"_", "gettext", "gettext_lazy", "gettext_noop"}:
                        yield f"{path.relative_to(settings.BASE_DIR)}:{node.lineno}", str(node.args[0].value)


def _asked_in_templates() -> Iterator[tuple[str, str]]:
    engine = engines["django"]
    assert isinstance(engine, DjangoTemplates)
    folder = settings.BASE_DIR / "templates"
    for path in folder.rglob("*.html"):
        template = engine.get_template(str(path.relative_to(folder))).template
        for node in template.nodelist.get_nodes_by_type(TranslateNode):
            assert isinstance(node, TranslateNode)
            yield str(path), str(node.filter_expression.var.literal)
        for node in template.nodelist.get_nodes_by_type(BlockTranslateNode):
            assert isinstance(node, BlockTranslateNode)
            if not node.plural:
                yield str(path), node.render_token_list(node.singular)[0]


@pytest.mark.slow
def test_text_with_a_plural_is_asked_for_with_its_number() -> None:
    """gettext finds such a text on some Pythons only (not on 3.11.2, Debian 12's): ngettext does on all."""
    with (settings.LOCALE_PATHS[0] / "fr" / "LC_MESSAGES" / "django.po").open(encoding="utf-8") as file:
        plural = {
            _unquote(found) for found in re.findall(r'^msgid ((?:".*"\n)+)msgid_plural', file.read(), re.MULTILINE)
        }
    code, pages = list(_asked_in_code()), list(_asked_in_templates())
    assert (len(plural) > 40, len(code) > 300, len(pages) > 300) == (True, True, True)
    assert [(place, text) for place, text in [*code, *pages] if text in plural] == []
