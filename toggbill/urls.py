"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("integrations.urls")),
    path("", include("toggbill.connecting.urls")),
    path("", include("toggbill.leaving.urls")),
    path("", include("toggbill.firms.urls")),
    path("", include("invoicing.urls")),
]
