"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from toggbill import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("toggbill.firms.accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("integrations.webhooks.urls")),
    path("", include("toggbill.connecting.urls")),
    path("", include("toggbill.leaving.urls")),
    path("", include("toggbill.firms.membership.urls")),
    path("", include("invoicing.web.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
