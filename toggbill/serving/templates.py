"""Templates without their indentation: more than half of a long table's bytes are blanks that a browser passes over."""

from __future__ import annotations

import re

from django.template import Origin
from django.template.loaders import filesystem

_INDENTATION = re.compile(r"\n\s+")


class Loader(filesystem.Loader):
    """Reads our own templates; of pages each line begins at its first sign. None of them holds text that is set as it
    stands (``pre``, ``textarea``), and texts of several lines are ``trimmed``: tests see to both."""

    def get_contents(self, origin: Origin) -> str:
        """The source of a template. Raises ``TemplateDoesNotExist``."""
        contents = super().get_contents(origin)
        return _INDENTATION.sub("\n", contents) if origin.name.endswith(".html") else contents
