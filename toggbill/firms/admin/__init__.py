"""The admin behind the fence (`fence`), and the rows of this package in it (`rows`)."""

from toggbill.firms.admin import rows
from toggbill.firms.admin.fence import (
    FirmModelAdmin,
    FirmTabularInline,
    ReadOnlyAdmin,
    ReadOnlyInline,
    allowed,
    firm_of,
    looked_at,
    scoped,
    understood,
)

__all__ = [
    "FirmModelAdmin",
    "FirmTabularInline",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "allowed",
    "firm_of",
    "looked_at",
    "rows",
    "scoped",
    "understood",
]
