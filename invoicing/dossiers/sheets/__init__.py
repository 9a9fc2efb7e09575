"""Dossiers, mappings and agreements as rows of a sheet (design section 12)."""
