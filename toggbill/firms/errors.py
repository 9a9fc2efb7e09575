"""What a verb raises when it will not do what it was asked: for whoever asked, in their language.

(Who may not do it at all meets ``access.NotAllowed``.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class NotPossible(Exception):
    """The state of things does not allow it; ``str()`` says what, why, and what to do."""


class Unread(Exception):
    """A person decides on figures, and the form does not say which ones it showed; ``str()`` says what to do.

    On a page that is a 400.
    """


class Changed(Exception):
    """What a person decides on is no longer what the person read: nothing is done (design D12). On a page: a 409.

    ``changes``: the figures as they were read and as they are, of each thing that changed; ``anew``: what the form
    carries that shows the new ones.
    """

    def __init__(self, message: str, changes: Sequence[tuple[Any, Any]], anew: str) -> None:
        super().__init__(message)
        self.changes, self.anew = changes, anew
