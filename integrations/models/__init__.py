"""What is stored of Toggl and Billit. One import for all of it: ``from integrations.models import Entry``."""

from integrations.models.connections import Connection, Quota
from integrations.models.mirror import Client, Company, Customer, Entry, Product, ProductPrice, Project, Workspace
from integrations.models.webhooks import Webhook

__all__ = [
    "Client",
    "Company",
    "Connection",
    "Customer",
    "Entry",
    "Product",
    "ProductPrice",
    "Project",
    "Quota",
    "Webhook",
    "Workspace",
]
