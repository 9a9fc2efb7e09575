"""The parts of the control page as HTML: world, clock, faults, budgets, switches, log, mail and deliveries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from integrations.sandbox import by_hand
from integrations.sandbox.http.clock import zulu
from integrations.sandbox.http.faults import KINDS
from integrations.sandbox.http.masking import masked, masked_answer, masked_path
from integrations.sandbox.http.switches import SWITCHES, Switch
from integrations.sandbox.http.wire import Record, dumps, loads
from integrations.sandbox.page.menus import FREQUENCIES, PLACES
from integrations.sandbox.page.words import LANGUAGES, language, tr
from integrations.sandbox.server import Sandbox
from integrations.sandbox.toggl.quota import PLAN_LIMITS
from integrations.sandbox.worlds.files import NAMES

_LOG_ROWS = 40
_SHORT = 15  # webhooks that the page shows, each with so many characters of its last attempt:
_SHORTEST = 600
_LONGEST = 20_000  # characters of a body on a page of its own

_STYLE = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem}
section{border-top:1px solid GrayText;margin-top:2rem;padding-top:.5rem}
form{display:inline}
.row{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:end;margin:.5rem 0}
label{display:inline-flex;flex-direction:column;font-size:.875rem;max-width:100%}
/* 16 pixels: a phone does not zoom into such a field. */
input,select,button{font:inherit;font-size:1rem;padding:.3rem .5rem;max-width:100%}
button{cursor:pointer}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem}
th,td{border-bottom:1px solid color-mix(in srgb,GrayText 40%,transparent)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.25rem 0;font-size:.8rem}
.said{border:2px solid;padding:.5rem 1rem;border-radius:.25rem}
.wrong{border-style:dashed}
.changed{font-weight:600}
small{color:color-mix(in srgb,CanvasText 75%,Canvas)}
"""


def whole(content: str) -> str:
    """A page around its content, in the language of the visitor."""
    return (
        f'<!DOCTYPE html><html lang="{language.get()}"><head><meta charset="utf-8"><title>{tr("The sandbox")}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<main>{content}</main></body></html>"
    )


def page(sandbox: Sandbox, said: str, *, wrong: bool, middle: str) -> str:
    """The content of the page; `middle`: the parts in which hours and orders are changed by hand."""
    told = tr(
        "Nothing here leaves this machine. Change hours or break something, and look at what toggbill makes of it."
    )
    head = f"<h1>{tr('The sandbox: imitations of Toggl and Billit')}</h1><p>{told}</p>{_languages()}"
    parts = [head, _said(said, wrong=wrong), _menu(), middle, _world(sandbox), _clock(sandbox), _faults(sandbox)]
    parts += [_budgets(sandbox), _mail(sandbox), _deliveries(sandbox), _log(sandbox), _switches(sandbox)]
    return "".join(parts)


def back(said: str = "", *, wrong: bool = False) -> str:
    """The head of a page of its own: the way back, and what was just done."""
    return f'<p><a href="/">{tr("Back to the sandbox")}</a></p>{_said(said, wrong=wrong)}'


def request_details(row: Record) -> str:
    """A request of the log with its answer, secrets masked."""
    title = f"{row['method']} {masked_path(row['path'])}"
    details = shown(masked({"query": row["query"], "headers": row["headers"], "body": row["body"]}))
    return f"<h1>{escape(title)}</h1>{details}{shown(masked_answer(row['path'], row['answer']))}"


def _languages() -> str:
    links = "".join(
        f'<a href="/?lang={code}" lang="{code}"{" aria-current=true" if code == language.get() else ""}>{name}</a>'
        for code, name in LANGUAGES.items()
    )
    return f'<nav aria-label="{tr("Language")}">{links}</nav>'


def _said(said: str, *, wrong: bool) -> str:
    if not said:
        return ""
    kind, role = ("said wrong", "alert") if wrong else ("said", "status")
    return f'<p class="{kind}" role="{role}">{escape(said)}</p>'


def _menu() -> str:
    names = {
        "hours": tr("Hours"),
        "orders": tr("Orders"),
        "world": tr("World"),
        "clock": tr("Clock"),
        "faults": tr("Faults"),
        "quota": tr("Quota"),
        "mail": tr("Mail"),
        "deliveries": tr("Deliveries"),
        "log": tr("Log"),
        "switches": tr("Switches"),
    }
    links = "".join(f'<a href="#{name}">{text}</a>' for name, text in names.items())
    return f'<nav aria-label="{tr("Parts")}">{links}</nav>'


# --- pieces ---------------------------------------------------------------------------------------------------------


def section(name: str, title: str, content: str) -> str:
    return f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{content}</section>'


def form(action: str, part: str, content: str, button: str) -> str:
    """A form of one row; `content` is HTML."""
    hidden = f'<input type="hidden" name="part" value="{part}">'
    return (
        f'<form method="post" action="/page/{action}"><div class="row">{hidden}{content}'
        f"<button>{escape(button)}</button></div></form>"
    )


def field(label: str, name: str, value: object = "", kind: str = "text") -> str:
    return f'<label>{escape(label)}<input name="{name}" type="{kind}" value="{escape(str(value))}"></label>'


def choice(label: str, name: str, options: Iterable[tuple[str, str]], chosen: str = "") -> str:
    rows = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label>{escape(label)}<select name="{name}">{rows}</select></label>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], empty: str) -> str:
    """`rows` hold HTML."""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return f"<p>{escape(empty)}</p>"
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def shown(value: Any, longest: int = _LONGEST) -> str:
    """JSON or text, readable and not endless."""
    if value is None or value == "":
        return ""
    text = (
        value if isinstance(value, str) else json.dumps(loads(dumps(value)), indent=1, default=str, ensure_ascii=False)
    )
    cut = text if len(text) <= longest else f"{text[:longest]} ..."
    return f"<pre>{escape(cut)}</pre>"


# --- the scene ------------------------------------------------------------------------------------------------------


def _world(sandbox: Sandbox) -> str:
    store, billit = sandbox.toggl.store, sandbox.billit.store
    loaded = tr(
        "Loaded: {name}, {entries} entries, {companies} companies, {parties} customers, {orders} orders.",
        name=sandbox.frame["name"],
        entries=len(store.entries),
        companies=len(billit.companies),
        parties=len(billit.parties),
        orders=len(billit.orders),
    )
    content = f"<p>{escape(loaded)}</p>" + form("world", "world", field(tr("World"), "name", "demo"), tr("Load it"))
    worlds = tr(
        "Worlds: {names}. Orders are lost, and toggbill stays connected with the credentials of the world that it was "
        "started with.",
        names=", ".join(NAMES),
    )
    return section("world", tr("World"), f"{content}<p><small>{escape(worlds)}</small></p>")


def _clock(sandbox: Sandbox) -> str:
    now = zulu(sandbox.clock.now())
    told = tr("It is {now} (fixed).", now=now) if sandbox.clock.fixed else tr("It is {now} (real).", now=now)
    content = f"<p>{escape(told)}</p>"
    content += form(
        "clock",
        "clock",
        f'<input type="hidden" name="how" value="on">{field(tr("Minutes"), "minutes", 60, "number")}',
        tr("Go on"),
    )
    content += form(
        "clock",
        "clock",
        f'<input type="hidden" name="how" value="set">{field(tr("Moment (ISO, UTC)"), "now", now)}',
        tr("Set it"),
    )
    content += form("clock", "clock", '<input type="hidden" name="how" value="real">', tr("Back to the real time"))
    return section("clock", tr("Clock of both services"), content)


def _faults(sandbox: Sandbox) -> str:
    fields = choice(
        tr("What"), "kind", ((kind, f"{kind}: {tr(text)}") for kind, text in KINDS.items() if kind != "status")
    )
    fields += choice(tr("Where"), "place", ((name, place.label) for name, place in PLACES.items()))
    fields += choice(tr("How often"), "how", ((name, tr(text)) for name, text in FREQUENCIES.items()))
    fields += field(tr("Number"), "number", 1, "number") + field(tr("Seed"), "seed", 0, "number")
    fields += field(tr("Seconds (slow, no answer)"), "seconds") + field("Retry-After", "retry_after")
    fields += field(tr("Only for (PartyID or token)"), "tenant")
    rows = [
        [escape(fault.pop("kind")), str(fault.pop("fired")), str(fault.pop("seen")), shown(masked(fault))]
        for fault in sandbox.faults.told()
    ]
    content = form("fault", "faults", fields, tr("Add the fault"))
    content += table(
        (tr("Fault"), tr("Struck"), tr("Met"), tr("Where and when")), rows, tr("No faults: everything works.")
    )
    content += form("faults/clear", "faults", "", tr("Take all faults away"))
    return section("faults", tr("Faults"), content)


def _budgets(sandbox: Sandbox) -> str:
    store = sandbox.toggl.store
    content = ""
    for number, row in store.organizations.items():
        content += form(
            "plan",
            "quota",
            f'<input type="hidden" name="organization" value="{number}">'
            + choice(
                tr("Plan of {name}", name=row["name"]),
                "plan",
                ((name, name) for name in PLAN_LIMITS),
                store.plan(number),
            ),
            tr("Change the plan"),
        )
    rows = []
    for one in by_hand.quotas(sandbox):
        whose = tr("own calls")
        if one["organization"] is not None:
            whose = tr("organisation {number}", number=one["organization"])
        ends = "" if one["resets_in"] is None else f"{one['resets_in']} s"
        left = tr("{left} of {total}", left=one["remaining"], total=one["total"])
        rows.append([escape(one["name"]), whose, left, ends])
    content += table(
        (tr("Person"), tr("Budget"), tr("Left this hour"), tr("Resets in")), rows, tr("There are no people.")
    )
    buckets = [(str(number), tr("organisation {number}", number=number)) for number in store.organizations]
    buckets.append(("", tr("own calls")))
    fields = choice(tr("Budget"), "organization", buckets)
    fields += field(tr("Left"), "remaining", 0, "number")
    fields += field(tr("Resets in (seconds)"), "resets_in", 600, "number")
    content += form("quota", "quota", fields, tr("Set it for everybody"))
    return section("quota", tr("Toggl: plan and remaining quota"), content)


def _switches(sandbox: Sandbox) -> str:
    rows = "".join(_switch(name, switch, sandbox.switches[name]) for name, switch in SWITCHES.items())
    heads = "".join(f'<th scope="col">{text}</th>' for text in (tr("Switch"), tr("Value"), tr("Meaning")))
    content = (
        f"<p>{tr('What nobody knows of the real services. A bold name is not at its default.')}</p>"
        '<form method="post" action="/page/switches"><input type="hidden" name="part" value="switches">'
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"<button>{tr('Set the switches')}</button></form>"
    )
    return section("switches", tr("Switches"), content)


def _switch(name: str, switch: Switch, value: Any) -> str:
    said = str(value).lower() if isinstance(value, bool) else str(value)
    words = ("true", "false") if isinstance(switch.default, bool) else switch.choices
    if words:
        options = "".join(f"<option{' selected' if word == said else ''}>{escape(word)}</option>" for word in words)
        control = f'<select name="{name}" aria-label="{name}">{options}</select>'
    else:
        control = f'<input name="{name}" aria-label="{name}" value="{escape(said)}">'
    mark = ' class="changed"' if value != switch.default else ""
    return f"<tr><td{mark}>{name}</td><td>{control}</td><td lang=en>{escape(switch.meaning)}</td></tr>"


# --- behind the scene -----------------------------------------------------------------------------------------------


def _log(sandbox: Sandbox) -> str:
    rows = [
        [
            f'<a href="/page/request/{row["n"]}">{row["n"]}</a>',
            row["service"],
            f"{escape(row['method'])} {escape(masked_path(row['path']))}",
            str(row["status"] or tr("no answer")),
        ]
        for row in reversed(sandbox.journal.rows()[-_LOG_ROWS:])
    ]
    told = tr("The last {most}, newest first; secrets are masked.", most=_LOG_ROWS)
    content = f"<p>{told}</p>"
    content += table((tr("No."), tr("Service"), tr("Request"), tr("Status")), rows, tr("No requests yet."))
    content += form("log/clear", "log", "", tr("Empty the log"))
    return section("log", tr("Requests"), content)


def _mail(sandbox: Sandbox) -> str:
    names = ("at", "company", "order_number", "transport", "destination", "times")
    rows = [
        [escape(str(row[name] or "")) for name in names] for row in reversed(sandbox.billit.store.outbox[-_LOG_ROWS:])
    ]
    heads = (tr("At"), tr("Company"), tr("Invoice"), tr("By"), tr("To"), tr("Times"))
    return section("mail", tr("Sent invoices: mail and Peppol, captured"), table(heads, rows, tr("Nothing was sent.")))


def _deliveries(sandbox: Sandbox) -> str:
    rows = []
    for row in reversed(sandbox.deliveries.rows()[-_SHORT:]):
        attempts = "".join(shown(masked(_attempt(attempt)), _SHORTEST) for attempt in row["attempts"][-1:])
        last = row["attempts"][-1] if row["attempts"] else None
        result = tr("waits") if last is None else str(last["status"] or last["error"])
        following = "" if row["due"] is None else escape(row["due"])
        more = f"<details><summary>{len(row['attempts'])}</summary>{attempts}</details>"
        rows.append([row["service"], escape(row["subject"]), escape(row["url"]), escape(result), following, more])
    heads = (tr("From"), tr("About"), tr("To"), tr("Answer"), tr("Next attempt"), tr("Attempts"))
    return section("deliveries", tr("Webhooks delivered"), table(heads, rows, tr("No webhook was called.")))


def _attempt(attempt: Record) -> Record:
    """The body as JSON, so that what is secret in it can be masked."""
    try:
        return {**attempt, "body": loads(attempt["body"])}
    except ValueError:
        return attempt
