"""Use cases to faces."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Flask

from idp_mfa.browser import Browser
from idp_mfa.code_errors import CodeErrors
from idp_mfa.compose.care import Care
from idp_mfa.compose.reading import templates
from idp_mfa.desk_door import DeskDoor
from idp_mfa.factors.fido2 import NAME as FIDO2
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.recovery_code import NAME as RECOVERY_CODE
from idp_mfa.factors.recovery_code import PASSCODES
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.model import PORTAL, FactorName, Page, ServiceId
from idp_mfa.own_pages import OwnPages, SetUp, portal_service
from idp_mfa.ports import Unavailable
from idp_mfa.saml.endpoints import SamlEndpoints
from idp_mfa.saml.face import SamlParts
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.saml.requests import RESUME
from idp_mfa.set_ups import SetUps
from idp_mfa.settings import Settings
from idp_mfa.signin_drawing import SignInDrawing
from idp_mfa.store.redis.server import Unfit
from idp_mfa.web.activity import ActivityPages
from idp_mfa.web.advice import AdvicePages
from idp_mfa.web.caller import PAGE as CALLER
from idp_mfa.web.caller import CallerPage
from idp_mfa.web.desk import DeskPages
from idp_mfa.web.desk_overview import OverviewPages
from idp_mfa.web.desk_story import StoryPages
from idp_mfa.web.fido2 import NEW as NEW_PASSKEY
from idp_mfa.web.fido2 import PAGE as PASSKEYS
from idp_mfa.web.fido2 import Fido2Pages
from idp_mfa.web.health import Health
from idp_mfa.web.matrix import PAGE as MATRIX_PAGE
from idp_mfa.web.matrix import MatrixPages
from idp_mfa.web.network import Looks, NetworkPage
from idp_mfa.web.portal import PortalPages
from idp_mfa.web.reissue import ReissuePages
from idp_mfa.web.reissue_address import AddressPages
from idp_mfa.web.removal import RemovalPages
from idp_mfa.web.set_up import SetUpPages
from idp_mfa.web.signin import SignInPages
from idp_mfa.web.totp import PAGE as TOTP_PAGE
from idp_mfa.web.totp import TotpPages

_LOG = logging.getLogger("idp_mfa")
PortalFace = (
    PortalPages
    | TotpPages
    | ReissuePages
    | AddressPages
    | Fido2Pages
    | SetUpPages
    | MatrixPages
    | RemovalPages
)


_TILES = {RECOVERY_CODE: "codes"}
"""What the menu and the addresses call a factor, if not by its name."""


def now() -> datetime:
    """The clock of this host."""
    return datetime.now(UTC)


def compose(settings: Settings) -> House:
    """The house of these settings; ``NotComposed`` if they name what is not there."""
    return House(settings, now, os.urandom)


class House(Care):
    """Every part, wired; adapters know no other adapter, faces no other face."""

    def application(self) -> Flask:
        """The web application; refuses to be made on a store that would forget limits.

        One that is out of reach is waited for: each connection to it is checked in its turn.
        """
        try:
            self.store_server.check_policy()
        except Unfit:
            raise
        except Unavailable as error:
            _LOG.error("unavailable %s: started all the same, not ready", error)
        # The connections of this process are not those of the workers that are forked from it.
        self.store_server.close()
        self.signing_keys.keys()
        self.sealing_keys.current()
        # What the first record needs; workers inherit it.
        self.address_keys.sealing(self.clock().date())
        self.audit_chain.key()
        app = Flask("idp_mfa.web", static_folder="static", template_folder=None)
        if self.metrics is not None:
            self.metrics.watch(app)
        browser = Browser(
            base_url=self.settings.base_url,
            site=self.settings.site,
            addresses=self.settings.proxies,
            audit=self.audit,
            clock=self.clock,
            randomness=self.randomness,
        )
        issuer = self.settings.totp.issuer
        portal = portal_service(browser.host, self.settings.site.portal_name)
        pages = OwnPages(
            signin=self.sign_in,
            sessions=self.sessions,
            browser=browser,
            policy=self.policy,
            audit=self.audit,
            clock=self.checked_clock,
            randomness=self.randomness,
            service=portal,
            alone=self.alone,
        )
        providers = ServiceProviders(self.registry, self.checked_clock)

        def service_name(id: ServiceId, language: str) -> str:
            return portal.name(language) if id == PORTAL else providers.name(id, language)

        saml = SamlEndpoints(
            SamlParts(
                idp=self.identity_provider,
                providers=providers,
                release=self.release,
                keys=self.signing_keys,
                signin=self.sign_in,
                policy=self.policy,
                store=self.store,
                audit=self.audit,
                browser=browser,
                clock=self.checked_clock,
                randomness=self.randomness,
            )
        )
        drawing = SignInDrawing(
            browser=browser,
            factors=self.factors,
            policy=self.policy,
            clock=self.checked_clock,
            issuer=issuer,
            reissued=frozenset() if self.mailer is None else frozenset({TOTP}),
            set_ups=self._set_ups(),
            takes_passkeys=self.sign_in.takes_passkeys,
        )
        signin = SignInPages(
            signin=self.sign_in,
            browser=browser,
            drawing=drawing,
            clock=self.checked_clock,
            answers={RESUME: saml.answered},
        )
        network = NetworkPage(
            browser=browser,
            policy=self.policy,
            kinds={name: factor.may_show for name, factor in self.factors.items()},
            country_of=self.country_of,
            hosts=self.settings.site.network_hosts,
            looks=Looks(self.audit, self.store, self.throttle, self.clock, self.randomness),
        )
        has = (*self.factors, *(() if self.mailer is None else ("mail",)))
        advice = AdvicePages(browser, self.clock, has)
        activity = ActivityPages(pages, self.sessions, self.audit, service_name)
        door = DeskDoor(pages, self.settings.desk)
        desk = (
            DeskPages(door, self.desk, self.watched, self.policy),
            StoryPages(
                door=door,
                audit=self.audit,
                directory=self.watched,
                policy=self.policy,
                service_name=service_name,
            ),
            OverviewPages(
                door=door,
                directory=self.directory,
                audit=self.audit,
                letters=self.outbox.waiting,
                kinds={name: factor.may_show for name, factor in self.factors.items()},
                policy=self.policy,
                service_name=service_name,
                clock=self.clock,
            ),
        )
        own = (*self._portal(pages), activity, CallerPage(pages, self.callers), *desk)
        faces = (signin, *own, network, advice, saml, Health(self.pings()))
        routes = tuple(route for face in faces for route in face.routes())
        browser.install(app, routes, templates(self.settings.templates))
        return app

    def _portal(self, pages: OwnPages) -> tuple[PortalFace, ...]:
        """The portal's pages; those that need mail only where it is sent."""
        issuer = self.settings.totp.issuer
        mails = self.mailer is not None
        offered = (
            Page.PORTAL_HOME,
            Page.PORTAL_ADD_FACTOR,
            Page.PORTAL_SHOW,
            Page.PORTAL_ACTIVITY,
        )
        by_mail = (Page.PORTAL_REISSUE, Page.PORTAL_MAIL)
        portal = PortalPages(
            pages=pages,
            signin=self.sign_in,
            sessions=self.sessions,
            offered=(*offered, *by_mail) if mails else offered,
            more={
                **({"caller": CALLER} if self.settings.desk.roles else {}),
                **({} if self.passkeys is None else {"fido2": PASSKEYS}),
                **({} if MATRIX not in self.factors else {"matrix": MATRIX_PAGE}),
                **{_TILES.get(one, one): path for one, path in self._set_up_at().items()},
            },
            factors=self.factors,
            set_ups=self._set_ups().values(),
        )
        keys = self.factors[TOTP]
        if not isinstance(keys, Totp):
            raise TypeError("no other factor goes by this name")
        totp = TotpPages(
            pages=pages,
            sessions=self.sessions,
            enrolments=self.enrolments,
            addresses=self.reissue_addresses if mails else None,
            outbox=self.outbox,
            store=self.store,
            totp=keys,
            issuer=issuer,
            onsite=self.settings.onsite,
        )
        set_ups = SetUps(pages, self.sessions, self.enrolments, self.standing)
        others = (
            SetUpPages(set_ups, self.factors[name], path, f"portal.{_TILES.get(name, name)}")
            for name, path in self._set_up_at().items()
        )
        removal = RemovalPages(set_ups, {FIDO2: PASSKEYS})
        faces: tuple[PortalFace, ...] = (portal, totp, removal, *others)
        if self.passkeys is not None:
            faces = (*faces, Fido2Pages(pages, self.passkeys, self.settings.rp_id))
        matrix = self.factors.get(MATRIX)
        if isinstance(matrix, ImageMatrix):
            faces = (*faces, MatrixPages(set_ups, matrix))
        if not mails:
            return faces
        reissue = ReissuePages(
            pages=pages,
            sessions=self.sessions,
            recoveries=self.recoveries,
            errors=CodeErrors(self.factors[TOTP], issuer, pages.clock, pages.browser.day),
            issuer=issuer,
            onsite=self.settings.onsite,
        )
        return (*faces, reissue, AddressPages(pages, self.reissue_addresses))

    def _set_ups(self) -> Mapping[FactorName, SetUp]:
        """Where a sign-in leads that waits for a factor: those that stand alone, codes first."""
        matrix = {MATRIX: MATRIX_PAGE} if MATRIX in self.factors else {}
        passkeys = {} if self.passkeys is None else {FIDO2: NEW_PASSKEY}
        stands = self.standing.stands
        return {
            TOTP: SetUp("set-up", TOTP_PAGE),
            **{
                name: SetUp(f"set-up-{_TILES.get(name, name)}", path)
                for name, path in {**passkeys, **matrix, **self._set_up_at()}.items()
                if stands(name)
            },
        }

    def _set_up_at(self) -> Mapping[FactorName, str]:
        """Where those factors are set up that need no pages of their own."""
        own = {TOTP, FIDO2, MATRIX, *(one.name for one in PASSCODES)}
        return {
            name: f"/portal/{_TILES.get(name, name)}" for name in self.factors if name not in own
        }
