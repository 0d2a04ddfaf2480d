"""Single logout at /saml/slo: HTTP in, HTTP out; what is right is decided in logout.py."""

from __future__ import annotations

from flask import Response, make_response, redirect

from idp_mfa.saml import bindings, logout
from idp_mfa.saml.bindings import Undecodable
from idp_mfa.saml.face import SamlFace
from idp_mfa.saml.incoming import NotAccepted, RequestProblem, undecodable
from idp_mfa.saml.names import Binding, StatusCode
from idp_mfa.saml.provider import Logout
from idp_mfa.session import Session


class SingleLogout:
    """The view of LogoutRequests."""

    def __init__(self, face: SamlFace) -> None:
        self._face = face

    def slo(self) -> Response:
        """A LogoutRequest: the session that it names ends here, on every node at once.

        A request that comes twice finds nothing left to end, so none has to be remembered.
        """
        parts = self._face.parts
        message = self._face.message()
        if isinstance(message, Undecodable):
            return self._face.refuse(undecodable(message))
        asked = logout.checked(message, parts.providers.find, parts.idp, parts.clock())
        if isinstance(asked, NotAccepted):
            return self._face.refuse(asked)
        service, seen = asked.provider.service, parts.browser.seen()
        ended = [
            parts.signin.log_out_by_index(index, service.id, seen)
            for index in asked.session_indexes
        ]
        if asked.reply_to is not None:
            return self._cleared(self._replied(asked, asked.reply_to), ended)
        if not asked.session_indexes:
            problem = RequestProblem.UNSUPPORTED
            return self._face.refuse(NotAccepted(problem, "no such session", service.id))
        page = parts.browser.page(
            "signin/signed_out.html",
            service=self._face.shown(service),
            continue_url=service.start_url,
        )
        return self._cleared(page, ended)

    def _replied(self, asked: logout.LogoutAsked, reply_to: Logout) -> Response:
        if asked.session_indexes:
            codes: tuple[StatusCode, ...] = (StatusCode.SUCCESS,)
        else:
            codes = (StatusCode.REQUESTER, StatusCode.UNKNOWN_PRINCIPAL)
        issuer = self._face.issuer()
        xml = logout.response(asked, reply_to, codes, issuer, self._face.parts.clock())
        match reply_to.binding:
            case Binding.REDIRECT:
                query = bindings.signed_query("SAMLResponse", xml, asked.relay_state, issuer.key)
                joint = "&" if "?" in reply_to.url else "?"
                return make_response(redirect(f"{reply_to.url}{joint}{query}", 303))
            case Binding.POST:
                fields = bindings.form_fields("SAMLResponse", xml, asked.relay_state)
                return self._face.post_page(asked.provider.service, reply_to.url, fields)

    def _cleared(self, response: Response, ended: list[Session | None]) -> Response:
        """The browser's cookie goes if it was this session's, not if it is another person's."""
        browser = self._face.parts.browser
        handle = (browser.session_cookie() or "").partition(".")[0]
        if any(session is not None and session.handle == handle for session in ended):
            return browser.clear_session(response)
        return response
