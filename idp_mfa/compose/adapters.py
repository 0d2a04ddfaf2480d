"""Settings to adapters: each is made when it is first asked for, and knows no other."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from flask import g, has_request_context

from idp_mfa.audit_log.address_keys import AddressKeyFile
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.chain import Chain
from idp_mfa.audit_log.trail import AuditTrail, audit_trail
from idp_mfa.checked_clock import CheckedClock
from idp_mfa.countries import CountryFile
from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.options import LdapOptions, SqliteOptions
from idp_mfa.directory.sqlite import SqliteDirectory
from idp_mfa.key_folder import KeyFolder, load_secret
from idp_mfa.mail.folder import FolderMailer
from idp_mfa.mail.smtp import SmtpMailer
from idp_mfa.model import Clock, Randomness
from idp_mfa.policy.facts import CountryOf, nowhere
from idp_mfa.policy.in_force import InForce, PolicyFile, PolicyInForce, Readings
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Unavailable
from idp_mfa.registry.policies import SharedPolicies
from idp_mfa.registry.shared import SharedRegistry
from idp_mfa.saml.attributes import Release
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.release import read_release
from idp_mfa.sealed import Sealer
from idp_mfa.sealing_folder import SealingKeyFolder
from idp_mfa.settings import DirectoryOptions, Settings
from idp_mfa.store.redis.audit_window import RedisAuditWindow
from idp_mfa.store.redis.history import History
from idp_mfa.store.redis.outbox import RedisOutbox
from idp_mfa.store.redis.server import RedisServer
from idp_mfa.store.redis.verbs import RedisStore
from idp_mfa.yaml_document import Problems, read

if TYPE_CHECKING:
    from idp_mfa.metrics import Metrics

from idp_mfa.compose.factors import factors_of
from idp_mfa.compose.reading import NotComposed, text_of, usable


class Adapters:
    """What the core asks of the world, of these settings."""

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
            return usable(self.policy_in_force.now())
        if "in_force" not in g:
            g.in_force = usable(self.policy_in_force.now())
        found: InForce = g.in_force
        return found

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
                    *self.settings.desk.attributes,
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
        window = RedisAuditWindow(
            self.store_server,
            options.window_length,
            options.window_kept,
            owners_length=options.owners_length,
            owners_kept=options.owners_kept,
        )
        others = [] if self.metrics is None else [self.metrics]
        return audit_trail(options, window, self.addresses, self.audit_chain, others)

    @cached_property
    def audit_chain(self) -> Chain:
        """What holds the lines of the record together; its key is made of what never changes."""
        return Chain(lambda: load_secret(self.settings.keys.pairwise_salt), self.randomness)

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
            return PolicyFile(str(path), text_of(path))
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
        document = read("{}" if path is None else text_of(path), str(path))
        if isinstance(document, Problems):
            raise NotComposed(document)
        return usable(read_release(document, scopes))

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

    def _policy_attributes(self) -> frozenset[str]:
        """What the policy in force and its shadow look at; people can be read without them."""
        try:
            shadow = self.shadow()
            return self.policy().attributes | (frozenset() if shadow is None else shadow.attributes)
        except (NotComposed, Unavailable):
            return frozenset()
