"""Django's backend for PostgreSQL, with migrations that get along with triggers."""

from __future__ import annotations

from django.db.backends.postgresql import base, schema

from toggbill.database.schema import WithoutTriggers


class DatabaseSchemaEditor(WithoutTriggers, schema.DatabaseSchemaEditor):
    """Takes the triggers away for the length of a migration."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose migrations find no trigger."""

    SchemaEditorClass = DatabaseSchemaEditor
