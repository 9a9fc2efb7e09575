"""Static files under names that carry their hash, as `collectstatic` made them."""

from __future__ import annotations

import logging
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

logger = logging.getLogger(__name__)


class ManifestStorage(CompressedManifestStaticFilesStorage):
    """A page whose file is not in the manifest is shown without that file, rather than not at all.

    An error page has to be readable above all where something is wrong with the installation.
    """

    def load_manifest(self) -> tuple[dict[str, Any], str]:
        """The names with their hashes; none of them when the manifest is damaged, as when there is none."""
        try:
            found: tuple[dict[str, Any], str] = super().load_manifest()
        except ValueError:
            found = {}, ""
        if not found[0]:
            logger.warning("The static files have no manifest that can be read: run manage.py collectstatic")
        return found

    def stored_name(self, name: str) -> str:
        """The name with the hash; the plain one where the manifest has none."""
        try:
            found: str = super().stored_name(name)
        except ValueError:
            return name
        return found
