"""Time stamps of a service (RFC 3161): that the anchors of a night existed by then, said by somebody else."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging

import requests
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

SECONDS = 15
_LARGEST = 100_000
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_log = logging.getLogger(__name__)


class BadStamp(Exception):
    """A stamp is none, or of something else; says what is wrong."""


def ask(*, url: str, data: bytes) -> str | None:
    """Have the SHA-256 of ``data`` stamped; the service's whole answer as base64, None when it gave none that holds.

    What went wrong stands in the log of the process: a night without a stamp is no reason for a night without a line.
    """
    asked = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    try:
        answer = requests.post(
            url, data=asked.as_bytes(), headers=headers, timeout=SECONDS, allow_redirects=False, stream=True
        )
        with answer:
            answer.raise_for_status()
            body = answer.raw.read(_LARGEST, decode_content=True)
        _read(body, data, nonce=asked.nonce)
    except (requests.RequestException, OSError, BadStamp) as error:
        _log.warning("The time-stamping service gave no stamp: %s", type(error).__name__)
        return None
    return base64.b64encode(body).decode()


def check(stamp: str, *, data: bytes, roots: bytes = b"") -> None:
    """Raises ``BadStamp`` when the stamp is not one of ``data``, or, given ``roots`` (PEM), not signed under them."""
    try:
        answer = _read(base64.b64decode(stamp, validate=True), data)
    except binascii.Error as error:
        raise BadStamp("its time stamp is not base64") from error
    if not roots:
        return
    verifier = VerifierBuilder()
    for certificate in x509.load_pem_x509_certificates(roots):
        verifier = verifier.add_root_certificate(certificate)
    try:
        verifier.build().verify_message(answer, data)
    except VerificationError as error:
        raise BadStamp("its time stamp is not signed by the service") from error


def _read(body: bytes, data: bytes, nonce: int | None = None) -> TimeStampResponse:
    try:
        answer = decode_timestamp_response(body)
        status = PKIStatus(answer.status)
        imprint, told = answer.tst_info.message_imprint, answer.tst_info.nonce
    except ValueError as error:
        raise BadStamp("its time stamp cannot be read") from error
    if status not in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS):
        raise BadStamp("the service granted no time stamp")
    if imprint.hash_algorithm != _SHA256 or bytes(imprint.message) != hashlib.sha256(data).digest():
        raise BadStamp("its time stamp is of something else")
    if nonce is not None and told != nonce:
        raise BadStamp("its time stamp answers another question")
    return answer
