"""One reading of what people type: names that look the same are the same (design R4, *text key*).

Tags, product references, names, numbers and cells of files are compared by their key; what is shown stays as typed.
"""

from __future__ import annotations

import re
import unicodedata

# Before NFKC: that takes an acute accent or a grave one apart into a blank and a mark.
_APOSTROPHES = str.maketrans(dict.fromkeys("‘’‚‛ʹʻʼʽʾʿ′‵`´", "'"))
# Dashes to the eye, which Unicode counts among signs and punctuation.
_MORE_DASHES = "−⁃"
# They choose how the character before them is drawn, and are no text of their own.
_VARIATION_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, and so neither an e-invoice nor a workbook."""


def xml_text(text: str) -> str:
    """A text as XML can hold it: a vertical tab or form feed a blank, every other such character left out (R7)."""
    return NOT_XML.sub("", text.replace("\x0b", " ").replace("\x0c", " "))


def text_key(text: str) -> str:
    """What a text is compared by; empty when nothing of it shows."""
    return unicodedata.normalize("NFKC", _plain(text).casefold())


def same_case_key(text: str) -> str:
    """The key with the case kept, in which the numbers of a name are read (design R3)."""
    return unicodedata.normalize("NFKC", _plain(text))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
    if folded.isascii() and folded.isprintable():
        return " ".join(folded.split())
    return " ".join("".join(map(_character, _VARIATION_SELECTORS.sub("", folded))).split())


def _character(character: str) -> str:
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind in ("Cc", "Cf"):
        return ""
    return "-" if kind == "Pd" or character in _MORE_DASHES else character
