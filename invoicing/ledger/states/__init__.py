"""The one state of every entry: derived, decided by a person, moved with its invoice (design section 6)."""
