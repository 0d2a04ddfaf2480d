"""The demo's wrapper: an address for who sends none, and a banner that says which."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from flask import Flask, Response, request
from werkzeug.test import Client

from idp_mfa.demo.address import COOKIE, STYLE, SeenFrom

PAGE = (
    '<!doctype html><html lang="ja"><head><title>t</title></head>'
    '<body data-page="p">学</body></html>'
)


def _application() -> Flask:
    app = Flask(__name__)

    @app.get("/seen")
    def seen() -> str:
        return str(request.headers.get("X-Forwarded-For"))

    @app.get("/page")
    def page() -> Response:
        return Response(PAGE, headers={"Content-Security-Policy": "style-src 'self'"})

    @app.get("/passing")
    def passing() -> str:
        return PAGE.replace('data-page="p"', 'data-page="saml.post"')

    @app.get("/picture")
    def picture() -> Response:
        return Response(b"<body>", mimetype="image/png")

    return app


@pytest.fixture
def client() -> Client:
    return Client(SeenFrom(_application(), change_at="http://localhost:8081"))


def test_bare_loopback_is_off_campus(client: Client) -> None:
    assert client.get("/seen").text == "203.0.113.10"


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("campus", "192.0.2.10"),
        ("vpn", "198.51.100.10"),
        ("outside", "203.0.113.10"),
        ("192.0.2.10", "203.0.113.10"),
        ("", "203.0.113.10"),
    ],
)
def test_the_cookie_names_a_place_and_nothing_else(
    client: Client, place: str, address: str
) -> None:
    client.set_cookie(COOKIE, place)
    assert client.get("/seen").text == address


@pytest.mark.parametrize("header", ["192.0.2.77", "unknown", "", "203.0.113.1, 192.0.2.1"])
def test_a_header_that_came_passes_through(client: Client, header: str) -> None:
    client.set_cookie(COOKIE, "campus")
    assert client.get("/seen", headers={"X-Forwarded-For": header}).text == header


def test_the_banner_says_which_address_in_the_language_of_the_page(client: Client) -> None:
    client.set_cookie(COOKIE, "campus")
    answer = client.get("/page")
    assert 'data-seen-as="192.0.2.10"' in answer.text
    assert "学内" in answer.text
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert answer.headers["Content-Security-Policy"] == "style-src 'self'"
    assert f'<link rel="stylesheet" href="{STYLE}"></head>' in answer.text
    assert " style=" not in answer.text
    assert client.get(STYLE).mimetype == "text/css"


def test_a_header_in_the_banner_is_text(client: Client) -> None:
    answer = client.get("/page", headers={"X-Forwarded-For": '"><script>alert(1)</script>'})
    assert "<script>" not in answer.text


def test_pages_that_only_pass_on_and_what_is_no_page_stay_as_they_are(client: Client) -> None:
    assert client.get("/passing").text == PAGE.replace('data-page="p"', 'data-page="saml.post"')
    assert client.get("/picture").data == b"<body>"
    assert client.head("/page").data == b""


def test_without_a_service_there_is_nothing_to_change() -> None:
    answer = Client(SeenFrom(_application(), change_at=None)).get("/page")
    assert "data-seen-as" in answer.text
    assert "<a " not in answer.text


def test_the_wrapped_answer_is_closed() -> None:
    closed = []

    class _Body:
        def __iter__(self) -> Iterable[bytes]:
            return iter([PAGE.encode()])

        def close(self) -> None:
            closed.append(True)

    def application(environ: object, start_response: object) -> _Body:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])  # type: ignore[operator]
        return _Body()

    Client(SeenFrom(application, change_at=None)).get("/")
    assert closed
