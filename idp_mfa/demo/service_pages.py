"""The demo service's one page: who signed in, how, and buttons to ask for more.

Run by ``gunicorn idp_mfa.demo.service_pages:application()``.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

from flask import Flask, Response, make_response, redirect, render_template, request, session
from jinja2 import FileSystemLoader, StrictUndefined
from werkzeug.wrappers import Response as AnyResponse

from idp_mfa import locale
from idp_mfa.assets import folder
from idp_mfa.demo.address import COOKIE, PLACES, place_of
from idp_mfa.demo.service_provider import (
    Declined,
    NoAnswer,
    Peer,
    ServiceOptions,
    SignedIn,
    metadata,
)

OPTIONS = "IDP_MFA_DEMO_SERVICE"
"""The environment variable that names the file with the service's ``ServiceOptions``."""

_OPEN_REQUESTS = 8
_CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class _Pages:
    """The views; everything that lasts is in the browser's signed cookie."""

    options: ServiceOptions
    peer: Peer
    style: bytes

    def home(self) -> Response:
        """The page itself."""
        person = SignedIn(**session["person"]) if "person" in session else None
        return self._page(person, notice=session.pop("notice", None))

    def sign_in(self) -> AnyResponse:
        """Ask the identity provider, as the pressed button says."""
        request_id, location = self.peer.ask(request.form.get("wish", ""))
        session["asked"] = [*session.get("asked", []), request_id][-_OPEN_REQUESTS:]
        return redirect(location, 303)

    def answered(self) -> AnyResponse:
        """The identity provider's answer, once."""
        asked = session.get("asked", [])
        match self.peer.read(request.form.get("SAMLResponse", ""), asked):
            case SignedIn() as person:
                session.clear()
                session["person"] = asdict(person)
            case Declined(status):
                session["notice"] = {"kind": "declined", "word": status}
            case NoAnswer(why):
                session["notice"] = {"kind": "no-answer", "word": why}
        return redirect(self.options.base, 303)

    def move(self) -> AnyResponse:
        """Stand somewhere else from now on."""
        place = request.form.get("place", "")
        answer = redirect(self.options.base, 303)
        if place in PLACES:
            answer.set_cookie(COOKIE, place, httponly=True, samesite="Lax")
        return answer

    def log_out(self) -> AnyResponse:
        """Forget the person here, then have the identity provider forget the session."""
        kept = session.get("person")
        session.clear()
        if kept is None:
            return redirect(self.options.base, 303)
        return redirect(self.peer.say_goodbye(SignedIn(**kept)), 303)

    def logged_out(self) -> AnyResponse:
        """The identity provider's answer to a log-out."""
        gone = self.peer.is_gone(request.args.get("SAMLResponse", ""))
        session["notice"] = {"kind": "gone" if gone else "not-gone", "word": ""}
        return redirect(self.options.base, 303)

    def describe(self) -> Response:
        """The SAML metadata."""
        return Response(metadata(self.options), mimetype="application/samlmetadata+xml")

    def stylesheet(self) -> Response:
        """The style of the page."""
        return Response(self.style, mimetype="text/css", headers={"Cache-Control": "max-age=3600"})

    def _page(self, person: SignedIn | None, notice: dict[str, str] | None) -> Response:
        answer = make_response(
            render_template(
                "demo/service_provider.html",
                language=locale.choose(request.headers.get("Accept-Language"), None),
                person=person,
                notice=notice,
                place=place_of(request.headers.get("Cookie", "")),
                places=PLACES,
                people=self.options.people,
            )
        )
        answer.headers["Content-Security-Policy"] = _CSP
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Vary"] = "Accept-Language, Cookie"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer


def create(options: ServiceOptions) -> Flask:
    """The service, its files read."""
    app = Flask(__name__, static_folder=None)
    app.jinja_loader = FileSystemLoader(folder("templates"))
    app.jinja_env.undefined = StrictUndefined
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="demo_service",
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=8),
        MAX_CONTENT_LENGTH=256 * 1024,
    )
    style = resources.files("idp_mfa.demo").joinpath("static/service.css").read_bytes()
    pages = _Pages(options, Peer(options), style)
    app.add_url_rule("/", "home", pages.home)
    app.add_url_rule("/sign-in", "sign_in", pages.sign_in, methods=["POST"])
    app.add_url_rule("/acs", "answered", pages.answered, methods=["POST"])
    app.add_url_rule("/place", "move", pages.move, methods=["POST"])
    app.add_url_rule("/log-out", "log_out", pages.log_out, methods=["POST"])
    app.add_url_rule("/slo", "logged_out", pages.logged_out)
    app.add_url_rule("/metadata", "describe", pages.describe)
    app.add_url_rule("/style.css", "stylesheet", pages.stylesheet)
    return app


def application() -> Flask:
    """What gunicorn runs."""
    return create(ServiceOptions.read(Path(os.environ[OPTIONS])))
