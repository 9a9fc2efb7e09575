"""Every address of the site. What shows or changes the rows of a firm stands below `/f/<slug>/` (``of_firm``)."""

from django.contrib import admin
from django.urls import include, path, re_path, register_converter

from toggbill import health, old_addresses
from toggbill.connecting.sign_in import signed_in
from toggbill.firms.admin import operator
from toggbill.firms.membership.views import invitation
from toggbill.firms.requests.addresses import of_firm
from toggbill.firms.requests.csp_reports import csp_report
from toggbill.firms.requests.home import home
from toggbill.firms.requests.language import set_language
from toggbill.firms.requests.numbers import IdConverter
from toggbill.watching import metrics
from toggbill.watching import views as watching

handler500 = "toggbill.firms.requests.busy.server_error"

register_converter(IdConverter, "id")  # before the patterns that are included below

operator.site.add_page("running/", watching.overview, name="running")

_pages = [
    path("", include("toggbill.connecting.urls")),
    path("", include("toggbill.setting_up.urls")),
    path("", include("toggbill.leaving.urls")),
    path("", include("toggbill.firms.membership.urls")),
    path("", include("toggbill.watching.urls")),
    path("", include("invoicing.web.urls")),
]

urlpatterns = [
    of_firm("admin/", admin.site.urls),
    of_firm("", include((_pages, "firm"))),
    path("", home, name="home"),
    path("operator/", operator.site.urls),
    path("accounts/", include("toggbill.firms.accounts.urls")),
    path("invitations/<str:token>/", invitation, name="invitation"),
    path("i18n/setlang/", set_language, name="set_language"),
    # The one address that Billit knows of this installation: its state says for which firm.
    path("connections/signed-in/", signed_in, name="billit_signed_in"),
    path("", include("integrations.webhooks.urls")),
    path("csp-report/", csp_report, name="csp_report"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    re_path(old_addresses.PATTERN, old_addresses.lead_on, name="old_address"),
]
