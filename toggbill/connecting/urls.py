"""The addresses of the pages of connections, below those of the firm."""

from django.urls import path

from toggbill.connecting import hooks, sign_in, views

urlpatterns = [
    path("connections/", views.listing, name="connections"),
    path("connections/sign-in/", sign_in.sign_in, name="billit_sign_in"),
    path("connections/add/<slug:service>/", views.add, name="connection_add"),
    path("connections/<slug:service>/<slug:key>/", views.connection, name="connection"),
    path("connections/<slug:service>/<slug:key>/choose/", views.choose, name="connection_choose"),
    path("connections/<slug:service>/<slug:key>/rotate/", views.rotate, name="connection_rotate"),
    path("connections/<slug:service>/<slug:key>/pause/", views.pause, name="connection_pause"),
    path("connections/<slug:service>/<slug:key>/resume/", views.resume, name="connection_resume"),
    path("connections/<slug:service>/<slug:key>/webhook/<id:remote_id>/", hooks.webhook, name="connection_webhook"),
    path("connections/<slug:service>/<slug:key>/remove/", views.remove, name="connection_remove"),
]
