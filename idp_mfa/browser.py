"""What all faces share towards a browser: cookies, CSRF, headers, languages, pages, error pages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, g, make_response, redirect, render_template, request
from flask.templating import Environment
from jinja2 import BaseLoader, StrictUndefined
from werkzeug.exceptions import HTTPException

from idp_mfa import locale, pictures
from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.client_address import TrustedProxies, is_loopback, see
from idp_mfa.model import Clock, FactorName, Randomness, Reference, Seen, TransactionId
from idp_mfa.policy.device import device_of
from idp_mfa.ports import AuditLog, Unavailable
from idp_mfa.security_headers import (
    ON_EVERY_ANSWER,
    STRICT_TRANSPORT_SECURITY,
    content_security_policy,
)
from idp_mfa.signin.outcomes import Begun, BrowserCookies
from idp_mfa.site import SiteOptions

_LOG = logging.getLogger("idp_mfa")
_MOST_BINDINGS = 20
_MOBILE_HINT = "Sec-CH-UA-Mobile"
_DEVICE_SECONDS = 180 * 24 * 3600
_ERROR_OF_STATUS = {
    400: "bad-request",
    403: "forbidden",
    404: "not-found",
    405: "method",
    413: "too-large",
    429: "too-many",
    503: "unavailable",
}


View = Callable[..., Any]
"""What answers a request."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a face's table of addresses."""

    rule: str
    endpoint: str
    view: View
    methods: tuple[str, ...] = ("GET",)


def road(path: str, name: str, page: View, steps: Mapping[str, View]) -> tuple[Route, ...]:
    """A page, the posts below it, and for a reload of a post's address the way back to the page."""

    def back() -> Response:
        return make_response(redirect(path, 303))

    return (
        Route(path, name, page),
        *(Route(f"{path}/{step}", f"{name}.{step}", act, ("POST",)) for step, act in steps.items()),
        *(Route(f"{path}/{step}", f"{name}.{step}.back", back) for step in steps),
    )


class _Environment(Environment):
    """Globals as one plain dictionary: what every page and every part of it looks names up in.

    A chain of them, as Jinja2 makes it, is walked again and again at each import of a template.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Those of the application, and a template's own."""
        return {**self.globals, **(d or {})}


class Browser:
    """One object for every face: reads what a browser sends, shapes what it gets."""

    def __init__(
        self,
        *,
        base_url: str,
        site: SiteOptions,
        addresses: TrustedProxies,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        parts = urlsplit(base_url)
        self.base_url = base_url.rstrip("/")
        self.host = parts.netloc
        # Plain http is for loopback alone; there, and nowhere else, browsers would drop Secure.
        self._plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
        self._prefix = "" if self._plain else "__Host-"
        self._site = site
        self._addresses = addresses
        # The same browser comes several times within a sign-in.
        self._see = lru_cache(maxsize=512)(see)
        self._device_of = lru_cache(maxsize=512)(device_of)
        self._audit = audit
        self._clock = clock
        self._randomness = randomness

    # -- what came ---------------------------------------------------------------------------

    def seen(self) -> Seen:
        """Where this request comes from."""
        name = self._addresses.header
        line = None if name is None else request.headers.get(name)
        found = self._see(request.remote_addr, () if line is None else (line,), self._addresses)
        said, mobile = request.headers.get("User-Agent", ""), request.headers.get(_MOBILE_HINT, "")
        last = request.cookies.get(f"{self._prefix}idp-last")
        return replace(
            found,
            device=self._device_of(said, mobile),
            last=None if last is None else FactorName(last),
        )

    def session_cookie(self) -> str | None:
        """The session cookie's value, as sent."""
        return request.cookies.get(f"{self._prefix}idp")

    def device_cookie(self) -> str | None:
        """The value by which a browser may be known, as sent."""
        return request.cookies.get(f"{self._prefix}idp-dev")

    def cookies(self) -> BrowserCookies:
        """Both of the cookies that outlive a sign-in."""
        return BrowserCookies(self.session_cookie(), self.device_cookie())

    def binding(self, id: TransactionId) -> str | None:
        """The binding cookie's value of one transaction, as sent."""
        return request.cookies.get(self._binding_name(id))

    def bindings(self) -> Mapping[TransactionId, str]:
        """Those of every sign-in that was begun in this browser; the newest ones, as sent."""
        start = len(self._binding_name(TransactionId("")))
        names = self._binding_cookies()[-_MOST_BINDINGS:]
        return {TransactionId(name[start:]): request.cookies[name] for name in names}

    def csrf_right(self, secret: str | None) -> bool:
        """Whether the form carries the token of this cookie's value."""
        sent = request.form.get("csrf", "")
        return bool(secret) and hmac.compare_digest(sent.encode(), csrf_of(secret or "").encode())

    # -- what goes ---------------------------------------------------------------------------

    def begun(self, begun: Begun) -> Response:
        """To the sign-in page, with the cookie that binds the transaction to this browser."""
        response = self.see_other(f"/signin/{begun.transaction.id}")
        names = self._binding_cookies()
        # Browsers send their oldest cookies first (RFC 6265 5.4).
        for name in names[: max(0, len(names) - _MOST_BINDINGS + 1)]:
            self._expire(response, name)
        return self.set_binding(response, begun.transaction.id, begun.binding)

    def set_binding(self, response: Response, id: TransactionId, binding: str) -> Response:
        """Give the browser a transaction's binding value."""
        self._set(response, self._binding_name(id), binding, None)
        return response

    def set_session(self, response: Response, value: str) -> Response:
        """Give the browser its session; it ends with the browser or with the server's limits."""
        self._set(response, f"{self._prefix}idp", value, None)
        return response

    def remember(self, response: Response, cookies: BrowserCookies) -> Response:
        """Give the browser what a finished sign-in has for it."""
        if cookies.session is not None:
            self.set_session(response, cookies.session)
        if cookies.device is not None:
            self._set(response, f"{self._prefix}idp-dev", cookies.device, _DEVICE_SECONDS)
        if cookies.last is not None:
            self._set(response, f"{self._prefix}idp-last", cookies.last, _DEVICE_SECONDS)
        return response

    def moment(self, at: datetime) -> str:
        """A date and time as the reader of this answer writes it."""
        return locale.moment(at, self.language(), self._site.timezone)

    def second(self, at: datetime) -> str:
        """A time to the second where the site is."""
        return locale.second(at, self._site.timezone)

    def day(self, at: datetime) -> str:
        """The same without the time."""
        return locale.day(at, self.language(), self._site.timezone)

    def country(self, code: str) -> str:
        """What a country is called in the reader's language."""
        return locale.country(code, self.language())

    def too_many(self, wait: timedelta) -> Response:
        """429: how long, in a page and in the header."""
        return self.error("too-many", 429, retry_after=int(wait.total_seconds()) + 1)

    def clear_session(self, response: Response) -> Response:
        """Log-out: our cookies go by name, cache and storage by the browser's own broom.

        Not ``"cookies"``: that would wipe every host of the registrable domain.
        """
        self._expire(response, f"{self._prefix}idp")
        for name in self._binding_cookies():
            self._expire(response, name)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    def see_other(self, path: str) -> Response:
        """303 within our own origin, so that a POST is never repeated."""
        return make_response(redirect(path, 303))

    def page(self, template: str, status: int = 200, **context: object) -> Response:
        """A page of ours."""
        return make_response(render_template(template, **context), status)

    def error(
        self,
        kind: str,
        status: int,
        *,
        request_problem: str | None = None,
        continue_url: str | None = None,
        resubmit: Mapping[str, object] | None = None,
        retry_after: int | None = None,
        reference: Reference | None = None,
    ) -> Response:
        """What happened, what to do, and a reference code."""
        response = self.page(
            "error.html",
            status,
            kind=kind,
            request_problem=request_problem,
            continue_url=continue_url,
            resubmit=resubmit,
            retry_after=retry_after,
            reference=reference or self._reference(),
        )
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    # -- the application ---------------------------------------------------------------------

    def install(self, app: Flask, routes: Iterable[Route], loader: BaseLoader) -> None:
        """Put the table of addresses, the pages' context and the last-resort handlers in place."""
        app.config.update(
            MAX_CONTENT_LENGTH=256 * 1024,
            MAX_FORM_MEMORY_SIZE=200 * 1024,
            MAX_FORM_PARTS=64,
            PROVIDE_AUTOMATIC_OPTIONS=False,
        )
        app.url_map.merge_slashes = False
        app.jinja_loader = loader
        app.jinja_environment = _Environment
        app.jinja_env.add_extension("jinja2.ext.i18n")
        app.jinja_env.undefined = StrictUndefined
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
            lambda text: locale.translations(self.language()).ugettext(text),
            lambda one, many, n: locale.translations(self.language()).ungettext(one, many, n),
            newstyle=True,
        )
        for route in routes:
            app.add_url_rule(route.rule, route.endpoint, route.view, methods=list(route.methods))
        app.before_request(self._refuse_duplicates)
        app.after_request(self._headers)
        app.context_processor(self._context)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(Unavailable, self._unavailable)
        app.register_error_handler(Exception, self._broken)
        self._assets = _digests(Path(app.static_folder or ""))

    def nonce(self) -> str:
        """A nonce for one answer's script."""
        return base64.urlsafe_b64encode(self._randomness(18)).decode()

    def language(self) -> str:
        """The language of this answer: asked for by the link, remembered, or the browser's."""
        if "language" not in g:
            asked = request.args.get("lang")
            g.language = (
                asked
                if asked in locale.LANGUAGES
                else locale.choose(
                    request.headers.get("Accept-Language"), request.cookies.get("lang")
                )
            )
        return str(g.language)

    def _reference(self) -> Reference:
        if "reference" not in g:
            g.reference = new_reference(self._randomness)
        return Reference(g.reference)

    def _refuse_duplicates(self) -> Response | None:
        # Most requests have neither, and to find out costs as much as all the rest of this.
        query = request.args if request.query_string else None
        form = request.form if request.content_type else None
        for values in (query, form):
            if values and any(len(several) > 1 for _, several in values.lists()):
                return self.error("request", 400, request_problem="duplicate-parameter")
        return None

    def _headers(self, response: Response) -> Response:
        headers = response.headers
        if request.endpoint == "static" and response.status_code == 200:
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            headers["Cache-Control"] = "no-store"
            headers["Vary"] = "Cookie, Accept-Language"
        if "Content-Security-Policy" not in headers:
            headers["Content-Security-Policy"] = content_security_policy(None)
        headers.extend(ON_EVERY_ANSWER)
        if not self._plain:
            headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
        if request.args.get("lang") in locale.LANGUAGES:
            self._set(response, "lang", request.args["lang"], 365 * 24 * 3600)
        return response

    def _context(self) -> dict[str, object]:
        language = self.language()
        site = self._site
        return {
            "language": language,
            "other_languages": [
                # Nothing of the address goes along: it is whatever somebody wrote into a link.
                (code, locale.LANGUAGE_NAMES[code], f"?{urlencode({'lang': code})}")
                for code in locale.LANGUAGES
                if code != language
            ],
            "site": site.in_language(language),
            "host": self.host,
            "asset": self.asset,
            "pictures": pictures,
            "reference": None,
            "csrf": "",
            "version": 0,
        }

    def asset(self, name: str) -> str:
        """The address of a static file, with its digest so that it may be cached for good."""
        return f"/static/{name}?v={self._assets.get(name, '0')}"

    def _http_error(self, error: HTTPException) -> Response:
        status = error.code or 500
        if 300 <= status < 400:
            return make_response(error.get_response())
        kind = _ERROR_OF_STATUS.get(status, "internal" if status >= 500 else "bad-request")
        return self.error(kind, status)

    def _unavailable(self, error: Unavailable) -> Response:
        reference = self._reference()
        _LOG.error("unavailable %s [%s]", error, reference)
        self._record(AuditEvent.PART_UNAVAILABLE, part=error.part)
        if request.method == "POST" and "SAMLRequest" in request.form:
            resubmit = {"action": request.path, "fields": dict(request.form.items())}
            return self.error("unavailable", 503, resubmit=resubmit, retry_after=10)
        again = request.full_path if request.method == "GET" else request.path
        return self.error("unavailable", 503, continue_url=again, retry_after=10)

    def _broken(self, error: Exception) -> Response:
        # The exception's text stays out of the log: it may quote what somebody typed.
        _LOG.error(
            "%s [%s]\n%s",
            type(error).__name__,
            self._reference(),
            "".join(traceback.format_tb(error.__traceback__)),
        )
        self._record(AuditEvent.ERROR, kind=type(error).__name__)
        return self.error("internal", 500)

    def _record(self, event: AuditEvent, **detail: str) -> None:
        record = AuditRecord(
            self._clock(), event, self._reference(), seen=self.seen(), detail=detail
        )
        try:
            self._audit.record(record)
        except Unavailable as error:
            _LOG.error("unavailable %s [%s]", error, record.reference)

    def _binding_cookies(self) -> list[str]:
        return [name for name in request.cookies if name.startswith(f"{self._prefix}idp-tx-")]

    def _binding_name(self, id: TransactionId) -> str:
        return f"{self._prefix}idp-tx-{id}"

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=not self._plain,
            httponly=True,
            samesite="Lax",
        )

    def _expire(self, response: Response, name: str) -> None:
        response.delete_cookie(
            name, path="/", secure=not self._plain, httponly=True, samesite="Lax"
        )


def csrf_of(secret: str) -> str:
    """The form token of a cookie's value: whoever cannot read the cookie cannot make it."""
    return hmac.new(secret.encode(), b"idp_mfa form token", hashlib.sha256).hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in folder.rglob("*")
        if path.is_file()
    }
