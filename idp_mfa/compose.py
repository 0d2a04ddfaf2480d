"""Settings to adapters to use cases to faces: nothing else wires.

Parts are made when they are first asked for, so that a command needs only what it uses.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, g, has_request_context
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader

from idp_mfa import assets
from idp_mfa.audit_log.address_keys import AddressKeyFile
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.trail import AuditTrail, audit_trail
from idp_mfa.browser import Browser
from idp_mfa.checked_clock import CheckedClock
from idp_mfa.countries import CountryFile
from idp_mfa.devices import Devices
from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.options import LdapOptions, SqliteOptions
from idp_mfa.directory.sqlite import SqliteDirectory
from idp_mfa.enrolment import Enrolments
from idp_mfa.factor import Factor
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.helpdesk import HelpDesk
from idp_mfa.key_folder import KeyFolder, load_secret
from idp_mfa.mail.addresses import normalised
from idp_mfa.mail.folder import FolderMailer
from idp_mfa.mail.smtp import SmtpMailer
from idp_mfa.mail.writing import Writer
from idp_mfa.mailed_codes import MailedCodes
from idp_mfa.model import Clock, FactorName, Page, Randomness
from idp_mfa.own_pages import OwnPages, portal_service
from idp_mfa.policies import Policies
from idp_mfa.policy.facts import CountryOf, nowhere
from idp_mfa.policy.in_force import SHOWN, InForce, Origin, PolicyFile, PolicyInForce, Readings
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Unavailable
from idp_mfa.postman import Postman, rounds
from idp_mfa.recovery import Recoveries
from idp_mfa.registry.policies import SharedPolicies
from idp_mfa.registry.shared import SharedRegistry
from idp_mfa.reissue_address import AddressRules, ReissueAddresses
from idp_mfa.rollback import Watched
from idp_mfa.saml.attributes import Release
from idp_mfa.saml.description import describe
from idp_mfa.saml.endpoints import SamlEndpoints
from idp_mfa.saml.face import SamlParts
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.saml.release import read_release
from idp_mfa.sealed import Sealer
from idp_mfa.sealing_folder import SealingKeyFolder
from idp_mfa.services import Services
from idp_mfa.session import Sessions
from idp_mfa.settings import DirectoryOptions, Settings
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.store.redis.audit_window import RedisAuditWindow
from idp_mfa.store.redis.history import History
from idp_mfa.store.redis.outbox import RedisOutbox
from idp_mfa.store.redis.server import RedisServer, Unfit
from idp_mfa.store.redis.verbs import RedisStore
from idp_mfa.throttle import Throttle
from idp_mfa.web.health import Health
from idp_mfa.web.network import Looks, NetworkPage
from idp_mfa.web.portal import PortalPages
from idp_mfa.web.reissue import ReissuePages
from idp_mfa.web.reissue_address import AddressPages
from idp_mfa.web.signin import SignInPages
from idp_mfa.web.totp import TotpPages
from idp_mfa.yaml_document import Problem, Problems, read

if TYPE_CHECKING:
    from idp_mfa.metrics import Facts, KeyFacts, Metrics, StoreMemory

_LOG = logging.getLogger("idp_mfa")
T = TypeVar("T")
PortalFace = PortalPages | TotpPages | ReissuePages | AddressPages


class NotComposed(Exception):  # noqa: N818 - it says what did not happen
    """The configuration cannot be used; ``problems`` says why, line by line."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.problems = problems


def now() -> datetime:
    """The clock of this host."""
    return datetime.now(UTC)


def compose(settings: Settings) -> House:
    """The house of these settings; ``NotComposed`` if they name what is not there."""
    return House(settings, now, os.urandom)


class House:
    """Every part, wired; adapters know no other adapter, faces no other face."""

    def __init__(self, settings: Settings, clock: Clock, randomness: Randomness) -> None:
        self.settings = settings
        self.clock = clock
        self.randomness = randomness
        self.metrics: Metrics | None = None
        self.factors = factors_of(settings)

    def policy(self) -> Policy:
        """The policy in force."""
        return self.in_force().policy

    def shadow(self) -> Policy | None:
        """The policy that is judged beside it, and decides nothing."""
        return self.in_force().shadow

    def in_force(self) -> InForce:
        """What decides now: one request is judged by one policy, whatever is activated meanwhile.

        ``NotComposed`` if it is the settings' file, and that cannot be used.
        """
        if not has_request_context():
            return _usable(self.policy_in_force.now())
        if "in_force" not in g:
            g.in_force = _usable(self.policy_in_force.now())
        found: InForce = g.in_force
        return found

    def counted(self) -> Metrics:
        """Begin to count; before the first other part is asked for."""
        # The library decides at its import whether it counts for one process or for many.
        from idp_mfa.metrics import Metrics

        self.metrics = Metrics(self.factors, self._facts, self.clock, time.monotonic)
        return self.metrics

    # -- adapters ----------------------------------------------------------------------------

    @cached_property
    def sealing_keys(self) -> SealingKeyFolder:
        """What the directory's records are sealed with."""
        return SealingKeyFolder(self.settings.keys.sealing, self.clock)

    @cached_property
    def sealer(self) -> Sealer:
        """Seals and opens what the directory keeps."""
        return Sealer(self.sealing_keys, self.randomness)

    @cached_property
    def directory(self) -> LdapDirectory | SqliteDirectory:
        """People, and their credentials."""
        match self.settings.directory:
            case DirectoryOptions(ldap=LdapOptions() as options):
                wanted = {
                    *options.attributes,
                    *self.release.directory_attributes(),
                    self.settings.mail.directory_attribute,
                }
                return LdapDirectory(
                    replace(options, attributes=tuple(sorted(wanted))),
                    sealer=self.sealer,
                    clock=self.clock,
                    stopwatch=time.monotonic,
                    also=self._policy_attributes,
                )
            case DirectoryOptions(sqlite=SqliteOptions() as options):
                return SqliteDirectory(
                    options, sealer=self.sealer, clock=self.clock, randomness=self.randomness
                )
            case _:
                raise ValueError("settings name no directory")

    @cached_property
    def countries(self) -> CountryFile | None:
        """Where addresses are, if the settings name a file that says it."""
        path = self.settings.countries
        return None if path is None else CountryFile(path)

    @cached_property
    def country_of(self) -> CountryOf:
        """Where an address is; nowhere without a file."""
        return nowhere if self.countries is None else self.countries.country_of

    @cached_property
    def store_server(self) -> RedisServer:
        """The connections to Redis or Valkey."""
        return RedisServer(self.settings.store)

    @cached_property
    def store(self) -> RedisStore:
        """The verbs of short-lived state."""
        return RedisStore(self.store_server, History(self.settings.registry.folder / "store-used"))

    @cached_property
    def checked_clock(self) -> CheckedClock:
        """The clock that codes, sessions and assertions are judged by."""
        return CheckedClock(self.clock, self.store.now, time.monotonic)

    @cached_property
    def audit(self) -> AuditTrail:
        """The record, and its look-up window in the store."""
        options = self.settings.audit
        window = RedisAuditWindow(self.store_server, options.window_length, options.window_kept)
        others = [] if self.metrics is None else [self.metrics]
        return audit_trail(options, window, self.addresses, others)

    @cached_property
    def address_keys(self) -> AddressKeyFile:
        """What addresses on record are sealed with."""
        kept = self.settings.audit.addresses_kept
        return AddressKeyFile(self.settings.keys.addresses, kept, self.clock)

    @cached_property
    def addresses(self) -> Addresses:
        """Seals and opens the addresses on record."""
        return Addresses(self.address_keys, self.randomness)

    @cached_property
    def registry(self) -> SharedRegistry:
        """The registered services."""
        folder = self.settings.registry.folder
        return SharedRegistry(self.store, folder / "registry.json", self.clock)

    @cached_property
    def readings(self) -> Readings:
        """Policies, read from their texts."""
        return Readings({name: factor.may_show for name, factor in self.factors.items()})

    @cached_property
    def shared_policies(self) -> SharedPolicies:
        """The activated policies."""
        copy = self.settings.registry.folder / "policies.json"
        return SharedPolicies(self.store, copy, self.clock, self.readings.fit)

    @cached_property
    def policy_in_force(self) -> PolicyInForce:
        """Which policy decides now."""
        return PolicyInForce(self.shared_policies, self.readings, self.policy_file)

    def policy_file(self) -> PolicyFile | Problems:
        """The policy that the settings name, which counts until one is activated."""
        path = self.settings.policy
        try:
            return PolicyFile(str(path), _text(path))
        except NotComposed as error:
            return error.problems

    @cached_property
    def signing_keys(self) -> KeyFolder:
        """What assertions are signed with."""
        return KeyFolder(self.settings.keys.signing, self.clock, self.randomness)

    @cached_property
    def identity_provider(self) -> IdentityProvider:
        """Who we are to SAML services."""
        salt = load_secret(self.settings.keys.pairwise_salt)
        return IdentityProvider(self.settings.saml, self.settings.base_url.rstrip("/"), salt)

    @cached_property
    def release(self) -> Release:
        """Who receives which attributes."""
        path, scopes = self.settings.saml.release, self.settings.saml.scopes
        document = read("{}" if path is None else _text(path), str(path))
        if isinstance(document, Problems):
            raise NotComposed(document)
        return _usable(read_release(document, scopes))

    # -- use cases ---------------------------------------------------------------------------

    @cached_property
    def throttle(self) -> Throttle:
        """The limits' numbers."""
        return Throttle(self.settings.limits, load_secret(self.settings.keys.limits))

    @cached_property
    def devices(self) -> Devices:
        """Browsers that are known."""
        return Devices(self.store, self.randomness, load_secret(self.settings.keys.limits))

    @cached_property
    def sessions(self) -> Sessions:
        """What browsers come back with."""
        return Sessions(self.store, self.checked_clock, self.randomness, self.settings.session)

    @cached_property
    def sign_in(self) -> SignIn:
        """The sign-in."""
        return SignIn(
            SignInParts(
                directory=self.watched,
                credentials=self.watched,
                store=self.store,
                audit=self.audit,
                sessions=self.sessions,
                policy=self.policy,
                factors=self.factors,
                preference=self.settings.factors,
                throttle=self.throttle,
                devices=self.devices,
                outbox=self.outbox,
                clock=self.checked_clock,
                randomness=self.randomness,
                limits=self.settings.sign_in,
                shadow=self.shadow,
                country_of=self.country_of,
            )
        )

    @cached_property
    def outbox(self) -> RedisOutbox:
        """What waits to be mailed."""
        return RedisOutbox(self.store_server, self.sealer, self.randomness)

    @cached_property
    def mailer(self) -> SmtpMailer | FolderMailer | None:
        """The road by which mail goes, if there is one."""
        options = self.settings.mail
        if options.folder is not None:
            return FolderMailer(options, options.folder, self.clock, self.randomness)
        if options.server is not None:
            return SmtpMailer(options, options.server, self.clock, self.randomness)
        return None

    @cached_property
    def postman(self) -> Postman | None:
        """Carries away what waits."""
        if self.mailer is None:
            return None
        options = self.settings
        return Postman(
            outbox=self.outbox,
            directory=self.directory,
            mailer=self.mailer,
            writer=Writer(
                options.base_url.rstrip("/"),
                options.site,
                options.mail.subject_prefix,
                _templates(options.templates),
            ),
            audit=self.audit,
            clock=self.clock,
            directory_attribute=options.mail.directory_attribute,
        )

    def start_post(self) -> None:
        """Begin to carry away what waits, in a thread that ends with this process."""
        if self.postman is not None:
            threading.Thread(
                target=rounds, args=(self.postman, time.sleep), name="post", daemon=True
            ).start()

    @cached_property
    def watched(self) -> Watched:
        """The directory as use cases see it: nothing of the past is taken for the present."""
        return Watched(
            self.directory,
            self.directory,
            self.store,
            audit=self.audit,
            clock=self.clock,
            randomness=self.randomness,
        )

    @cached_property
    def enrolments(self) -> Enrolments:
        """Set-ups of factors."""
        return Enrolments(
            credentials=self.watched,
            store=self.store,
            factors=self.factors,
            throttle=self.throttle,
            outbox=self.outbox,
            clock=self.checked_clock,
            randomness=self.randomness,
        )

    @cached_property
    def mailed_codes(self) -> MailedCodes:
        """Codes by mail."""
        return MailedCodes(self.store, self.outbox, self.throttle, self.clock, self.randomness)

    @cached_property
    def recoveries(self) -> Recoveries:
        """Re-issuing the set-up key."""
        return Recoveries(
            codes=self.mailed_codes,
            credentials=self.watched,
            store=self.store,
            outbox=self.outbox,
            factors=self.factors,
            clock=self.clock,
            randomness=self.randomness,
        )

    @cached_property
    def reissue_addresses(self) -> ReissueAddresses:
        """Where a re-issue's codes go."""
        mail = self.settings.mail
        return ReissueAddresses(
            codes=self.mailed_codes,
            credentials=self.watched,
            store=self.store,
            outbox=self.outbox,
            normalised=normalised,
            rules=AddressRules(mail.refused_domains, mail.address_pause),
            clock=self.clock,
            randomness=self.randomness,
        )

    @cached_property
    def helpdesk(self) -> HelpDesk:
        """What staff may do."""
        return HelpDesk(
            self.watched,
            self.watched,
            self.store,
            self.audit,
            self.throttle,
            self.devices,
            self.clock,
            self.randomness,
        )

    @cached_property
    def services(self) -> Services:
        """Registering services."""
        return Services(self.registry, self.audit, self.clock, self.randomness, describe)

    @cached_property
    def policies(self) -> Policies:
        """Activating policies."""
        return Policies(
            self.shared_policies,
            self.readings,
            self.policy_file,
            self.audit,
            self.clock,
            self.randomness,
        )

    # -- faces -------------------------------------------------------------------------------

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
        self.address_keys.ping()
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
        signin = SignInPages(
            signin=self.sign_in,
            browser=browser,
            factors=self.factors,
            policy=self.policy,
            clock=self.checked_clock,
            issuer=issuer,
        )
        pages = OwnPages(
            signin=self.sign_in,
            sessions=self.sessions,
            browser=browser,
            policy=self.policy,
            audit=self.audit,
            clock=self.checked_clock,
            randomness=self.randomness,
            service=portal_service(browser.host, self.settings.site.portal_name),
        )
        saml = SamlEndpoints(
            SamlParts(
                idp=self.identity_provider,
                providers=ServiceProviders(self.registry, self.checked_clock),
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
        network = NetworkPage(
            browser=browser,
            policy=self.policy,
            kinds={name: factor.may_show for name, factor in self.factors.items()},
            country_of=self.country_of,
            hosts=self.settings.site.network_hosts,
            looks=Looks(self.audit, self.store, self.throttle, self.clock, self.randomness),
        )
        faces = (signin, *self._portal(pages), network, saml, Health(self.pings()))
        routes = tuple(route for face in faces for route in face.routes())
        browser.install(app, routes, _templates(self.settings.templates))
        return app

    def _portal(self, pages: OwnPages) -> tuple[PortalFace, ...]:
        """The portal's pages; those that need mail only where it is sent."""
        issuer = self.settings.totp.issuer
        mails = self.mailer is not None
        offered = (Page.PORTAL_HOME, Page.PORTAL_ADD_FACTOR, Page.PORTAL_SHOW)
        by_mail = (Page.PORTAL_REISSUE, Page.PORTAL_MAIL)
        portal = PortalPages(
            pages, self.sign_in, self.sessions, (*offered, *by_mail) if mails else offered
        )
        totp = TotpPages(
            pages=pages,
            sessions=self.sessions,
            enrolments=self.enrolments,
            addresses=self.reissue_addresses if mails else None,
            outbox=self.outbox,
            store=self.store,
            totp=self.factors[TOTP],
            issuer=issuer,
        )
        if not mails:
            return portal, totp
        reissue = ReissuePages(pages, self.recoveries, issuer)
        return portal, totp, reissue, AddressPages(pages, self.reissue_addresses)

    def look_at_policy(self) -> None:
        """Say which one decides; ``NotComposed`` if the settings' file has to, and cannot be used.

        While the store is away nobody can say whether it has to: it must be well then, too.
        """
        try:
            found, file = self.in_force(), self.policy_in_force.overlooked()
        except Unavailable:
            _usable(self.policy_in_force.of_settings())
            return
        if found.origin is Origin.BUILT_IN:
            _LOG.error("the built-in policy decides, strictest of all: %s", found.trouble)
        if found.version is not None and file is not None:
            number, path = found.version.number, file.path
            _LOG.warning("version %d of the policy decides, not the text in %s", number, path)

    # -- looking after it --------------------------------------------------------------------

    def pings(self) -> Mapping[str, Callable[[], None]]:
        """Each part that sign-ins need, and how it raises ``Unavailable`` when it is not there."""
        return {
            "directory": self.directory.ping,
            "store": self.store.ping,
            "audit": self.audit.ping,
            "keys": self.ping_keys,
            "clock": self.ping_clock,
        }

    def _policy_attributes(self) -> frozenset[str]:
        """What the policy in force and its shadow look at; people can be read without them."""
        try:
            shadow = self.shadow()
            return self.policy().attributes | (frozenset() if shadow is None else shadow.attributes)
        except (NotComposed, Unavailable):
            return frozenset()

    def _policy_version(self) -> str:
        try:
            return self.policy().version[:SHOWN]
        except Unavailable:
            return "not known"

    def _facts(self) -> Facts:
        from idp_mfa.metrics import Facts

        server = self.settings.server
        return Facts(
            parts={name: _is_there(ping) for name, ping in self.pings().items()},
            policy=self._policy_version(),
            # What does not load is told by its part.
            keys=_or((), self._key_facts),
            threads=server.workers * server.threads,
            store_memory=_or(None, self._store_memory),
        )

    def _key_facts(self) -> tuple[KeyFacts, ...]:
        from idp_mfa.metrics import KeyFacts

        signing = (
            KeyFacts(
                "signing",
                row.id,
                row.state.value,
                row.since,
                self.signing_keys.key(row.id).public.not_after,
            )
            for row in self.signing_keys.rows()
        )
        sealing = (
            KeyFacts("sealing", kid, state, made, None)
            for kid, state, made in self.sealing_keys.rows()
        )
        return (*signing, *sealing)

    def _store_memory(self) -> StoreMemory:
        from idp_mfa.metrics import StoreMemory

        facts = self.store_server.check_policy()
        return StoreMemory(facts.memory_used, facts.memory_limit)

    def ping_keys(self) -> None:
        """The keys that sign and seal load."""
        self.sealing_keys.ping()
        self.address_keys.ping()
        self.signing_keys.keys()

    def ping_clock(self) -> None:
        """Our clock goes with the store's, which is the same for every node."""
        self.checked_clock.look()


def factors_of(settings: Settings) -> dict[FactorName, Factor]:
    """The factors that settings name, in their order."""
    shipped: dict[FactorName, Factor] = {TOTP: Totp(settings.totp.issuer)}
    unknown = [name for name in settings.factors if name not in shipped]
    if unknown:
        message = f"factors: {', '.join(unknown)} is not a factor; there is {', '.join(shipped)}"
        raise NotComposed(Problems((Problem("settings", 1, 1, message),)))
    return {name: shipped[name] for name in settings.factors}


def _is_there(ping: Callable[[], None]) -> bool:
    def answers() -> bool:
        ping()
        return True

    return _or(False, answers)


def _or(otherwise: T, look: Callable[[], T]) -> T:
    try:
        return look()
    except Unavailable:
        return otherwise


def _usable(found: T | Problems) -> T:
    if isinstance(found, Problems):
        raise NotComposed(found)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {type(error).__name__}")
        raise NotComposed(Problems((problem,))) from None


def _templates(own: Path | None) -> BaseLoader:
    shipped = FileSystemLoader(assets.folder("templates"))
    return shipped if own is None else ChoiceLoader([FileSystemLoader(own), shipped])
