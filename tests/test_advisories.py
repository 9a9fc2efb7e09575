"""The audit of dependencies: a vulnerability fails, and what could not be looked up never passes for sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import advisories

SOUND: dict[str, Any] = {"name": "sound", "version": "1.0", "vulns": []}
ILL = {"name": "ill", "version": "2.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}


def report(*rows: dict[str, Any]) -> str:
    return json.dumps({"dependencies": rows, "fixes": []})


def test_vulnerability_is_named_with_what_mends_it() -> None:
    assert advisories.judged(report(SOUND, ILL)) == (["ill 2.0: PYSEC-2026-1, mended in 2.1"], 2, 0)


def test_dependency_that_was_not_looked_up_is_not_audited() -> None:
    assert advisories.judged(report(SOUND, UNKNOWN)) == ([], 1, 1)


@pytest.mark.parametrize("output", ["No known vulnerabilities found", "[]", "{}", '{"dependencies": [1]}'])
def test_what_is_no_report_is_none(output: str) -> None:
    code, words = advisories.verdict(output, "Traceback\nthe source is down\n")
    assert code == 0
    assert words.startswith("SKIPPED: dependencies are not audited, pip-audit is not installed, or could not work (the")


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ([SOUND, ILL, UNKNOWN], 1, "VULNERABLE ill 2.0: PYSEC-2026-1, mended in 2.1\n"),
        ([SOUND, UNKNOWN], 0, "SKIPPED: dependencies are not audited, the advisories for 1 of 2 of them"),
        ([SOUND], 0, "1 dependencies audited, no known vulnerability\n"),
    ],
)
def test_what_is_said_and_how_it_ends(rows: list[dict[str, Any]], code: int, words: str) -> None:
    said = advisories.verdict(report(*rows), "")
    assert said[0] == code
    assert said[1].startswith(words)


def test_audit_that_cannot_be_made_is_skipped_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main([str(tmp_path / "nothing.txt")]) == 0
    assert "SKIPPED: dependencies are not audited" in capsys.readouterr().err
    assert advisories.main(["--strict", str(tmp_path / "nothing.txt")]) == 1
    assert "SKIPPED: dependencies are not audited" in capsys.readouterr().err


@pytest.mark.parametrize("output", [report(SOUND, UNKNOWN), "the source is down"])
def test_strict_takes_no_silence_for_a_good_answer(output: str) -> None:
    assert advisories.verdict(output, "", strict=True)[0] == 1
    assert advisories.verdict(report(SOUND), "", strict=True)[0] == 0
