"""The annex of hours as a page of HTML, which becomes the PDF."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from invoicing.rules.annexes.content import Annex, AnnexEntry, AnnexLine, EarlierFee, clock
from invoicing.rules.annexes.words import WORDS, Words, discount_in_words, number, rounding_in_words

_SHORT = 60


def html(annex: Annex) -> str:
    """The page; all that anybody typed is escaped, and nothing in it leads anywhere."""
    words = WORDS[annex.language]
    facts = "".join(f"<tr><th>{escape(name)}</th><td{kind}>{text}</td></tr>" for name, kind, text in _facts(annex))
    rounding = rounding_in_words(annex.rounding, annex.language)
    note = f'<p class="note">{escape(rounding)}</p>' if rounding else ""
    before, _, rest = words.page.partition("{page}")
    between = rest.partition("{pages}")[0]
    page = f'{{ content: "{before}" counter(page) "{between}" counter(pages) }}'
    firm, title = escape(annex.firm), escape(words.title)
    return (
        f'<!DOCTYPE html><html lang="{annex.language}"><head><meta charset="utf-8">'
        f'<title>{title}, {escape(annex.title)}</title><meta name="author" content="{firm}">'
        f"<style>@page {{ @bottom-right {page} }}</style></head><body>"
        f'<div class="firm"{_short(annex.firm)}>{firm}</div><h1>{title}</h1><table class="facts">{facts}</table>'
        f'<table class="work"><thead><tr>{_heading(words)}</tr></thead>'
        f"{''.join(_line(line, annex, words) for line in annex.lines)}"
        f'<tbody><tr class="total"><td colspan="3">{escape(words.total)}</td>'
        f'<td class="figure">{_time(annex.seconds)}</td><td class="figure">{_hours(annex, annex)}</td></tr></tbody>'
        f"{''.join(_earlier(fee, annex, words) for fee in annex.earlier)}</table>{note}</body></html>"
    )


def _facts(annex: Annex) -> Iterator[tuple[str, str, str]]:
    words = WORDS[annex.language]
    yield words.customer, f' class="customer"{_short(annex.customer)}', escape(annex.customer)
    if annex.customer_number:
        yield "", "", escape(annex.customer_number)
    if annex.about:
        yield words.concerns, "", escape(words.about.format(number=annex.about))
    days = f"{annex.period_from:%d/%m/%Y}"
    if annex.period_from != annex.period_till:
        days += f" – {annex.period_till:%d/%m/%Y}"
    yield words.period, "", days
    for title, hours in annex.left:
        yield words.left.format(title=title), "", f"{_minus(number(hours, annex.language))} {words.unit}"
    if annex.vat_apart:
        yield words.vat_apart, "", f"{_minus(number(annex.vat_apart, annex.language))} EUR"
    if annex.purchase_order:
        yield words.purchase_order, "", escape(annex.purchase_order)
    yield words.reference, ' class="reference"', escape(annex.reference)


def _heading(words: Words) -> str:
    columns = (
        ("day", words.date),
        ("person", words.person),
        ("", words.work),
        ("time figure", words.time),
        ("rounded figure", words.rounded),
    )
    return "".join(f'<th class="{kind}">{escape(name)}</th>' for kind, name in columns)


def _line(line: AnnexLine, annex: Annex, words: Words) -> str:
    # Whole minutes are shown as such only where the rounding makes all of them whole.
    brief = bool(annex.rounding.minutes)
    entries = "".join(_entry(entry, brief=brief) for entry in line.entries)
    name = f"{line.position}. {line.description}"
    return (
        f'<tbody><tr class="name"><td colspan="5"{_short(name)}>{escape(name)}</td></tr>{entries}'
        f'<tr class="subtotal"><td colspan="3">{escape(words.subtotal.format(n=line.position))}</td>'
        f'<td class="figure">{_time(line.seconds)}</td><td class="figure">{_hours(line, annex)}</td></tr>'
        f"{_discount(line, annex)}</tbody>"
    )


def _earlier(fee: EarlierFee, annex: Annex, words: Words) -> str:
    """Behind the total: what an earlier invoice billed has no hours of this one."""
    brief = bool(annex.rounding.minutes)
    name = words.earlier.format(line=fee.description, number=fee.invoice)
    return (
        f'<tbody><tr class="name"><td colspan="5"{_short(name)}>{escape(name)}</td></tr>'
        f"{''.join(_entry(entry, brief=brief) for entry in fee.entries)}"
        f'<tr class="subtotal"><td colspan="3">{escape(words.earlier_total)}</td>'
        f'<td class="figure">{_time(fee.seconds)}</td><td class="figure"></td></tr></tbody>'
    )


def _discount(line: AnnexLine, annex: Annex) -> str:
    said = discount_in_words(line, annex.language)
    return f'<tr class="entry"><td colspan="5">{escape(said)}</td></tr>' if said else ""


def _entry(entry: AnnexEntry, *, brief: bool) -> str:
    rounded = "" if entry.rounded is None else _time(entry.rounded, brief=brief)
    return (
        f'<tr class="entry"><td>{entry.day:%d/%m/%Y}</td><td>{escape(entry.person)}</td>'
        f'<td>{escape(entry.text) or "–"}</td><td class="figure">{_time(entry.seconds)}</td>'
        f'<td class="figure">{rounded}</td></tr>'
    )


def _short(text: str) -> str:
    """For the head of a page, which has three lines of each side."""
    cut = text if len(text) <= _SHORT else f"{text[: _SHORT - 1].rstrip()}…"
    return f' data-short="{escape(cut)}"'


def _time(seconds: int, *, brief: bool = False) -> str:
    return _minus(clock(seconds, brief=brief))


def _hours(summed: Annex | AnnexLine, annex: Annex) -> str:
    return f"{_minus(number(summed.quantity, annex.language))} {WORDS[annex.language].unit}"


def _minus(text: str) -> str:
    """With the sign that is as wide as a figure."""
    return text.replace("-", "−")
