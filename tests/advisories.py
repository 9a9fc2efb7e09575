"""Audits pinned dependencies for known vulnerabilities, with pip-audit: `python tests/advisories.py [--strict] FILE`.

Exit 1 when one is known, each on its line. Without the tool, or where its source of advisories does not answer, the
audit is skipped aloud (one line on standard error, exit 0; with --strict exit 1): pip-audit itself says "No known
vulnerabilities found" and ends well when it could look nothing up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SECONDS = 180


def command(files: Sequence[str]) -> list[str]:
    """How pip-audit is asked: the pins as they stand, nothing resolved and nothing installed."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--desc", "off"]
    return [sys.executable, "-m", "pip_audit", *options, *(text for file in files for text in ("--requirement", file))]


def judged(output: str) -> tuple[list[str], int, int]:
    """What pip-audit found: vulnerabilities as lines, and how many dependencies were audited and how many were not.

    ValueError when the output is not its report.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(output)["dependencies"]
        audited = [row for row in rows if "skip_reason" not in row]
        found = [
            f"{row['name']} {row['version']}: {vuln['id']}, mended in {', '.join(vuln['fix_versions']) or 'no version'}"
            for row in audited
            for vuln in row["vulns"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError("not a report of pip-audit") from error
    return found, len(audited), len(rows) - len(audited)


def verdict(output: str, errors: str, *, strict: bool = False) -> tuple[int, str]:
    """The exit code and the words for what pip-audit wrote on standard output and standard error.

    ``strict``: what could not be audited is no good answer, either.
    """
    try:
        found, audited, left = judged(output)
    except ValueError:
        reason = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return int(strict), skipped(f"pip-audit is not installed, or could not work ({reason})")
    if found:
        return 1, "".join(f"VULNERABLE {line}\n" for line in found)
    if left:
        return int(strict), skipped(f"the advisories for {left} of {audited + left} of them could not be reached")
    return 0, f"{audited} dependencies audited, no known vulnerability\n"


def skipped(reason: str) -> str:
    """That nothing is known, so that nobody takes it for a good answer."""
    return f"SKIPPED: dependencies are not audited, {reason}. Run `make check` where they can be.\n"


def main(arguments: Sequence[str]) -> int:
    """Audit the files of requirements that are named; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail when the advisories could not be reached")
    parser.add_argument("files", nargs="+", help="files of pinned requirements")
    options = parser.parse_args(arguments)
    try:
        done = subprocess.run(command(options.files), capture_output=True, text=True, timeout=SECONDS, check=False)
        code, words = verdict(done.stdout, done.stderr, strict=options.strict)
    except subprocess.TimeoutExpired:
        code, words = int(options.strict), skipped(f"the advisories did not come within {SECONDS} seconds")
    sys.stderr.write(words)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
