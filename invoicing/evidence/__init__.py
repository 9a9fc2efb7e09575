"""The evidence of a dossier's month: one file that proves its books, checked without toggbill (design section 10)."""
