"""Asks every rule of a pack and says what does not hold."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from invoicing.evidence.offline.books import agreements, amounts, billed, deductions, seconds_of_lines, states, toggl
from invoicing.evidence.offline.log import annexes, attempts, log
from invoicing.evidence.offline.pack import SENTENCES, Files, Pack, _, filled
from invoicing.evidence.offline.whole import once, whole

RULES = (whole, once, states, toggl, billed, amounts, seconds_of_lines, agreements, deductions, log, annexes, attempts)
BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, OSError, zipfile.BadZipFile)
MOST = 40


def asked(pack: Pack) -> None:
    """Ask every rule. One that meets rows without the columns that it needs says so, rather than break."""
    for rule in RULES:
        try:
            rule(pack)
        except BROKEN as error:
            unread = _("What is there cannot be read as it was packed: %(what)s.")
            pack.fault(rule.__name__, unread, what=f"{type(error).__name__} {error}")


def said(pack: Pack) -> Iterator[str]:
    """The lines for a person: what does not hold, who signed it, and the end of it."""
    yield from (f"{rule}: {sentence}" for rule, sentence in pack.faults[:MOST])
    if len(pack.faults) > MOST:
        yield filled(_("and %(count)s more"), {"count": len(pack.faults) - MOST})
    for key in sorted(pack.keys):
        yield filled(_("Signed with the key %(key)s: compare it with the one that the site told you."), {"key": key})
    if not pack.keys:
        yield _("Nothing in here is signed: the site has no key. The hashes alone hold it together.")
    facts = {"dossier": pack.dossier, "month": pack.month, "entries": len(pack.entries), "count": len(pack.invoices)}
    if pack.faults:
        yield filled(_("NOT proved: the books of dossier %(dossier)s for %(month)s."), facts)
    else:
        holds = _("Everything holds: dossier %(dossier)s, %(month)s; entries: %(entries)s, invoices: %(count)s.")
        yield filled(holds, facts)


def main() -> int:
    """The exit code: 0 everything holds, 1 something does not, 2 nothing that can be checked."""
    parser = argparse.ArgumentParser(description="Checks the evidence of a month, without toggbill.")
    parser.add_argument("pack", nargs="?", type=Path, default=Path(sys.argv[0]).resolve().parent)
    parser.add_argument("--language", choices=("en", "fr", "nl"))
    options = parser.parse_args()
    try:
        files = Files(options.pack)
        pack = Pack(files, files.json("manifest.json"))
        language = options.language or str(pack.manifest["firm"]["language"])
    except BROKEN as error:
        why = f"{type(error).__name__} {error}"
        sys.stderr.write(f"There is no pack in {options.pack} that can be read: {why}\n")
        return 2
    with suppress(*BROKEN):  # without them it speaks English, and says that the file is not whole
        SENTENCES.update(files.json("sentences.json").get(language, {}))
    asked(pack)
    # No locale of a machine can break it.
    sys.stdout.buffer.write("".join(f"{line}\n" for line in said(pack)).encode())
    return 1 if pack.faults else 0


if __name__ == "__main__":
    sys.exit(main())
