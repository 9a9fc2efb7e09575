"""PostgreSQL, as Django's setting ENGINE names it."""
