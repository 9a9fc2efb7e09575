"""What a person has read before deciding (design D12): a page's figures, which its form carries and the verb compares.

The form carries them whole, not their digest alone, so that the answer to a decision on other figures can show both.
They are signed: what is shown as read is what the site has shown. They are no secret, and give no right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core import signing
from django.utils.translation import gettext

from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, Unread

_SALT = "invoicing.read.1"
"""Another one for figures of another make: a form of an earlier version is refused, not misread."""
LINES_CARRIED = 100
"""Of an invoice with more lines the form carries the first ones; the digest is of all."""
_READ_THEMSELVES = frozenset({Authority.SCHEDULE, Authority.COMMAND})
"""They decide on what they find under the lock, and have read no page."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is to read of one thing: JSON values by name, and the digest of all of them.

    ``subject`` as in the audit log. ``shown`` holds the first lines only where there are many.
    """

    subject: str
    shown: Mapping[str, Any]
    digest: str

    @classmethod
    def of(cls, subject: str, values: Mapping[str, Any]) -> Figures:
        """The figures of these values, ``lines`` among them a list."""
        digest = digest_of([subject, values])
        lines = values.get("lines", [])
        more = len(lines) - LINES_CARRIED
        shown = dict(values) if more <= 0 else {**values, "lines": lines[:LINES_CARRIED], "more_lines": more}
        return cls(subject, shown, digest)


def digest_of(values: object) -> str:
    """128 bits of BLAKE2 over JSON values, as hex digits."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Read:
    """What a form says that was read, by subject."""

    figures: Mapping[str, Figures] = field(default_factory=dict)

    @classmethod
    def of(cls, figures: Iterable[Figures]) -> Read:
        """These figures."""
        return cls({each.subject: each for each in figures})

    @classmethod
    def unpack(cls, text: str) -> Read:
        """What ``pack`` gave; nothing when the text is missing or broken, so that each verb refuses it (``Unread``)."""
        try:
            rows = signing.loads(text, salt=_SALT)
        except signing.BadSignature:
            return cls()
        return cls.of(Figures(subject, shown, digest) for subject, digest, shown in rows)

    def pack(self) -> str:
        """As a text for a hidden field."""
        rows = [[each.subject, each.digest, each.shown] for each in self.figures.values()]
        return signing.dumps(rows, salt=_SALT, compress=True)


def check(read: Read | None, current: Callable[[], Sequence[Figures]], *, by: Actor) -> None:
    """Refuse a decision on anything but what was read. ``current`` reads the figures under the verb's lock.

    Raises ``Changed`` with the old and the new figures, and ``Unread`` when the form does not say what it showed. The
    schedule and commands give no ``read``: they decide on what they find under the lock.
    """
    if read is None and by.authority in _READ_THEMSELVES:
        return
    before = {} if read is None else read.figures
    found = current()
    if any(each.subject not in before for each in found):
        raise Unread(
            gettext(
                "Nothing was done: the form does not say which figures it showed, or it was altered on its way. "
                "Open the page again, look at the figures, and decide there."
            )
        )
    changes = [(before[each.subject], each) for each in found if before[each.subject].digest != each.digest]
    if changes:
        raise Changed(
            gettext("Nothing was done: it changed after you opened the page. Compare, then decide on the new figures."),
            changes,
            Read({**before, **{each.subject: each for each in found}}).pack(),
        )
