"""One-time codes in the portal: set up, shown again, and tried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Protocol, assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent
from idp_mfa.browser import Route, road
from idp_mfa.code_errors import CodeErrors
from idp_mfa.enrolment import (
    Bound,
    Enrolments,
    NotBound,
    Onsite,
    has_shown_possession,
)
from idp_mfa.factor import Accepted, Challenge, Enrolment, Factor, Rejected
from idp_mfa.key_card import apple_link, key_card
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import (
    RECOVERY_CODE,
    Account,
    BoundBy,
    Credential,
    CredentialState,
    Page,
)
from idp_mfa.own_pages import FIRST, OwnPages
from idp_mfa.ports import Change, Outbox, StateStore, Throttled
from idp_mfa.recovery import TOTP
from idp_mfa.reissue_address import ReissueAddresses
from idp_mfa.session import Sessions
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/totp"
SHOW = "/portal/totp/show"
APPLE = "/ios/link"
ADDRESS = "/portal/totp/address"
_TOLD_AGAIN = timedelta(minutes=15)
"""Within so long a page that is looked at again is no news."""


class Keys(Factor, Protocol):
    """What its pages want of the factor besides the contract."""

    def may_be_shown(self, credential: Credential) -> bool:
        """Whether its key is one for apps."""
        ...


class TotpPages:
    """``addresses`` None: this site mails nothing, and no address is asked for."""

    def __init__(
        self,
        *,
        pages: OwnPages,
        sessions: Sessions,
        enrolments: Enrolments,
        addresses: ReissueAddresses | None,
        outbox: Outbox,
        store: StateStore,
        totp: Keys,
        issuer: str,
        onsite: Onsite,
    ) -> None:
        self._pages = pages
        self._browser = pages.browser
        self._sessions = sessions
        self._enrolments = enrolments
        self._addresses = addresses
        self._outbox = outbox
        self._store = store
        self._totp = totp
        self._issuer = issuer
        self._onsite = onsite
        self._errors = CodeErrors(totp, issuer, pages.clock, pages.browser.day)

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        steps = {"begin": self.begin, "complete": self.complete}
        return (
            *road(PAGE, "portal.totp", self.page, steps),
            *self._pages.way_in("renew", Page.PORTAL_ADD_FACTOR, f"{PAGE}?{FIRST}={RECOVERY_CODE}"),
            Route(SHOW, "portal.totp.show", self.show),
            Route(APPLE, "portal.totp.apple", self.apple),
            Route(SHOW, "portal.totp.try", self.try_out, ("POST",)),
        )

    # -- setting up --------------------------------------------------------------------------

    def page(self) -> Response:
        """The set-up page: a button that begins, then the key card and the field."""
        allowed = self._admitted()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        account = admitted.account
        begun = self._under_way(account, bound_by)
        if begun is not None:
            return self._draw_setup(admitted, begun, None)
        if self._asks_for_an_address(admitted):
            return self._browser.see_other(ADDRESS)
        return self._browser.page(
            "portal/totp_begin.html",
            user=account.user,
            action=f"{PAGE}/begin",
            replaces=bool(account.credentials.of(TOTP)),
            onward=self._pages.onward(account.user),
            csrf=self._pages.csrf(),
        )

    def begin(self) -> Response:
        """Make a new key, sealed and unfinished; nothing else changes."""
        allowed = self._acting()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        self._pages.record(
            AuditEvent.ENROLMENT_BEGAN, admitted, self._pages.reference(), factor=TOTP
        )
        self._enrolments.begin(admitted.account, TOTP, bound_by, self._label())
        return self.back()

    def complete(self) -> Response:
        """The code that the device shows: from here on the key signs in."""
        allowed = self._acting()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        account, reference = admitted.account, self._pages.reference()
        begun = self._under_way(account, bound_by)
        if begun is None:
            return self.back()
        replaces = bool(account.credentials.of(TOTP))
        done = self._enrolments.complete(
            account,
            TOTP,
            bound_by,
            self._typed(),
            besides=self._address(admitted, bound_by),
            notice=Notice(
                NoticeKind.KEY_REISSUED if replaces else NoticeKind.FACTOR_ADDED,
                account.user.id,
                self._pages.clock(),
                self._browser.seen(),
                reference,
                self._browser.language(),
                begun.credential.label,
            ),
        )
        match done:
            case Bound(credential, verification, replaced):
                self._pages.record(
                    AuditEvent.FACTOR_BOUND,
                    admitted,
                    reference,
                    factor=TOTP,
                    credential=credential.id,
                    bound_by=bound_by.value,
                    replaced=tuple(old.id for old in replaced),
                )
                if self._addresses is not None:
                    self._addresses.forget(account, self._pages.asker(admitted))
                _, cookie = self._sessions.establish(
                    self._browser.session_cookie(),
                    account.user,
                    (verification,),
                    shared_computer=admitted.session.shared_computer,
                )
                response = self._browser.page(
                    "portal/totp_done.html",
                    label=credential.label,
                    replaced=bool(replaced),
                    only_one=account.credentials.has_none,
                    onward=self._pages.onward(account.user),
                )
                return self._browser.set_session(response, cookie)
            case Rejected():
                self._pages.record(
                    AuditEvent.ENROLMENT_REJECTED,
                    admitted,
                    reference,
                    factor=TOTP,
                    why=done.why.value,
                )
                return self._draw_setup(admitted, begun, done)
            case Throttled():
                return self._browser.too_many(done.until - self._pages.clock())
            case NotBound():
                return self.back()
            case never:
                assert_never(never)

    def back(self) -> Response:
        """The page is where the set-up is."""
        return self._browser.see_other(PAGE)

    # -- showing -----------------------------------------------------------------------------

    def show(self) -> Response:
        """The present key, after a device that was shown just now; its owner is told."""
        admitted = self._shown(self._pages)
        return admitted if isinstance(admitted, Response) else self._draw_key(admitted, None)

    def apple(self) -> Response:
        """The same key as the link that Apple's passwords take."""
        admitted = self._shown(self._pages.at(APPLE))
        if isinstance(admitted, Response):
            return admitted
        user, credential = admitted.account.user, self._tell(admitted)
        shown = self._totp.show_enrolment(user, credential)
        return self._browser.page(
            "portal/apple.html",
            user=user,
            uri=apple_link(shown, self._browser.host.partition(":")[0]),
            csrf=self._pages.csrf(),
        )

    def try_out(self) -> Response:
        """Whether a device shows the codes of the present key; nothing is spent."""
        admitted = self._shown(self._pages)
        if isinstance(admitted, Response):
            return admitted
        if not self._browser.csrf_right(self._browser.session_cookie()):
            return self._browser.see_other(SHOW)
        answer = self._totp.verify(
            Challenge(TOTP),
            self._typed(),
            self._for_apps(admitted.account),
            self._pages.clock(),
        )
        return self._draw_key(admitted, answer)

    def _shown(self, pages: OwnPages) -> Admitted | Response:
        admitted = pages.seen_to(
            Page.PORTAL_SHOW, pages.admitted(Page.PORTAL_SHOW), has_shown_possession
        )
        if isinstance(admitted, Response):
            return admitted
        if not self._for_apps(admitted.account):
            return self.back()
        return admitted

    def _for_apps(self, account: Account) -> tuple[Credential, ...]:
        return tuple(filter(self._totp.may_be_shown, account.credentials.of(TOTP)))

    def _tell(self, admitted: Admitted) -> Credential:
        """The key that is about to be shown; its owner hears of it."""
        account = admitted.account
        (credential, *_) = self._for_apps(account)
        mark = f"shown:{admitted.session.handle}:{credential.id}"
        if self._store.once(mark, _TOLD_AGAIN):
            reference = self._pages.reference()
            self._pages.record(
                AuditEvent.KEY_SHOWN, admitted, reference, factor=TOTP, credential=credential.id
            )
            self._outbox.put(
                Notice(
                    NoticeKind.KEY_SHOWN,
                    account.user.id,
                    self._pages.clock(),
                    self._browser.seen(),
                    reference,
                    self._browser.language(),
                )
            )
        return credential

    def _draw_key(self, admitted: Admitted, tried: Accepted | Rejected | None) -> Response:
        account, credential = admitted.account, self._tell(admitted)
        return self._browser.page(
            "portal/totp_show.html",
            422 if isinstance(tried, Rejected) else 200,
            user=account.user,
            **key_card(self._totp.show_enrolment(account.user, credential)).for_page(),
            since=credential.bound_at,
            valid=isinstance(tried, Accepted),
            error=self._errors.of(tried, self._typed(), account.credentials.factors)
            if isinstance(tried, Rejected)
            else None,
            action=SHOW,
            csrf=self._pages.csrf(),
        )

    # -- inside ------------------------------------------------------------------------------

    def _asks_for_an_address(self, admitted: Admitted) -> bool:
        """At the first set-up, once, where an address could be used."""
        credentials = admitted.account.credentials
        return (
            self._addresses is not None
            and credentials.has_none
            and credentials.reissue_address is None
            and self._addresses.confirmed(admitted.account, self._pages.asker(admitted)) is None
        )

    def _address(self, admitted: Admitted, bound_by: BoundBy) -> tuple[Change, ...]:
        """The address that was confirmed on the way to a first factor."""
        account = admitted.account
        if self._addresses is None or not account.credentials.has_none:
            return ()
        confirmed = self._addresses.confirmed(account, self._pages.asker(admitted))
        if confirmed is None:
            return ()
        return (self._addresses.change_to(account, confirmed.address, bound_by),)

    def _admitted(self) -> tuple[Admitted, BoundBy] | Response:
        """Who may set up a key here and now, and on what proof; the weakest that is enough."""
        onsite = self._pages.replacing(TOTP, self._onsite)
        now = self._pages.clock()
        if onsite is not None and not has_shown_possession(onsite.session.verified, now):
            return onsite, BoundBy.ONSITE
        admitted = self._pages.admitted(Page.PORTAL_ADD_FACTOR)
        bound_by = admitted if isinstance(admitted, Response) else self._pages.may_bind(admitted)
        if isinstance(admitted, Response) or isinstance(bound_by, Response):
            return bound_by if isinstance(bound_by, Response) else self.back()
        return admitted, bound_by

    def _acting(self) -> tuple[Admitted, BoundBy] | Response:
        """The same for a form; one that our page did not send leads back to it."""
        allowed = self._admitted()
        if isinstance(allowed, Response):
            return allowed
        right = self._browser.csrf_right(self._browser.session_cookie())
        return allowed if right else self.back()

    def _under_way(self, account: Account, bound_by: BoundBy) -> Enrolment | None:
        """A set-up goes on with the proof on which it was begun: a lesser one had seen its key."""
        begun = self._enrolments.under_way(account, TOTP)
        return begun if begun is not None and begun.credential.bound_by is bound_by else None

    def _draw_setup(
        self, admitted: Admitted, begun: Enrolment, rejected: Rejected | None
    ) -> Response:
        return self._browser.page(
            "portal/totp_setup.html",
            200 if rejected is None else 422,
            user=admitted.account.user,
            **key_card(begun).for_page(),
            error=None
            if rejected is None
            else self._errors.of(rejected, self._typed(), self._of_the_set_up(admitted, begun)),
            replaces=bool(admitted.account.credentials.of(TOTP)),
            action=f"{PAGE}/complete",
            onward=self._pages.onward(admitted.account.user),
            csrf=self._pages.csrf(),
        )

    def _of_the_set_up(self, admitted: Admitted, begun: Enrolment) -> tuple[Credential, ...]:
        """The key that is being set up, and what is kept for diagnosis: never a key in force."""
        kept = (
            one
            for one in admitted.account.credentials.factors
            if one.state is not CredentialState.ACTIVE and one.id != begun.credential.id
        )
        return (replace(begun.credential, state=CredentialState.ACTIVE), *kept)

    def _typed(self) -> contract.Response:
        return contract.Response(dict(request.form.items()))

    def _label(self) -> str:
        # Dated, so that the dead entry is recognised in the app after a replacement.
        return f"{self._issuer}({self._pages.clock():%Y-%m})"
