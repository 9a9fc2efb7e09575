"""Weak keys: with DEBUG off the site starts with none of them, and says how to make a good one."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from toggbill import keys

SECRET = "kX3-vT9_mQ2pLr8sWz5yBn7cHd4fJg6tAe1uRi0oPxVbNmSqEw-ZyUk_TjCh9DlF"  # of nobody
KEY = "2Yq1x0g8oM5mP1Jd8qzvSg5v6m2o3aWc7nTtXbRk9uE="  # of nobody
WEAK_SECRETS = {
    "short": SECRET[:49],
    "few characters": "abcdefgh" * 8,
    "Django's own": f"django-insecure-{SECRET}",
    "that of DEBUG": keys.FOR_DEBUG,
}
WEAK_KEYS = {
    "a passphrase": "correct horse battery staple, and more of it",
    "too short": base64.urlsafe_b64encode(b"0123456789abcdef").decode(),
    "one byte": base64.urlsafe_b64encode(b"k" * 32).decode(),
    "counted up": base64.urlsafe_b64encode(bytes(range(32))).decode(),
    "two bytes in turn": base64.urlsafe_b64encode(b"ab" * 16).decode(),
    "the second of two": f"{KEY},weak",
    "that of DEBUG": keys.FOR_DEBUG,
}


def start(folder: Path, *, debug: str = "0", **environment: str) -> subprocess.CompletedProcess[str]:
    """The settings, loaded in a process of their own."""
    given = {"DEBUG": debug, "SECRET_KEY": SECRET, "FIELD_ENCRYPTION_KEYS": KEY, "VAR_DIR": str(folder)} | environment
    return subprocess.run(
        [sys.executable, "-c", "import toggbill.settings"],
        cwd=settings.BASE_DIR,
        env={name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")} | given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_good_keys_start(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert done.returncode == 0, done.stderr
    done = start(tmp_path, FIELD_ENCRYPTION_KEYS=f"{Fernet.generate_key().decode()}, {KEY}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", WEAK_SECRETS)
def test_a_weak_secret_key_is_refused(name: str, tmp_path: Path) -> None:
    weak = {"SECRET_KEY": WEAK_SECRETS[name]}
    done = start(tmp_path, **weak)
    assert done.returncode == 1
    assert "ImproperlyConfigured: SECRET_KEY is weak" in done.stderr
    assert "Make one: python -c" in done.stderr
    assert start(tmp_path, debug="1", **weak).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAK_KEYS)
def test_a_weak_encryption_key_is_refused(name: str, tmp_path: Path) -> None:
    weak = {"FIELD_ENCRYPTION_KEYS": WEAK_KEYS[name]}
    done = start(tmp_path, **weak)
    assert done.returncode == 1
    assert "ImproperlyConfigured: FIELD_ENCRYPTION_KEYS: number" in done.stderr
    assert "Make one: python -c" in done.stderr
    assert WEAK_KEYS[name] not in done.stderr.replace("import toggbill.settings", "")
    assert start(tmp_path, debug="1", **weak).returncode == 0


def test_the_values_of_the_example_are_refused(tmp_path: Path) -> None:
    example = dict(
        line.split("=", 1)
        for line in (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Z_]+=", line)
    )
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"):
        done = start(tmp_path, **{name: example[name]})
        assert (done.returncode, f"{name} is not set" in done.stderr) == (1, True)


def test_a_bad_signing_key_is_refused_with_debug_too(tmp_path: Path) -> None:
    done = start(tmp_path, debug="1", AUDIT_SIGNING_KEY="weak")
    assert "ImproperlyConfigured: AUDIT_SIGNING_KEY is not a key" in done.stderr
    assert start(tmp_path, AUDIT_SIGNING_KEY=base64.b64encode(hashlib.sha256(b"x").digest()).decode()).returncode == 0


def test_the_commands_of_the_sentences_make_good_keys() -> None:
    def made(how: str) -> str:
        program = how.removeprefix('python -c "').removesuffix('"')
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

    keys.check_secret_key(made(keys.HOW_SECRET))
    keys.check_encryption_keys([made(keys.HOW_ENCRYPTION)])
    assert len(keys.signing_keys(made(keys.HOW_SIGNING))) == 1
