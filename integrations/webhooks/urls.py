"""The addresses that the services call (design section 10)."""

from django.urls import path

from integrations.webhooks import views

urlpatterns = [
    path("hooks/toggl/<str:token>/", views.toggl_hook, name="toggl_hook"),
    path("hooks/billit/<str:token>/", views.billit_hook, name="billit_hook"),
]
