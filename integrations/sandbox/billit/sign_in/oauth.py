"""OAuth2 by authorisation code: login page, code, rotating tokens, revocation.

Source: docs how-do-i-get-started-with-oauth and oauth-faq.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.sandbox.billit.access import Call, open_router
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.refusals import Refusal, generic
from integrations.sandbox.billit.sign_in.login_page import login_page, trouble_page
from integrations.sandbox.http.deliveries import on_loopback
from integrations.sandbox.http.wire import Answer, Record, RejectedError, json_answer

_CODE_LIFE = timedelta(minutes=10)


# --- the page in the user's browser ---------------------------------------------------------------------------------


@open_router.on("GET", r"/Account/Logon")
def logon(call: Call) -> Answer:
    query = call.request.query
    client = _asking(call, query)
    users = [str(user["email"]) for user in call.store.users]
    return login_page(str(client.get("name") or client["client_id"]), query, users)


@open_router.on("POST", r"/Account/Logon")
def decide(call: Call) -> Answer:
    """The form's answer: back to the application with a code, or with access_denied."""
    form = dict(parse_qsl(call.request.raw.decode("utf-8", "replace"), keep_blank_values=True))
    client = _asking(call, form)
    if form.get("decision") == "cancel":
        return _back(form, {"error": "access_denied"})
    user = call.store.user_of(form.get("email", ""))
    # A user to whom the world gives no password gets in with any.
    if user is None or user.get("password", form.get("password", "")) != form.get("password", ""):
        users = [str(user["email"]) for user in call.store.users]
        name = str(client.get("name") or client["client_id"])
        return login_page(name, form, users, "The e-mail address or the password is wrong.")
    code = secrets.token_urlsafe(24)
    call.store.codes[code] = {
        "client_id": client["client_id"],
        "redirect_uri": form["redirect_uri"],
        "email": user["email"],
        "made": call.clock.now().isoformat(),
    }
    return _back(form, {"code": code})


def _asking(call: Call, given: Record) -> Record:
    """The client that asks. Technical trouble shows on the page and does not come back. Raises RejectedError."""
    client = call.store.oauth_client(str(given.get("client_id", "")))
    if client is None:
        raise RejectedError(trouble_page("The client_id is unknown."))
    if not _registered(client, str(given.get("redirect_uri", ""))):
        raise RejectedError(trouble_page("The redirect_uri is not the one that is registered for this client."))
    return client


def _registered(client: Record, uri: str) -> bool:
    """One exact address; own query parameters are not allowed. "loopback" stands for this machine's addresses."""
    if not uri or urlsplit(uri).query:
        return False
    return any(uri == known or (known == "loopback" and on_loopback(uri)) for known in client["redirect_uris"])


def _back(form: Record, result: dict[str, str]) -> Answer:
    """To redirect_uri; the state goes along, cut at a `&`."""
    state = str(form.get("state", "")).partition("&")[0]
    query = {**result, **({"state": state} if state else {})}
    return Answer(302, headers={"Location": f"{form['redirect_uri']}?{urlencode(query)}"})


# --- the tokens -----------------------------------------------------------------------------------------------------


@open_router.on("POST", r"/OAuth2/token")
def token(call: Call) -> Answer:
    given = names.canonical(_posted(call), names.TOKEN)
    client = call.store.oauth_client(str(given.get("client_id", "")))
    if client is None or client["client_secret"] != given.get("client_secret"):
        raise call.refuse(generic("The client_id or the client_secret is wrong."))
    grant = given.get("grant_type")
    if grant == "authorization_code":
        return _by_code(call, client, given)
    if grant == "refresh_token":
        return _by_refresh(call, client, str(given.get("refresh_token", "")))
    raise call.refuse(generic(f"The grant type {grant} is not supported."))


def _posted(call: Call) -> Record:
    if call.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(call.request.raw.decode("utf-8", "replace")))
    return call.body()


def _by_code(call: Call, client: Record, given: Record) -> Answer:
    """A code is good once, for ten minutes, for the client and the redirect_uri that it was made for."""
    code = call.store.codes.get(str(given.get("code", "")))
    if code is None or code["client_id"] != client["client_id"] or code["redirect_uri"] != given.get("redirect_uri"):
        raise call.refuse(generic("The authorization code is invalid."))
    del call.store.codes[str(given["code"])]
    if call.clock.now() - datetime.fromisoformat(code["made"]) >= _CODE_LIFE:
        raise call.refuse(generic("The authorization code has expired."))
    return json_answer(_pair(call, client, code["email"]))


def _by_refresh(call: Call, client: Record, text: str) -> Answer:
    """A refresh token never expires, works once, and only for the client that got it."""
    refresh = call.store.refreshes.get(text)
    if refresh is None or refresh["client_id"] != client["client_id"] or refresh.get("revoked"):
        raise _not_again(call)
    if refresh.get("used"):
        age = (call.clock.now() - datetime.fromisoformat(refresh["used"])).total_seconds()
        if age < float(call.switches["billit_refresh_grace_seconds"]):
            return json_answer(refresh["pair"])
        if call.switches["billit_refresh_reuse_revokes"]:
            _revoke(call, refresh["pair"]["access_token"])
        raise _not_again(call)
    pair = _pair(call, client, refresh["email"])
    refresh.update(used=call.clock.now().isoformat(), pair=pair)
    return json_answer(pair)


def _not_again(call: Call) -> RejectedError:
    code = str(call.switches["billit_refresh_reuse_code"])
    text = "The refresh token is invalid." if code == "GenericError" else ""
    return call.refuse(Refusal(code, text=text), status=int(call.switches["billit_refresh_reuse_status"]))


def _pair(call: Call, client: Record, email: str) -> Record:
    """A completely new pair; the access token's own life is what the clock counts, `expires_in` always says 3600."""
    access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    life = timedelta(seconds=float(call.switches["billit_access_token_seconds"]))
    call.store.tokens[access] = {
        "email": email,
        "client_id": client["client_id"],
        "refresh": refresh,
        "expires": (call.clock.now() + life).isoformat(),
        "revoked": False,
    }
    call.store.refreshes[refresh] = {"email": email, "client_id": client["client_id"], "access": access}
    return {"token_type": "Bearer", "expires_in": 3600, "access_token": access, "refresh_token": refresh}


@open_router.on("POST", r"/OAuth2/revoke")
def revoke(call: Call) -> Answer:
    """Ends the pair of the access token in the header, or of the token in the body (the Swagger names no body)."""
    given = _posted(call) if call.request.raw.strip() else {}
    named = next((given[name] for name in ("token", "access_token", "refresh_token") if name in given), None)
    text = str(named or call.request.headers.get("authorization", "").removeprefix("Bearer ")).strip()
    access = call.store.refreshes[text]["access"] if text in call.store.refreshes else text
    if access not in call.store.tokens:
        raise call.refuse(Refusal("InvalidAccessToken"), status=401)
    _revoke(call, access)
    return json_answer({})


def _revoke(call: Call, access: str) -> None:
    issued = call.store.tokens[access]
    issued["revoked"] = True
    call.store.refreshes[issued["refresh"]]["revoked"] = True
