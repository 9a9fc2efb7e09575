"""Who receives over Peppol, and under which number: Billit's own test receiver is asked for, reads only."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from integrations.probing.asking import Asker, json_of

_TEST_RECEIVER = "BE0563846944"
"""Billit's own, in its sandbox (docs: how-do-i-know-who-is-a-peppol-receiver)."""
_SCHEMES = {"0208": _TEST_RECEIVER.removeprefix("BE"), "9925": _TEST_RECEIVER}


def ask(asker: Asker) -> None:
    """By either number, and by the VAT number alone."""
    found = asker.findings
    known = [scheme for scheme, number in _SCHEMES.items() if _is_registered(_answer(asker, f"{scheme}:{number}"))]
    question, switch = "Under which number is Billit's own test receiver registered?", "billit_peppol_scheme"
    if not known:
        found.leave(question, f"{_TEST_RECEIVER} is not registered here", switch=switch)
    else:
        value = "both" if len(known) == 2 else known[0]
        found.tell(question, value, f"registered under {' and '.join(known)}", switch=switch)
    question, switch = "Under what is a Belgian VAT number alone looked up?", "billit_participant_by_vat"
    bare = _answer(asker, _TEST_RECEIVER)
    scheme = str(bare.get("Identifier", "")).partition(":")[0]
    if _is_registered(bare) and scheme in _SCHEMES:
        found.tell(question, scheme, f"answered as {bare['Identifier']}", switch=switch)
    elif len(known) == 1:
        # Found by the one number and not by the VAT number alone, which was therefore taken for the other.
        other = next(scheme for scheme in _SCHEMES if scheme not in known)
        found.tell(question, other, f"registered under {known[0]} only", switch=switch)
    else:
        found.leave(question, f"answered {bare}", switch=switch)


def _is_registered(answer: dict[str, Any]) -> bool:
    return answer.get("Registered") is True


def _answer(asker: Asker, number: str) -> dict[str, Any]:
    """What participantInformation says of a number."""
    body = json_of(asker.ask("GET", f"/v1/peppol/participantInformation/{quote(number, safe=':')}"))
    return body if isinstance(body, dict) else {}
