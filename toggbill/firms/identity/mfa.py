"""The second step of signing in: its secrets are encrypted at rest (design D7), and a firm may demand it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db.models import OuterRef
from django.db.models.signals import post_init, pre_save
from django.dispatch import receiver

from toggbill.database.encryption import Unreadable, seal, unseal
from toggbill.firms.models import Membership, User

SECOND_STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_step(user: User) -> bool:
    """Whether the account signs in in two steps. Recovery codes alone are none: they come with the others."""
    return bool(steps_of(user).exists())


def steps_of(user: User | OuterRef) -> Any:
    """The second steps of an account, or of the one that an outer query names."""
    return Authenticator.objects.filter(user=user, type__in=SECOND_STEPS)


def secured(users: Iterable[int]) -> set[int]:
    """Those of some accounts (primary keys) that sign in in two steps: one query."""
    rows = Authenticator.objects.filter(user__in=list(users), type__in=SECOND_STEPS)
    return set(rows.values_list("user_id", flat=True))


def take_away(user: User) -> int:
    """Remove every second step of an account, its recovery codes with them, and sign it out everywhere; how many steps.

    Without the sessions: whoever has the lost device may sit in one of them.
    """
    steps = Authenticator.objects.filter(user=user)
    count = int(steps.filter(type__in=SECOND_STEPS).count())
    steps.delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    return count


class _Placed(str):
    """The ciphertext of a stored step, with the place that it has to be written for."""

    place = ""


def _tokens(row: Authenticator) -> Iterator[tuple[str, list[str]]]:
    """The ciphertexts of a step by their name in its data."""
    for name in ("secret", "seed", "migrated_codes"):
        held = row.data.get(name)
        if held:
            yield name, held if isinstance(held, list) else [held]


def _put(row: Authenticator, name: str, tokens: Iterable[str]) -> None:
    """Hold these in the step's data, each with its place."""
    placed = []
    for token in tokens:
        each = _Placed(token)
        each.place = f"mfa_authenticator/{row.user_id}/{row.type}/{name}"
        placed.append(each)
    row.data[name] = placed if isinstance(row.data[name], list) else placed[0]


@receiver(post_init, sender=Authenticator)
def _know_place(instance: Authenticator, **_: object) -> None:
    """A step that was read knows what its secrets have to be written for."""
    if instance.pk is not None and isinstance(instance.__dict__.get("data"), dict):
        for name, tokens in list(_tokens(instance)):
            _put(instance, name, tokens)


@receiver(pre_save, sender=Authenticator)
def _bind(instance: Authenticator, **_: object) -> None:
    """allauth encrypts before there is a row: what is new is written anew for the account that it is of."""
    if not isinstance(instance.__dict__.get("data"), dict):
        return
    for name, tokens in list(_tokens(instance)):
        if not all(isinstance(token, _Placed) for token in tokens):
            try:
                texts = [unseal(token, place=_place(token)) for token in tokens]
            except Unreadable:
                continue  # whoever asks for it is told
            _put(instance, name, tokens)
            place = _place(instance.data[name][0] if isinstance(instance.data[name], list) else instance.data[name])
            _put(instance, name, [seal(text, place=place) for text in texts])


def _place(token: str) -> str:
    return token.place if isinstance(token, _Placed) else ""


def rotate() -> tuple[int, list[str]]:
    """Re-encrypt the stored secrets with the newest key; how many there were, and which could not be read.

    For ``rotate_keys``.
    """
    count, unreadable = 0, []
    for row in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).select_related("user").order_by("pk"):
        for name, tokens in list(_tokens(row)):
            try:
                renewed = [seal(unseal(token, place=_place(token)), place=_place(token)) for token in tokens]
            except Unreadable as error:
                unreadable.append(f"{row} of {row.user.email} ({name}): {error}")
                continue
            _put(row, name, renewed)
            count += len(renewed)
        row.save(update_fields=["data"])
    return count, unreadable


class MFAAdapter(DefaultMFAAdapter):
    """Two steps, in our way."""

    def get_totp_issuer(self) -> str:
        """The name under which the app lists the account."""
        return "toggbill"

    def encrypt(self, text: str) -> str:
        """Ciphertext under the newest key; it is bound to its account when the step is saved."""
        return seal(text, place="")

    def decrypt(self, encrypted_text: str) -> str:
        """The text behind a ciphertext of any known key. Raises ``Unreadable``, also for one of another account."""
        return unseal(encrypted_text, place=_place(encrypted_text))

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """The last second step stays while a firm of the member's demands one."""
        if authenticator.type not in SECOND_STEPS:
            return True
        others = Authenticator.objects.filter(user=authenticator.user_id, type__in=SECOND_STEPS)
        if others.exclude(pk=authenticator.pk).exists():
            return True
        return not Membership.objects.filter(user=authenticator.user_id, firm__requires_mfa=True).exists()
