"""Migrations without triggers in their way."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from toggbill.database import triggers


class WithoutTriggers(BaseDatabaseSchemaEditor):
    """A schema editor whose block finds no trigger of ours; they are made anew at its end.

    Both happen in the block's own transaction: whoever looks from outside, or starts after a migration that failed or
    was killed, never finds a database without them. Where a migration asks for no transaction (``atomic = False``) one
    that is killed leaves none; the next ``migrate`` makes them.
    """

    _had_triggers = False

    def __enter__(self) -> Self:
        """Take the triggers away. ``sqlmigrate`` only collects SQL and changes nothing."""
        super().__enter__()
        if not self.collect_sql:
            try:
                self._had_triggers = triggers.remove(self.connection)
            except BaseException as error:
                super().__exit__(type(error), error, error.__traceback__)
                raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Make them anew; a new database gets its first at the end of ``migrate``. A rollback brings them back."""
        undone = exc_type is not None and self.atomic_migration
        try:
            if self._had_triggers and not undone:
                if self.connection.vendor == "postgresql":
                    self.connection.check_constraints()  # no row may wait for its check at commit
                triggers.install(self.connection)
        except BaseException as error:
            super().__exit__(type(error), error, error.__traceback__)
            raise
        super().__exit__(exc_type, exc_value, traceback)
