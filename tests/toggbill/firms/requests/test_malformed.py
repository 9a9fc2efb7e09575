"""What no page sends is a page that says so: never a failure, whichever view it was meant for."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import FirmFactory
from tests.visitors import Served, signed_in, staff
from toggbill.firms.requests.charset import NAMED, as_utf8, without_charset

pytestmark = pytest.mark.django_db

SENTENCE = "This address asks for what the page does not offer"


@pytest.mark.parametrize(
    "path",
    [
        "/attention/?reason=a%00b",
        "/attention/?a%00b=reason",
        "/invoices/?dossier=%00",
        "/admin/integrations/entry/?q=%00",
        "/accounts/login/?next=%00",
    ],
)
def test_nul_in_a_query_is_not_understood(path: str) -> None:
    answer = staff(FirmFactory(language="en")).get(path)
    assert (answer.status_code, SENTENCE in answer.content.decode()) == (400, True)


def test_nul_in_an_address_is_not_found() -> None:
    answer = signed_in(FirmFactory()).get("/invoices/a%00b/")
    assert (answer.status_code, "There is nothing here" in answer.content.decode()) == (404, True)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_nul_in_a_form_is_not_understood_and_nothing_is_done(kind: str) -> None:
    browser = signed_in(FirmFactory(language="en"))
    body = "email=a%00%40example.com&role=viewer"
    if kind.startswith("multipart"):
        body = '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\0@example.com\r\n--x--\r\n'
    answer = browser.post("/members/invite/", body, content_type=kind)
    assert (answer.status_code, SENTENCE in answer.content.decode()) == (400, True)


def test_nul_in_a_cookie_is_not_understood() -> None:
    # Cookies have a way of their own to write any byte.
    answer = Client().get("/accounts/login/", headers={"cookie": r'sessionid="abcdefgh\000ijkl"'})
    assert answer.status_code == 400


def test_sentence_is_in_the_language_of_the_visitor() -> None:
    answer = Client().get("/accounts/login/?next=%00", headers={"accept-language": "nl"})
    assert '<html lang="nl"' in answer.content.decode()


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "rot13", "unicode_escape", "nobody-knows"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_form_in_another_charset_is_not_understood(charset: str, kind: str) -> None:
    body = '--x\r\nContent-Disposition: form-data; name="login"\r\n\r\na\r\n--x--\r\n'
    answer = Served().generic("POST", "/accounts/login/?a=1", body.encode(), f"{kind}; charset={charset}")
    assert answer.status_code == 400


@pytest.mark.parametrize("charset", ["utf-16", "rot13", "hex"])
def test_query_is_read_as_utf8_whatever_the_header_says(charset: str) -> None:
    fields: Any = {"CONTENT_TYPE": f"text/plain; charset={charset}"}
    assert Served().generic("GET", "/accounts/login/?next=%C3%A9", **fields).status_code == 200


def test_content_type_keeps_what_it_says_besides() -> None:
    environ = without_charset({"CONTENT_TYPE": "multipart/form-data; boundary=aB; charset=rot13"})
    assert environ == {"CONTENT_TYPE": 'multipart/form-data; boundary="aB"', NAMED: "rot13"}
    for kind in ("", "text/plain", "text/plain; charset=UTF-8", "text/plain; charset=utf8"):
        assert without_charset({"CONTENT_TYPE": kind}) == {"CONTENT_TYPE": kind}


def test_server_is_asked_without_it() -> None:
    asked: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        asked.append(environ)
        return []

    assert list(as_utf8(application)({"CONTENT_TYPE": "a/b; charset=hex"}, None)) == []
    assert asked == [{"CONTENT_TYPE": "a/b", NAMED: "hex"}]


@pytest.mark.parametrize("length", ["abc", "-1", "1.5", "²", "9" * 5000])
def test_length_that_is_no_number_is_not_understood(length: str) -> None:
    fields: Any = {"CONTENT_LENGTH": length}
    for path in ("/accounts/login/", "/hooks/toggl/unknown/", "/csp-report/"):
        assert Client().generic("POST", path, b"", **fields).status_code == 400


def test_form_that_breaks_off_is_not_understood() -> None:
    class Broken:
        def read(self, *_size: int) -> bytes:
            raise OSError("the line is dead")

        readline = read

    kind = "application/x-www-form-urlencoded"
    fields: Any = {"wsgi.input": Broken(), "CONTENT_LENGTH": "40", "CONTENT_TYPE": kind}
    answer = Client().generic("POST", "/accounts/login/", **fields)
    assert answer.status_code == 400


def test_form_without_end_is_not_understood() -> None:
    answer = Client().post("/accounts/login/", b"--x\r\nConte", content_type="multipart/form-data; boundary=")
    assert answer.status_code == 400
