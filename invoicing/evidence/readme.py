"""What the pack says of itself, in the language of the firm."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from invoicing.evidence.rows import Month


def readme(month: Month, now: datetime) -> str:
    """The text of README.txt, in the language in force."""
    firm = month.dossier.firm
    about = _(
        "The evidence of dossier %(dossier)s of %(firm)s for %(month)s, made on %(at)s.\n"
        "\n"
        "How to check it, without toggbill and without a network, with Python 3.9 or newer: unpack it into an empty "
        "folder and run there\n"
        "\n"
        "    python3 check.py\n"
        "\n"
        "It ends with code 0 when everything holds, with 1 when something does not, and says what. With --language en, "
        "fr or nl it speaks that language. Who does not want to trust the program in here takes the one of toggbill "
        "itself and gives it the file: python -m invoicing.evidence.offline FILE.zip\n"
    ) % {
        "dossier": f"“{month.dossier.name}” ({month.dossier.key})",
        "firm": firm.name,
        "month": f"{month.first:%m/%Y}",
        "at": f"{now.astimezone(firm.zone):%d/%m/%Y %H:%M}",
    }
    proved = _(
        "What the check proves:\n"
        "- every file is the one that the manifest names, and the manifest is signed where the site has a key;\n"
        "- every entry stands in exactly one state, and the states add up to what Toggl itself reported;\n"
        "- no entry is billed twice, and what is billed of each is what Toggl says, or the difference is told;\n"
        "- each line is its quantity times its price, each invoice the sum of its lines and VAT;\n"
        "- the audit log has no gap and no changed event from a signed head to its end, and tells of each invoice what "
        "the invoice says;\n"
        "- the annexes of hours and what was sent to Billit are the ones of back then.\n"
    )
    files = {
        "entries.jsonl": _("the entries of the month, as mirrored (toggl) and as the books have them"),
        "invoices.jsonl": _("the invoices and credit notes that bill, billed or cover them"),
        "lines.jsonl": _("their lines"),
        "deductions.jsonl": _("what settlements and credit notes took off advances"),
        "brought.jsonl": _("orders that Billit itself made, brought in as advances or fees of these agreements"),
        "claims.jsonl": _("which entry stands on which line, with the seconds billed"),
        "attempts.jsonl": _("what was sent to Billit, and what it answered"),
        "annexes.jsonl, annexes/": _("the annexes of hours, as they were frozen"),
        "corrections.jsonl": _("what changed in Toggl after billing, and what was decided"),
        "findings.jsonl": _("differences with Toggl and Billit that stand"),
        "agreements.jsonl": _("the fee agreements in force"),
        "rules.json, tag_mappings.jsonl, client_mappings.jsonl, pins.jsonl": _(
            "the rules and mappings in force; earlier ones stand in the log"
        ),
        "products.jsonl, prices.jsonl, projects.jsonl, clients.jsonl": _("what they refer to"),
        "runs.jsonl": _("the passes of drafting"),
        "month.json": _("the sums of the month by state, rules that do not hold, and Toggl’s own total"),
        "audit.jsonl, anchors.jsonl": _("the audit log from a signed head on, and the signed heads"),
        "check.py, sentences.json": _("the program that checks all of this, and its sentences"),
        "manifest.json, signature.json": _("size and SHA-256 of each file, and the signature of the manifest"),
    }
    notes = _(
        "One JSON object a line. Amounts are in euro and written as text, durations in seconds, moments in UTC. The "
        "audit log is that of the whole firm, since no event can be left out of its chain: give this file only to whom "
        "you would show it.\n"
    )
    listed = "".join(f"{name}\n    {about_it}\n" for name, about_it in files.items())
    return "\n".join([about, proved, listed, notes])
