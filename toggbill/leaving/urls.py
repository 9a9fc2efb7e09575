"""The addresses of leaving, below those of the firm."""

from django.urls import path

from toggbill.leaving import views

urlpatterns = [
    path("leaving/", views.leaving, name="leaving"),
    path("leaving/export/", views.export, name="export_firm"),
    path("leaving/close/", views.close, name="close_firm"),
]
