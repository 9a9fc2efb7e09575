"""The annex of hours as CSV, as a spreadsheet of the customer's language opens it.

A row for each entry, after those of a line one with its total, at the end one with the total of all,
one with what is left of each agreement on prepaid hours, and one with the VAT difference of a settlement; then the
hours that earlier fees cover, which are in none of these sums. Semicolons and a decimal comma, in English commas and a
point; UTF-8 with the mark by which spreadsheets know it.
"""

from __future__ import annotations

import csv
import io

from invoicing.rules.annexes.content import Annex, AnnexEntry, clock
from invoicing.rules.annexes.words import WORDS, discount_in_words, number
from invoicing.rules.cells import neutral


def as_csv(annex: Annex) -> bytes:
    """The bytes of the file. What anybody typed is no formula in it."""
    words = WORDS[annex.language]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="," if annex.language == "en" else ";")
    writer.writerow(
        [words.line, words.description, words.date, words.person, words.work, words.time, words.rounded, words.hours]
    )
    for line in annex.lines:
        before = [str(line.position), neutral(line.description)]
        writer.writerows([*before, *_cells(entry)] for entry in line.entries)
        hours = number(line.quantity, annex.language)
        writer.writerow([*before, "", "", words.subtotal.format(n=line.position), clock(line.seconds), "", hours])
        if said := discount_in_words(line, annex.language):
            writer.writerow([*before, "", "", neutral(said), "", "", ""])
    hours = number(annex.quantity, annex.language)
    writer.writerow(["", "", "", "", words.total, clock(annex.seconds), "", hours])
    for title, left in annex.left:
        writer.writerow(["", "", "", "", neutral(words.left.format(title=title)), "", "", number(left, annex.language)])
    if annex.vat_apart:
        apart = number(annex.vat_apart, annex.language)
        writer.writerow(["", "", "", "", f"{words.vat_apart} (EUR)", "", "", apart])
    for fee in annex.earlier:
        before = ["", neutral(words.earlier.format(line=fee.description, number=fee.invoice))]
        writer.writerows([*before, *_cells(entry)] for entry in fee.entries)
        writer.writerow([*before, "", "", words.earlier_total, clock(fee.seconds), "", ""])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cells(entry: AnnexEntry) -> list[str]:
    rounded = "" if entry.rounded is None else clock(entry.rounded)
    who = [f"{entry.day:%d/%m/%Y}", neutral(entry.person), neutral(entry.text)]
    return [*who, clock(entry.seconds), rounded, ""]
