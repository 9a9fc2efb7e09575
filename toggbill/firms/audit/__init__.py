"""The audit log (design section 9): events, their chain, its nightly anchors, and whether all of that holds."""

from toggbill.firms.audit.chain import (
    AFTER_CLOSING,
    FIRST_HASH,
    Actor,
    Authority,
    Closed,
    News,
    canonical,
    check_open,
    export,
    link,
    record,
)
from toggbill.firms.audit.verification import Doubt, Verification, Witness, one_moment, verify

__all__ = [
    "AFTER_CLOSING",
    "FIRST_HASH",
    "Actor",
    "Authority",
    "Closed",
    "Doubt",
    "News",
    "Verification",
    "Witness",
    "canonical",
    "check_open",
    "export",
    "link",
    "one_moment",
    "record",
    "verify",
]
