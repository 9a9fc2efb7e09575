"""The admin of invoicing: dossiers and mappings are changed here, the records of the machine are looked at."""

from invoicing.admin import dossiers, records

__all__ = ["dossiers", "records"]
