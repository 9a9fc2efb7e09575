"""The admin of invoicing: dossiers and mappings are changed here, the records of the machine are looked at."""

from invoicing.admin import dossiers, prices, records

__all__ = ["dossiers", "prices", "records"]
