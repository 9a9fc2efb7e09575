"""The check as the pack holds it: one program, made of the files of ``offline``, and its sentences in each language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils import translation

_PACKAGE = "invoicing.evidence.offline"
_FOLDER = Path(__file__).with_name("offline")
_PARTS = ("signatures", "pack", "whole", "books", "log", "__main__")
_HEAD = '''\
"""Checks the evidence of a month, without toggbill and without a network:

    python3 check.py [FILE.zip or FOLDER] [--language en|fr|nl]

Without a file it checks the folder in which it lies. It needs nothing but Python, 3.9 or newer. It ends with 0 when
everything holds, with 1 when something does not, with 2 when there is nothing that can be checked.
"""

from __future__ import annotations

'''


@cache
def source() -> str:
    """The program: each part without its docstring and without what it imports from the others."""
    return _HEAD + "\n\n".join(_part(name) for name in _PARTS)


def _part(name: str) -> str:
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        own = isinstance(node, ast.ImportFrom) and (node.module or "").startswith((_PACKAGE, "__future__"))
        if own or (node.lineno == 1 and isinstance(node, ast.Expr)):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "".join(lines).strip() + "\n"


def sentences() -> dict[str, dict[str, str]]:
    """What the check says, by language and English sentence."""
    found = {}
    for language in (code for code, _name in settings.LANGUAGES if code != "en"):
        with translation.override(language):
            found[language] = {english: translation.gettext(english) for english in said()}
    return found


@cache
def said() -> tuple[str, ...]:
    """The English sentences of the program."""
    return tuple(sorted(set(_literals(ast.parse(source())))))


def _literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            yield from (
                each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
