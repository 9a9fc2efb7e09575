"""The addresses of the set-up guide, below those of the firm."""

from django.urls import path

from toggbill.setting_up import views

urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("setup/connect/<slug:service>/", views.connect, name="setup_connect"),
    path("setup/choose/<slug:service>/", views.choose, name="setup_choose"),
    path("setup/last-entry/", views.try_last_entry, name="setup_last_entry"),
    path("setup/pair/", views.pair, name="setup_pair"),
    path("setup/read/<slug:key>/", views.read, name="setup_read"),
]
