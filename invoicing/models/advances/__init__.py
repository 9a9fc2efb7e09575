"""Advances: those that Billit billed itself, and what is taken off each (design section 11)."""
