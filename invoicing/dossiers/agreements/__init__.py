"""The only verbs that make, change and end fee agreements (design section 11)."""
