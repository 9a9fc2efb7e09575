"""The admin of the prices that products had: the mirror keeps them, and a person may correct their days."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from integrations.mirror import prices
from integrations.models import ProductPrice
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import FirmModelAdmin
from toggbill.firms.errors import NotPossible


@admin.register(ProductPrice)
class ProductPriceAdmin(FirmModelAdmin):
    """The prices that products had; who maps may correct the day from which one was in force."""

    to_change = "map"
    list_display = ("product", "price", "since")
    list_select_related = ("product",)
    search_fields = ("product__reference", "product__description")
    fields = ("product", "price", "since")
    readonly_fields = ("product", "price")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: prices are Billit's."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the verb, which says what it refuses."""
        row = ProductPrice.objects.select_related("firm", "product").get(pk=obj.pk)
        try:
            prices.correct_day(price=row, since=obj.since, by=actor(cast(FirmRequest, request)), now=timezone.now())
        except NotPossible as refusal:
            obj.since = row.since
            self.message_user(request, str(refusal), messages.ERROR)
