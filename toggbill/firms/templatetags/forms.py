"""``{% csrf_token %}`` for the site's forms and the admin's: it also says which firm the form was made for.

``TEMPLATES`` in the settings puts it in the place of Django's. A form carries the short name of its page's firm beside
its address, so that one that reaches another firm's address, whatever led it there, is refused (``FirmMiddleware``).
"""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from toggbill.firms.requests.addresses import MADE_FOR, slug_in_force

register = template.Library()


class _FormNode(CsrfTokenNode):
    def render(self, context: Context) -> SafeString:
        token, slug = mark_safe(super().render(context)), slug_in_force()  # noqa: S308 - Django's own tag
        if slug is None:
            return token
        return format_html('{}<input type="hidden" name="{}" value="{}">', token, MADE_FOR, slug)


@register.tag
def csrf_token(parser: template.base.Parser, token: template.base.Token) -> CsrfTokenNode:
    """Django's token against forged forms and, on a page of a firm, the firm."""
    return _FormNode()
