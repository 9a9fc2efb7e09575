"""The page of a dossier, and the pages below it."""
