"""The floor: who is asking."""

from django.apps import AppConfig


class FirmsConfig(AppConfig):
    """Users, firms, memberships and the chain of audit events."""

    name = "toggbill.firms"
    label = "firms"
