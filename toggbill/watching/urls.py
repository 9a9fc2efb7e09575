"""The addresses of what runs, below those of the firm."""

from django.urls import path

from toggbill.watching import views

urlpatterns = [path("running/", views.running, name="running")]
