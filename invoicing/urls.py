"""The addresses of the pages."""

from django.urls import path

from invoicing import readiness, views

urlpatterns = [
    path("", views.dossiers, name="dossiers"),
    path("dossiers/<slug:key>/", views.dossier, name="dossier"),
    path("dossiers/<slug:key>/hours/", views.hours, name="hours"),
    path("dossiers/<slug:key>/draft/", views.draft, name="draft"),
    path("attention/", views.attention, name="attention"),
    path("invoices/", views.invoices, name="invoices"),
    path("invoices/<str:reference>/", views.invoice, name="invoice"),
    path("invoices/<str:reference>/<slug:step>/", views.step, name="step"),
    path("firm/", views.choose_firm, name="choose_firm"),
    path("healthz", readiness.healthz, name="healthz"),
    path("readyz", readiness.readyz, name="readyz"),
]
