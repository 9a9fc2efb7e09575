"""The addresses of members and invitations, below those of the firm."""

from django.urls import path

from toggbill.firms.membership import views

urlpatterns = [
    path("mails/", views.choose_mails, name="mails"),
    path("members/", views.member_list, name="members"),
    path("members/invite/", views.invite, name="invite"),
    path("members/two-steps/", views.require_mfa, name="require_mfa"),
    path("members/heads/", views.want_heads, name="want_heads"),
    path("members/<id:pk>/", views.member_page, name="member"),
    path("members/<id:pk>/second-step/", views.reset_mfa, name="reset_mfa"),
    path("members/<id:pk>/remove/", views.remove, name="remove_member"),
    path("members/invitations/<id:pk>/again/", views.invite_again, name="invite_again"),
    path("members/invitations/<id:pk>/revoke/", views.revoke, name="revoke_invitation"),
]
