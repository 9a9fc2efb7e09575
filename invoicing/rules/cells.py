"""Cells of a file that a spreadsheet opens. Pure.

A cell that begins with = + - @, a tab or a line end may be run as a formula by the spreadsheet of whoever opens the
file, and what stands in it may be anybody's: the text of a Toggl entry, the name of a customer. It goes out behind an
apostrophe, which a spreadsheet takes for "this is text", and comes back in without it.
"""

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutral(value: object) -> str:
    """The text of a cell, harmless; None is empty."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_STARTS) else text


def plain(value: object) -> str:
    """What ``neutral`` was given; blanks at both ends gone. None, from an empty cell, is empty."""
    text = "" if value is None else str(value).strip()
    return text[1:].strip() if text.startswith("'") and text[1:].startswith(_STARTS) else text
