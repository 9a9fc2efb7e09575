"""The child process that makes PDF files, run by ``rendering`` as a script: standard library and WeasyPrint only.

Each request on standard input is eight bytes with a length and a JSON object: ``documents`` (pages of HTML),
``seconds`` (of processor time, all together), ``megabytes`` (of memory). On standard output each document gives, in
order, eight bytes with the length of its PDF, then the PDF. WeasyPrint takes a second to load, so the process stays for
the next request, and ends when none comes for a while or its standard input is closed.

Ends with 3 when a system library is missing, with 4 when a font is; standard error then says which. ``--check`` reads
nothing and makes nothing: it only tells by its end whether anything is missing.

Fonts are those beside this file and no other, and nothing is fetched: equal pages give equal bytes.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FONTS = {"400": HERE / "fonts" / "DejaVuSansCondensed.ttf", "700": HERE / "fonts" / "DejaVuSansCondensed-Bold.ttf"}
LIBRARY_MISSING, FONT_MISSING = 3, 4
_IDLE_SECONDS = 60.0
# Pages and posts go first.
_NICE = 5


def main() -> int:
    """Render what is asked for until nothing is; the exit code."""
    with suppress(OSError):
        os.nice(_NICE)
    if absent := [font.name for font in FONTS.values() if not font.is_file()]:
        sys.stderr.write(", ".join(absent))
        return FONT_MISSING
    if sys.argv[1:] == ["--check"]:
        return _load()[1]
    while work := _next():
        _limit(resource.RLIMIT_CPU, int(_spent() + float(work["seconds"])) + 1)
        _limit(resource.RLIMIT_AS, int(work["megabytes"]) << 20)
        render, missing = _load()
        if render is None:
            return missing
        for document in work["documents"]:
            pdf = render(document)
            _write(len(pdf).to_bytes(8, "big") + pdf)
    return 0


_loaded: list[Callable[[str], bytes]] = []


def _load() -> tuple[Callable[[str], bytes] | None, int]:
    """WeasyPrint with the fonts, loaded once, under the limits; else why not, as an exit code."""
    if _loaded:
        return _loaded[0], 0
    try:
        import weasyprint  # noqa: PLC0415 - it loads system libraries, after the limits and where it can be caught
        from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415 - the same
        from weasyprint.urls import URLFetcher  # noqa: PLC0415 - the same
    except OSError as error:
        sys.stderr.write(str(error).splitlines()[0])
        return None, LIBRARY_MISSING
    fonts, nothing = FontConfiguration(), URLFetcher(allowed_protocols=())
    faces = "".join(
        f'@font-face {{ font-family: "Annex"; font-weight: {weight}; src: url("{font.as_uri()}") }}'
        for weight, font in FONTS.items()
    )
    style = faces + (HERE / "annex.css").read_text(encoding="utf-8")
    sheet = weasyprint.CSS(string=style, font_config=fonts)

    def render(document: str) -> bytes:
        page = weasyprint.HTML(string=document, url_fetcher=nothing)
        pdf: bytes = page.write_pdf(stylesheets=[sheet], font_config=fonts)
        return pdf

    _loaded.append(render)
    return render, 0


def _next() -> dict[str, Any] | None:
    """The next request; None when no more come."""
    if not select.select([0], [], [], _IDLE_SECONDS)[0]:
        return None
    size = _read(8)
    return json.loads(_read(int.from_bytes(size, "big"))) if size else None


def _read(size: int) -> bytes:
    """That many bytes, or none when the other end is closed. Not buffered: ``select`` knows no buffer."""
    found = bytearray()
    while len(found) < size:
        part = os.read(0, min(size - len(found), 1 << 20))
        if not part:
            return b""
        found += part
    return bytes(found)


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    # A system that knows no such limit has the time of its parent at least.
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
