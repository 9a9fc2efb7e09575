"""The forms of a page, with what they would send as they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form: where it goes, by which method, its fields in their order, the choices of a field, and its files."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


class _Page(HTMLParser):
    """Reads forms and links; what stands outside of a form is left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "form":
            self._form = Form(found.get("action", ""), found.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is None:
            return
        name = found.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            self._form.choices.setdefault(self._select, []).append(found.get("value", ""))
            if "selected" in found:
                self._form.fields.append((self._select, found.get("value", "")))
        elif tag in {"input", "textarea", "button"} and name:
            self._input(self._form, name, found)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        if tag == "form":
            self._form = None

    @staticmethod
    def _input(form: Form, name: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind == "file":
            form.files.append(name)
        elif kind in {"checkbox", "radio"}:
            form.choices.setdefault(name, []).append(found.get("value", "on"))
            if "checked" in found:
                form.fields.append((name, found.get("value", "on")))
        else:
            form.fields.append((name, found.get("value", "")))


def read(page: str) -> tuple[list[Form], list[str]]:
    """The forms and the links of a page."""
    found = _Page(page)
    return found.forms, found.links
