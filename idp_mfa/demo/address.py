"""Lets a newcomer stand on campus, on the VPN or outside without leaving the chair.

A WSGI wrapper for the demo alone: it supplies ``X-Forwarded-For`` where a request has none and
says on each page which address that was. The product itself has no such switch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp_mfa.assets import folder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

COOKIE = "demo_place"
"""Set by the demo's service provider; cookies do not know ports, so it reaches us as well."""

PLACES: Mapping[str, str] = {
    "campus": "192.0.2.10",
    "vpn": "198.51.100.10",
    "outside": "203.0.113.10",
}
"""The example networks of RFC 5737, as policies/default.yaml names them."""

ELSEWHERE = "outside"
STYLE = "/demo/seen.css"

_BODY = re.compile(rb"<body\b[^>]*>")
_HEAD_END = re.compile(rb"</head>")
_LANGUAGE = re.compile(rb"<html\b[^>]*\blang=[\"']?([a-z]{2})")
_PASSING = re.compile(rb"\bdata-page=[\"']?saml\.post\b")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


def place_of(cookies: str) -> str:
    """The place that the cookie header names, or outside."""
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ELSEWHERE
    return morsel.value if morsel is not None and morsel.value in PLACES else ELSEWHERE


@dataclass(slots=True)
class _Answer:
    """What the wrapped application said before its body."""

    status: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    exc_info: _ExcInfo | None = None

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: _ExcInfo | None = None,
        /,
    ) -> Callable[[bytes], object]:
        """Stand in for the server's start_response."""
        self.status, self.headers, self.exc_info = status, tuple(headers), exc_info
        return self._refuse_write

    @staticmethod
    def _refuse_write(_body: bytes) -> None:
        raise TypeError("the demo's wrapper takes bodies from the iterable only")

    @property
    def is_page(self) -> bool:
        """Whether the body is a page that can carry the banner."""
        named = {name.lower(): value for name, value in self.headers}
        return (
            named.get("content-type", "").startswith("text/html")
            and "content-encoding" not in named
        )


class SeenFrom:
    """The wrapped application, with the address of the chosen place."""

    def __init__(self, application: WSGIApplication, *, change_at: str | None) -> None:
        """``change_at`` is the page on which the place is chosen, if there is one."""
        self._application = application
        self._change_at = change_at
        self._style = resources.files("idp_mfa.demo").joinpath("static/seen.css").read_bytes()
        environment = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=True,
            undefined=StrictUndefined,
        )
        self._banner = environment.get_template("demo/seen.html")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request as if it came from the chosen place."""
        if environ.get("PATH_INFO") == STYLE:
            headers = [("Content-Type", "text/css"), ("Content-Length", str(len(self._style)))]
            start_response("200 OK", headers)
            return [self._style]
        place: str | None = None
        if "HTTP_X_FORWARDED_FOR" not in environ:
            place = place_of(environ.get("HTTP_COOKIE", ""))
            environ["HTTP_X_FORWARDED_FOR"] = PLACES[place]
        address = environ["HTTP_X_FORWARDED_FOR"].rsplit(",", 1)[-1].strip()
        answer = _Answer()
        parts = self._application(environ, answer.start)
        if not answer.is_page or environ["REQUEST_METHOD"] == "HEAD":
            self._pass_on(answer, answer.headers, start_response)
            return parts
        try:
            body = self._with_banner(b"".join(parts), address, place)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        sized = tuple(one for one in answer.headers if one[0].lower() != "content-length")
        self._pass_on(answer, (*sized, ("Content-Length", str(len(body)))), start_response)
        return [body]

    @staticmethod
    def _pass_on(
        answer: _Answer, headers: tuple[tuple[str, str], ...], start_response: StartResponse
    ) -> None:
        if answer.exc_info is None:
            start_response(answer.status, list(headers))
        else:
            start_response(answer.status, list(headers), answer.exc_info)

    def _with_banner(self, body: bytes, address: str, place: str | None) -> bytes:
        opening = _BODY.search(body)
        head_end = _HEAD_END.search(body)
        if opening is None or head_end is None or _PASSING.search(opening[0]):
            return body
        language = _LANGUAGE.search(body)
        banner = self._banner.render(
            language=language[1].decode() if language else "en",
            address=address,
            place=place,
            change_at=self._change_at,
        ).encode()
        style = f'<link rel="stylesheet" href="{STYLE}">'.encode()
        return b"".join(
            (
                body[: head_end.start()],
                style,
                body[head_end.start() : opening.end()],
                banner,
                body[opening.end() :],
            )
        )
