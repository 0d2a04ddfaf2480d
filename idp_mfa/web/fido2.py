"""Passkeys and security keys in the portal: register, look at, rename, remove."""

from __future__ import annotations

import json
from typing import assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent
from idp_mfa.browser import Route
from idp_mfa.factor import Rejected, Rejection
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import Credential, CredentialId, FactorName, Page
from idp_mfa.own_pages import OwnPages
from idp_mfa.passkeys import Asked, NotDone, Passkey, Passkeys, PlatformFull, Registered
from idp_mfa.platforms import Platform, platform_named, platform_of
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/fido2"
NEW = f"{PAGE}/new"
_FIDO2 = FactorName("fido2")
_MOST_TOUCH_DIGITS = 3


class Fido2Pages:
    """``rp_id`` is told to the browser with the list of what is registered."""

    def __init__(self, pages: OwnPages, passkeys: Passkeys, rp_id: str) -> None:
        self._pages = pages.at(PAGE)
        self._adding = pages.at(NEW)
        self._browser = pages.browser
        self._passkeys = passkeys
        self._rp_id = rp_id

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        posts = {
            "begin": self.begin,
            "complete": self.complete,
            "rename": self.rename,
            "remove": self.remove,
        }
        return (
            Route(PAGE, "portal.fido2", self.page),
            Route(NEW, "portal.fido2.new", self.new),
            *(
                Route(f"{PAGE}/{step}", f"portal.fido2.{step}", act, ("POST",))
                for step, act in posts.items()
            ),
            *(Route(f"{PAGE}/{step}", f"portal.fido2.{step}.back", self.back) for step in posts),
        )

    # -- looking -----------------------------------------------------------------------------

    def page(self) -> Response:
        """What is registered."""
        admitted = self._pages.admitted(Page.PORTAL_HOME)
        return admitted if isinstance(admitted, Response) else self._draw(admitted, None)

    def back(self) -> Response:
        """A reload of a step's address: the page is where the passkeys are."""
        return self._browser.see_other(PAGE)

    # -- registering -------------------------------------------------------------------------

    def new(self) -> Response:
        """What to have ready, and a button that begins."""
        admitted = self._adding.admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(admitted, Response):
            return admitted
        return self._draw_new(admitted, self._platform(), None)

    def begin(self) -> Response:
        """A question for the browser; nothing is registered by it."""
        admitted = self._adding.acting(Page.PORTAL_ADD_FACTOR, NEW)
        if isinstance(admitted, Response):
            return admitted
        bound_by = self._adding.may_bind(admitted)
        if isinstance(bound_by, Response):
            return bound_by
        begun = self._passkeys.begin(admitted.account, self._asked(admitted), bound_by)
        if isinstance(begun, NotDone):
            return self._draw_new(admitted, self._platform(), begun.value)
        self._pages.record(
            AuditEvent.ENROLMENT_BEGAN, admitted, self._pages.reference(), factor=_FIDO2
        )
        return self._browser.page(
            "portal/fido2_create.html",
            user=admitted.account.user,
            options=begun.shown["options"],
            touch=self._touch(),
            replaces=request.form.get("replaces", ""),
            onward=self._pages.onward(admitted.account.user),
            action=f"{PAGE}/complete",
            list_url=PAGE,
            csrf=self._pages.csrf(),
        )

    def complete(self) -> Response:
        """What the browser made."""
        admitted = self._adding.acting(Page.PORTAL_ADD_FACTOR, NEW)
        if isinstance(admitted, Response):
            return admitted
        bound_by = self._adding.may_bind(admitted)
        if isinstance(bound_by, Response):
            return bound_by
        account, reference = admitted.account, self._pages.reference()
        replaces = request.form.get("replaces", "")
        done = self._passkeys.complete(
            account,
            self._asked(admitted),
            contract.Response(dict(request.form.items())),
            replaces=CredentialId(replaces) if replaces else None,
            notice=self._notice(NoticeKind.FACTOR_ADDED, admitted, ""),
        )
        match done:
            case Registered(passkey, replaced):
                self._pages.record(
                    AuditEvent.FACTOR_BOUND,
                    admitted,
                    reference,
                    factor=_FIDO2,
                    credential=passkey.credential.id,
                    bound_by=passkey.credential.bound_by.value,
                    replaced=() if replaced is None else (replaced.id,),
                )
                return self._draw_done(admitted, passkey, replaced)
            case Rejected(why, _, detail):
                self._pages.record(
                    AuditEvent.ENROLMENT_REJECTED,
                    admitted,
                    reference,
                    factor=_FIDO2,
                    why=why.value,
                    detail=detail,
                )
                expired = why is Rejection.EXPIRED
                problem = "expired" if expired else "rejected"
                return self._draw_new(admitted, self._platform(), problem)
            case PlatformFull():
                return self._draw_new(admitted, self._platform(), "platform-full")
            case NotDone.NOTHING_BEGUN:
                return self._draw_new(admitted, self._platform(), "expired")
            case NotDone():
                return self._draw_new(admitted, self._platform(), done.value)
            case never:
                assert_never(never)

    # -- looking after them ------------------------------------------------------------------

    def rename(self) -> Response:
        """Another name, or the right system."""
        admitted = self._pages.acting(Page.PORTAL_HOME, PAGE)
        if isinstance(admitted, Response):
            return admitted
        chosen = request.form.get("platform")
        done = self._passkeys.rename(
            admitted.account,
            CredentialId(request.form.get("id", "")),
            request.form.get("label", ""),
            None if chosen is None else platform_named(chosen),
        )
        if isinstance(done, Passkey):
            self._pages.record(
                AuditEvent.FACTOR_RENAMED,
                admitted,
                self._pages.reference(),
                factor=_FIDO2,
                credential=done.credential.id,
                platform=done.platform.value,
            )
            return self.back()
        return self._draw(admitted, done)

    def remove(self) -> Response:
        """Take one away; its owner is told."""
        admitted = self._pages.acting(Page.PORTAL_REMOVE_FACTOR, PAGE)
        if isinstance(admitted, Response):
            return admitted
        id = CredentialId(request.form.get("id", ""))
        done = self._passkeys.remove(
            admitted.account,
            id,
            self._notice(NoticeKind.FACTOR_REMOVED, admitted, self._label(admitted, id)),
        )
        if isinstance(done, Credential):
            self._pages.record(
                AuditEvent.FACTOR_REMOVED,
                admitted,
                self._pages.reference(),
                factor=_FIDO2,
                credential=done.id,
            )
            return self.back()
        return self._draw(admitted, done)

    # -- inside ------------------------------------------------------------------------------

    def _draw(self, admitted: Admitted, problem: NotDone | None) -> Response:
        account = admitted.account
        held = self._passkeys.held(account)
        accepted = (
            {
                "rpId": self._rp_id,
                "userId": held[0].credential.secret["handle"],
                "allAcceptedCredentialIds": list(self._passkeys.public_ids(account)),
            }
            if held
            else None
        )
        return self._browser.page(
            "portal/fido2.html",
            200 if problem is None else 422,
            user=account.user,
            passkeys=held,
            accepted=None if accepted is None else json.dumps(accepted),
            error=None if problem is None else problem.value,
            new_url=NEW,
            rename_action=f"{PAGE}/rename",
            remove_action=f"{PAGE}/remove",
            csrf=self._pages.csrf(),
        )

    def _draw_new(self, admitted: Admitted, platform: Platform, problem: str | None) -> Response:
        return self._browser.page(
            "portal/fido2_new.html",
            200 if problem is None else 422,
            user=admitted.account.user,
            platform=platform.value,
            full=self._passkeys.full(admitted.account, platform),
            shared_computer=admitted.session.shared_computer,
            error=problem,
            action=f"{PAGE}/begin",
            onward=self._pages.onward(admitted.account.user),
            list_url=PAGE,
            csrf=self._pages.csrf(),
        )

    def _draw_done(
        self, admitted: Admitted, passkey: Passkey, replaced: Credential | None
    ) -> Response:
        others = [one for one in admitted.account.credentials.active if one != replaced]
        return self._browser.page(
            "portal/fido2_done.html",
            user=admitted.account.user,
            passkey=passkey,
            replaced=None if replaced is None else replaced.label,
            only_one=not others,
            rename_action=f"{PAGE}/rename",
            list_url=PAGE,
            onward=self._pages.onward(admitted.account.user),
            csrf=self._pages.csrf(),
        )

    def _label(self, admitted: Admitted, id: CredentialId) -> str:
        found = admitted.account.credentials.of(_FIDO2)
        return next((one.label for one in found if one.id == id), "")

    def _notice(self, kind: NoticeKind, admitted: Admitted, about: str) -> Notice:
        return Notice(
            kind,
            admitted.account.user.id,
            self._pages.clock(),
            self._browser.seen(),
            self._pages.reference(),
            self._browser.language(),
            about,
        )

    def _asked(self, admitted: Admitted) -> Asked:
        return Asked(admitted.session.handle, self._platform())

    def _platform(self) -> Platform:
        return platform_of(
            request.headers.get("User-Agent", ""),
            request.headers.get("Sec-CH-UA-Platform", ""),
            self._touch(),
        )

    def _touch(self) -> int:
        sent = request.form.get("touch", "")
        plain = sent.isascii() and sent.isdigit() and len(sent) <= _MOST_TOUCH_DIGITS
        return int(sent) if plain else 0
