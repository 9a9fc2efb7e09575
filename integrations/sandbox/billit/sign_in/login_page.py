"""The login page of My Billit as a person meets it when an application asks for access: a form, no script."""

from __future__ import annotations

from html import escape

from integrations.sandbox.http.wire import Answer, Record

_CARRIED = ("client_id", "redirect_uri", "state")
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem}"
    "label{display:block;margin:1rem 0 0}input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}"
    "button{font:inherit;padding:.5rem 1rem;margin:1.5rem .5rem 0 0}.wrong{border:1px solid;padding:.5rem}"
)


def _page(title: str, content: str, status: int) -> Answer:
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return Answer(status, page.encode(), {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})


def login_page(application: str, given: Record, users: list[str], wrong: str = "") -> Answer:
    """The form; `users` are offered as suggestions, since this Billit holds invented people only."""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(str(given[name]))}">' for name in _CARRIED if name in given
    )
    known = "".join(f'<option value="{escape(email)}">' for email in users)
    typed = escape(str(given.get("email") or (users[0] if users else "")))
    trouble = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    content = (
        f"{trouble}<p>{escape(application)} asks for access to your companies in the imitation of Billit.</p>"
        f'<form method="post" action="/Account/Logon">{hidden}'
        f'<label>E-mail<input name="email" type="email" list="users" autocomplete="username" value="{typed}"></label>'
        f'<datalist id="users">{known}</datalist>'
        '<label>Password<input name="password" type="password" autocomplete="current-password"></label>'
        '<button name="decision" value="allow">Log in and allow</button>'
        '<button name="decision" value="cancel">Cancel</button></form>'
    )
    return _page("Log in to Billit (sandbox)", content, 200)


def trouble_page(text: str) -> Answer:
    return _page("This cannot be opened", f'<p role="alert">{escape(text)}</p>', 400)
