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
from integrations.sandbox.server import Sandbox
from integrations.sandbox.toggl.quota import PLAN_LIMITS
from integrations.sandbox.worlds.files import NAMES

_LOG_ROWS = 100
_LONGEST = 4000  # characters of a body that the page shows

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
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>The sandbox</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<main><h1>The sandbox: imitations of Toggl and Billit</h1>"
        "<p>Nothing here leaves this machine. Break something, and look at what toggbill makes of it.</p>"
        f"{content}</main></body></html>"
    )


def page(sandbox: Sandbox, said: str, *, wrong: bool) -> str:
    parts = [_said(said, wrong=wrong), _menu(), _world(sandbox), _clock(sandbox), _faults(sandbox), _budgets(sandbox)]
    parts += [_switches(sandbox), _log(sandbox), _mail(sandbox), _deliveries(sandbox)]
    return "".join(parts)


def _said(said: str, *, wrong: bool) -> str:
    if not said:
        return ""
    kind, role = ("said wrong", "alert") if wrong else ("said", "status")
    return f'<p class="{kind}" role="{role}">{escape(said)}</p>'


def _menu() -> str:
    names = ("world", "clock", "faults", "quota", "switches", "log", "mail", "deliveries", "orders")
    links = "".join(f'<a href="#{name}">{name.capitalize()}</a>' for name in names)
    return f'<nav aria-label="Parts">{links}</nav>'


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


def shown(value: Any) -> str:
    """JSON or text, readable and not endless."""
    if value is None or value == "":
        return ""
    text = (
        value if isinstance(value, str) else json.dumps(loads(dumps(value)), indent=1, default=str, ensure_ascii=False)
    )
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return f"<pre>{escape(cut)}</pre>"


# --- the scene ------------------------------------------------------------------------------------------------------


def _world(sandbox: Sandbox) -> str:
    store, billit = sandbox.toggl.store, sandbox.billit.store
    content = (
        f"<p>Loaded: <strong>{escape(str(sandbox.frame['name']))}</strong>, {len(store.entries)} entries,"
        f" {len(billit.companies)} companies, {len(billit.parties)} customers, {len(billit.orders)} orders.</p>"
    )
    content += form("world", "world", field("World", "name", "demo"), "Load it")
    content += (
        f"<p><small>Worlds: {escape(', '.join(NAMES))}. Orders are lost, and toggbill stays connected with the"
        " credentials of the world that it was started with.</small></p>"
    )
    return section("world", "World", content)


def _clock(sandbox: Sandbox) -> str:
    how = "fixed" if sandbox.clock.fixed else "real"
    content = f"<p>It is <strong>{zulu(sandbox.clock.now())}</strong> ({how}).</p>"
    content += form(
        "clock",
        "clock",
        f'<input type="hidden" name="how" value="on">{field("Minutes", "minutes", 60, "number")}',
        "Go on",
    )
    content += form(
        "clock",
        "clock",
        f'<input type="hidden" name="how" value="set">{field("Moment (ISO, UTC)", "now", zulu(sandbox.clock.now()))}',
        "Set it",
    )
    content += form("clock", "clock", '<input type="hidden" name="how" value="real">', "Back to the real time")
    return section("clock", "Clock of both services", content)


def _faults(sandbox: Sandbox) -> str:
    fields = choice("What", "kind", ((kind, f"{kind}: {text}") for kind, text in KINDS.items() if kind != "status"))
    fields += choice("Where", "place", ((name, place.label) for name, place in PLACES.items()))
    fields += choice("How often", "how", FREQUENCIES.items())
    fields += field("Number", "number", 1, "number") + field("Seed", "seed", 0, "number")
    fields += field("Seconds (slow, no answer)", "seconds") + field("Retry-After", "retry_after")
    fields += field("Only for (PartyID or token)", "tenant")
    rows = [
        [escape(fault.pop("kind")), str(fault.pop("fired")), str(fault.pop("seen")), shown(masked(fault))]
        for fault in sandbox.faults.told()
    ]
    content = form("fault", "faults", fields, "Add the fault")
    content += table(("Fault", "Struck", "Met", "Where and when"), rows, "No faults: everything works.")
    content += form("faults/clear", "faults", "", "Take all faults away")
    return section("faults", "Faults", content)


def _budgets(sandbox: Sandbox) -> str:
    store = sandbox.toggl.store
    content = ""
    for number, row in store.organizations.items():
        content += form(
            "plan",
            "quota",
            f'<input type="hidden" name="organization" value="{number}">'
            + choice(f"Plan of {row['name']}", "plan", ((name, name) for name in PLAN_LIMITS), store.plan(number)),
            "Change the plan",
        )
    rows = []
    for one in by_hand.quotas(sandbox):
        whose = "own calls" if one["organization"] is None else f"organisation {one['organization']}"
        ends = "" if one["resets_in"] is None else f"{one['resets_in']} s"
        rows.append([escape(one["name"]), whose, f"{one['remaining']} of {one['total']}", ends])
    content += table(("Person", "Budget", "Left this hour", "Resets in"), rows, "There are no people.")
    buckets = [(str(number), f"organisation {number}") for number in store.organizations] + [("", "own calls")]
    fields = choice("Budget", "organization", buckets)
    fields += field("Left", "remaining", 0, "number") + field("Resets in (seconds)", "resets_in", 600, "number")
    content += form("quota", "quota", fields, "Set it for everybody")
    return section("quota", "Toggl: plan and remaining quota", content)


def _switches(sandbox: Sandbox) -> str:
    rows = "".join(_switch(name, switch, sandbox.switches[name]) for name, switch in SWITCHES.items())
    content = (
        "<p>What nobody knows of the real services. A bold name is not at its default.</p>"
        '<form method="post" action="/page/switches"><input type="hidden" name="part" value="switches">'
        '<div class="wide"><table><thead><tr><th scope="col">Switch</th><th scope="col">Value</th>'
        f'<th scope="col">Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>'
        "<button>Set the switches</button></form>"
    )
    return section("switches", "Switches", content)


def _switch(name: str, switch: Switch, value: Any) -> str:
    said = str(value).lower() if isinstance(value, bool) else str(value)
    words = ("true", "false") if isinstance(switch.default, bool) else switch.choices
    if words:
        options = "".join(f"<option{' selected' if word == said else ''}>{escape(word)}</option>" for word in words)
        control = f'<select name="{name}" aria-label="{name}">{options}</select>'
    else:
        control = f'<input name="{name}" aria-label="{name}" value="{escape(said)}">'
    mark = ' class="changed"' if value != switch.default else ""
    return f"<tr><td{mark}>{name}</td><td>{control}</td><td>{escape(switch.meaning)}</td></tr>"


# --- behind the scene -----------------------------------------------------------------------------------------------


def _log(sandbox: Sandbox) -> str:
    rows = []
    for row in reversed(sandbox.journal.rows()[-_LOG_ROWS:]):
        details = shown(masked({"query": row["query"], "headers": row["headers"], "body": row["body"]}))
        answer = shown(masked_answer(row["path"], row["answer"]))
        rows.append(
            [
                str(row["n"]),
                row["service"],
                f"{escape(row['method'])} {escape(masked_path(row['path']))}",
                str(row["status"] or "no answer"),
                f"<details><summary>look</summary>{details}{answer}</details>",
            ]
        )
    content = f"<p>The last {_LOG_ROWS}, newest first; secrets are masked.</p>"
    content += table(("No.", "Service", "Request", "Status", ""), rows, "No requests yet.")
    content += form("log/clear", "log", "", "Empty the log")
    return section("log", "Requests", content)


def _mail(sandbox: Sandbox) -> str:
    rows = [
        [
            escape(str(row[name] or ""))
            for name in ("at", "company", "order_number", "transport", "destination", "times")
        ]
        for row in reversed(sandbox.billit.store.outbox[-_LOG_ROWS:])
    ]
    heads = ("At", "Company", "Invoice", "By", "To", "Time")
    return section("mail", "Sent invoices: mail and Peppol, captured", table(heads, rows, "Nothing was sent."))


def _deliveries(sandbox: Sandbox) -> str:
    rows = []
    for row in reversed(sandbox.deliveries.rows()[-_LOG_ROWS:]):
        attempts = "".join(shown(masked(_attempt(attempt))) for attempt in row["attempts"])
        last = row["attempts"][-1] if row["attempts"] else None
        result = "waits" if last is None else str(last["status"] or last["error"])
        following = "" if row["due"] is None else escape(row["due"])
        more = f"<details><summary>{len(row['attempts'])}</summary>{attempts}</details>"
        rows.append([row["service"], escape(row["subject"]), escape(row["url"]), escape(result), following, more])
    heads = ("From", "About", "To", "Answer", "Next attempt", "Attempts")
    return section("deliveries", "Webhooks delivered", table(heads, rows, "No webhook was called."))


def _attempt(attempt: Record) -> Record:
    """The body as JSON, so that what is secret in it can be masked."""
    try:
        return {**attempt, "body": loads(attempt["body"])}
    except ValueError:
        return attempt
