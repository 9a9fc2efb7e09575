"""Why an entry is not billable (design R1 and R2), as `judge` has it: pure, of what stands in one entry."""

from collections.abc import Collection, Sequence
from enum import StrEnum, auto
from typing import NamedTuple

from invoicing.rules.text import text_key


class Why(StrEnum):
    """What makes an entry not billable, in the order in which it is asked."""

    zero_seconds = auto()
    tag = auto()
    flag = auto()


class NotBillable(NamedTuple):
    """``tag``: the one that is mapped to *do not bill*, as the entry has it; else empty."""

    why: Why
    tag: str = ""


def not_billable(
    *, seconds: int, tags: Sequence[str], has_flag: bool, unbilled_tags: Collection[str], by_flag: bool
) -> NotBillable | None:
    """Why a stopped entry of ``seconds`` is not billed; None when the rules leave it to be billed.

    ``unbilled_tags``: text keys of the tags that the dossier maps to *do not bill*; ``by_flag``: whether it bills
    entries with Toggl's billable flag only, ``has_flag`` whether this one has it.
    """
    if seconds == 0:
        return NotBillable(Why.zero_seconds)
    for tag in tags:
        if text_key(tag) in unbilled_tags:
            return NotBillable(Why.tag, tag)
    return NotBillable(Why.flag) if by_flag and not has_flag else None
