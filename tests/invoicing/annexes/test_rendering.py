"""The child process: bounded, alone with its fonts, and when it fails it says why and takes no other with it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pypdf import PdfReader

from integrations.clients.http.failures import Message
from invoicing.annexes import rendering
from invoicing.annexes.rendering import Document, fault, rendered
from invoicing.models.problems import words

GOOD = Document("<p>Good</p>", 1)


@pytest.fixture
def renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what the child needs, in which a test may spoil something."""
    rendering._warm.end()
    here = tmp_path / "annexes"
    shutil.copytree(rendering.HERE, here)
    monkeypatch.setattr(rendering, "HERE", here)
    yield here
    rendering._warm.end()


@pytest.mark.slow
def test_nothing_is_missing_on_this_machine() -> None:
    assert fault() is None
    assert run_checks(tags=["annexes"], include_deployment_checks=True) == []


@pytest.mark.slow
def test_one_that_fails_leaves_the_others_alone(renderer: Path) -> None:
    script = renderer / "renderer.py"
    old = "        page = weasyprint.HTML("
    assert old in script.read_text()
    spoiled = '        if "Bad" in document:\n            raise MemoryError("too large")\n'
    script.write_text(script.read_text().replace(old, spoiled + old))
    first, bad, last = rendered([GOOD, Document("<p>Bad</p>", 1), GOOD])
    assert isinstance(first, bytes)
    assert first.startswith(b"%PDF-")
    assert first == last
    assert bad == Message("annex_failed", {"why": "MemoryError: too large"})


def test_missing_font_is_said(renderer: Path) -> None:
    (renderer / "fonts" / "DejaVuSansCondensed-Bold.ttf").unlink()
    found = fault()
    assert found is not None
    assert words(found) == (
        "The annex of hours cannot be made on this machine (DejaVuSansCondensed-Bold.ttf). Whoever runs the site "
        "installs what is missing (libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0); the invoice is posted "
        "afterwards. Or switch the annex off in the dossier."
    )
    assert rendered([GOOD, GOOD]) == [found, found]
    (warning,) = run_checks(tags=["annexes"], include_deployment_checks=True)
    assert (warning.id, warning.msg) == ("invoicing.W001", words(found))


def test_missing_library_is_said(renderer: Path) -> None:
    """WeasyPrint raises OSError where it finds no Pango."""
    script = renderer / "renderer.py"
    old = "        import weasyprint  #"
    assert old in script.read_text()
    raised = "        raise OSError(\"cannot load library 'libpango-1.0-0': no such file\")\n"
    script.write_text(script.read_text().replace(old, raised + old))
    found = fault()
    assert found is not None
    assert (found.code, found.facts["missing"]) == (
        "annex_library",
        "cannot load library 'libpango-1.0-0': no such file",
    )


def test_one_that_takes_too_long_is_ended(renderer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_SECONDS", 0.5)
    monkeypatch.setattr(rendering, "_PATIENCE", 1)
    (renderer / "renderer.py").write_text("import time\ntime.sleep(60)\n")
    assert fault() == Message("annex_failed", {"why": "0 s"})


def test_one_that_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_MEGABYTES", 40)
    rendering._warm.end()  # one that is there already has what it needs
    (result,) = rendered([GOOD])
    assert isinstance(result, Message)
    assert result.code in ("annex_failed", "annex_library")


def test_child_knows_no_secret_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    assert set(rendering._environment()) <= {
        "PATH",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "LC_ALL",
        "FONTCONFIG_FILE",
    }


@pytest.mark.slow
def test_nothing_is_fetched(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.css"
    sheet.write_text('p::before { content: "Fetched" }')
    link = f'<link rel="stylesheet" href="{sheet.as_uri()}"><img src="http://127.0.0.1:9/a.png">'
    alone, linked = rendered([GOOD, Document(f"{link}{GOOD.html}", 1)])
    assert isinstance(alone, bytes)
    assert isinstance(linked, bytes)
    assert PdfReader(io.BytesIO(linked)).pages[0].extract_text().strip() == "Good"
