"""Which databases toggbill runs on. Settings import this file, so it asks for no settings."""

from django.core.exceptions import ImproperlyConfigured


def our_engine(engine: str) -> str:
    """Django's backend, with migrations that find none of our triggers in their way. Raises ImproperlyConfigured."""
    package, _, name = engine.rpartition(".")
    if package != "django.db.backends" or name not in ("postgresql", "sqlite3"):
        raise ImproperlyConfigured(
            "DATABASE_URL names neither a PostgreSQL nor an SQLite database, and toggbill runs on no other. "
            "Begin it with postgresql:// or sqlite:///."
        )
    return f"toggbill.database.{name}"
