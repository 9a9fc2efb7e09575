"""Cheap and harmless questions to a real account, for what the vendors' documents leave open (docs/unknowns.md)."""
