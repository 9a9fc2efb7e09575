"""The addresses of leaving."""

from django.urls import path

from toggbill.leaving import views

urlpatterns = [
    path("firm/leaving/", views.leaving, name="leaving"),
    path("firm/leaving/export/", views.export, name="export_firm"),
    path("firm/leaving/close/", views.close, name="close_firm"),
]
