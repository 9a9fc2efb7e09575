"""The annexes of hours: two files for each invoice, frozen when it was approved."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from invoicing.models.invoices.invoice import Invoice
from toggbill.firms.models import FirmOwned


class Annex(FirmOwned):
    """The annex of hours of an invoice, as PDF and CSV: the bytes themselves, which are never made anew.

    A trigger refuses every change, an annex of an invoice that is not approved, and to take one away once Billit may
    have its invoice. The hashes also stand in the audit log (``annex_frozen``).
    """

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, related_name="annex", verbose_name=_("invoice"), editable=False
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("of both files, without their endings"))
    content_hash = models.CharField(_("SHA-256 of what it says"), max_length=64)
    pdf = models.BinaryField()
    pdf_hash = models.CharField(_("SHA-256 of the PDF"), max_length=64)
    csv = models.BinaryField()
    csv_hash = models.CharField(_("SHA-256 of the CSV"), max_length=64)
    pdf_size = models.PositiveIntegerField(_("bytes of the PDF"))
    csv_size = models.PositiveIntegerField(_("bytes of the CSV"))
    made_at = models.DateTimeField(_("made"))

    class Meta:
        verbose_name = _("annex of hours")
        verbose_name_plural = _("annexes of hours")

    def __str__(self) -> str:
        return self.name
