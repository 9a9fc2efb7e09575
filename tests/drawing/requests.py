"""A request: drawn for a pattern, or made of a form that a page shows, with some of its fields spoilt."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlsplit

import openpyxl
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from tests.drawing.addresses import Pattern, Pool, path
from tests.drawing.alphabet import NAMES, NASTY, RAW
from tests.drawing.forms import Form

URLENCODED = "application/x-www-form-urlencoded"
_TYPES = (
    "",
    "text/plain",
    "application/json",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    f"{MULTIPART_CONTENT}; charset=rot13",
    f"{MULTIPART_CONTENT}; charset=utf-16",
    f"{URLENCODED}; charset=latin-1",
    "text/html; charset=unicode_escape",
    "nonsense",
)


@dataclass(frozen=True)
class Request:
    """What is asked: `path` with its query, quoted."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = URLENCODED

    def __str__(self) -> str:
        kind = "" if self.method in {"GET", "HEAD"} else f" [{self.content_type}] {self.body[:600]!r}"
        return f"{self.method} {self.path[:600]}{kind}"


class Drawer:
    """Draws requests. What pages are seen to ask by (names of fields and parameters) is drawn again elsewhere."""

    def __init__(self, pool: Pool, draw: random.Random) -> None:
        self.pool = pool
        self.draw = draw
        self.names: list[str] = list(NAMES)

    def see(self, forms: Sequence[Form], links: Sequence[str]) -> None:
        """Remember what a page asks by."""
        seen = {name for form in forms for name, _value in form.fields} | {
            name for form in forms for name in form.choices
        }
        seen |= {part.partition("=")[0] for link in links for part in urlsplit(link).query.split("&")}
        known = set(self.names)
        self.names += sorted(name for name in seen if name and name not in known)

    def reading(self, pattern: Pattern) -> Request:
        """A GET (rarely another method that changes nothing) with a query."""
        method = self.draw.choice(("GET",) * 18 + ("HEAD", "OPTIONS"))
        return Request(method, path(pattern, self.pool, self.draw) + self._query())

    def writing(self, pattern: Pattern) -> Request:
        """A POST (rarely another method) to an address, with a body of any kind."""
        method = self.draw.choice(("POST",) * 18 + ("PUT", "DELETE", "PATCH"))
        goal = path(pattern, self.pool, self.draw) + (self._query() if self.draw.random() < 0.2 else "")
        if self.draw.random() < 0.2:
            body = self.draw.choice(
                (b"", b"\0", b"\xff\xfe", b"[[[", b'{"a": "\\ud800\\u0000"}', self._pairs().encode())
            )
            return Request(method, goal, body, self.draw.choice(_TYPES))
        return Request(method, goal, self._pairs().encode())

    def sending(self, form: Form, page: str) -> Request:
        """What a form sends: as it stands, or with some fields spoilt, left out, doubled or unknown ones added."""
        fields = [(name, value) for name, value in form.fields if name != "csrfmiddlewaretoken"]
        for name in sorted(form.choices):
            if self.draw.random() < 0.7:
                fields.append((name, self.draw.choice(form.choices[name])))
        for _ in range(self.draw.choice((0, 0, 1, 1, 2, 3))):
            fields = self._spoilt(fields)
        goal = urlsplit(form.action or page)
        target = f"{goal.path}?{goal.query}" if goal.query else goal.path
        if not target.startswith("/"):
            target = page
        if form.method != "post":
            query = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields)
            return Request("GET", f"{target.partition('?')[0]}?{query}")
        if not form.files:
            body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields)
            return Request("POST", target, body.encode())
        data: dict[str, object] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)  # type: ignore[attr-defined]  # a list
        data |= {name: self._file() for name in form.files}
        return Request("POST", target, encode_multipart(BOUNDARY, data), MULTIPART_CONTENT)

    def _spoilt(self, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if not fields or self.draw.random() < 0.3:
            return [*fields, (self.draw.choice(self.names), self._value())]
        place = self.draw.randrange(len(fields))
        name, value = fields[place]
        instead = self.draw.choice(
            ([], [(name, self._value())], [(name, self._value())], [(name, value), (name, self._value())])
        )
        return [*fields[:place], *instead, *fields[place + 1 :]]

    def _value(self) -> str:
        return self.draw.choice(NASTY if self.draw.random() < 0.7 else self.pool.words)

    def _pairs(self) -> str:
        pairs = []
        for _ in range(self.draw.choice((0, 1, 1, 2, 3, 5))):
            if self.draw.random() < 0.1:
                pairs.append(self.draw.choice(RAW))
            else:
                pairs.append(f"{quote_plus(self.draw.choice(self.names))}={quote_plus(self._value())}")
        return "&".join(pairs)

    def _query(self) -> str:
        # A server takes no longer line.
        query = self._pairs()[:8000]
        return f"?{query}" if query else ""

    def _file(self) -> SimpleUploadedFile:
        heading, *rows = [["dossier", "tag", "product"], ["bakery", self._value(), self._value()], [self._value()]]
        kind = self.draw.choice(("csv", "csv", "cut", "nothing", "xlsx"))
        text = "\n".join(",".join(row).replace("\n", " ") for row in (heading, *rows))
        content = text.encode("utf-8", "replace")
        if kind in {"xlsx", "cut"}:
            book, file = openpyxl.Workbook(), io.BytesIO()
            book.worksheets[0].append(heading)
            book.save(file)
            content = file.getvalue() if kind == "xlsx" else file.getvalue()[:900]
        return SimpleUploadedFile(f"a.{kind}", b"" if kind == "nothing" else content)
