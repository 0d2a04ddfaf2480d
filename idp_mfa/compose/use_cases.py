"""Adapters to use cases."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cached_property

from idp_mfa.compose.adapters import Adapters
from idp_mfa.compose.reading import templates
from idp_mfa.desk.acts import Desk
from idp_mfa.desk.callers import Callers
from idp_mfa.desk.mending import Mending
from idp_mfa.desk.orders import Proposals
from idp_mfa.desk.token_acts import TokenActs
from idp_mfa.devices import Devices
from idp_mfa.enrolment import Enrolments
from idp_mfa.factor import Nameless, TakesKeys
from idp_mfa.factors.fido2 import NAME as FIDO2
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.hardware_tokens import HardwareTokens
from idp_mfa.helpdesk import HelpDesk
from idp_mfa.importing import Imports
from idp_mfa.key_folder import load_secret
from idp_mfa.mail.addresses import normalised
from idp_mfa.mail.writing import Writer
from idp_mfa.mailed_codes import MailedCodes
from idp_mfa.model import FactorName
from idp_mfa.passkeys import Passkeys
from idp_mfa.policies import Policies
from idp_mfa.postman import Postman, rounds
from idp_mfa.purging import Purging
from idp_mfa.purging import rounds as purging_rounds
from idp_mfa.recovery import Recoveries
from idp_mfa.reissue_address import AddressRules, ReissueAddresses
from idp_mfa.rollback import Watched
from idp_mfa.saml.description import describe
from idp_mfa.services import Services
from idp_mfa.session import Sessions
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.standing_alone import StandingAlone
from idp_mfa.throttle import Throttle
from idp_mfa.token_stock import TokenStock


class UseCases(Adapters):
    """What can be done here, whoever asks."""

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
                nameless=self._nameless,
                country_of=self.country_of,
                alone=self.alone,
            )
        )

    @property
    def alone(self) -> frozenset[FactorName]:
        """The factors of no possession that may be somebody's only one."""
        return frozenset({MATRIX}) if self.settings.image_matrix.only_factor else frozenset()

    @cached_property
    def standing(self) -> StandingAlone:
        """Which factors somebody may have and no other."""
        return StandingAlone(self.factors, self.alone)

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
                templates(options.templates),
            ),
            audit=self.audit,
            clock=self.clock,
            directory_attribute=options.mail.directory_attribute,
        )

    @cached_property
    def purging(self) -> Purging:
        """Lets go of what was kept for diagnosis."""
        return Purging(
            self.watched,
            self.watched,
            self.store,
            self.audit,
            self.checked_clock,
            self.randomness,
        )

    def start_purging(self) -> None:
        """Begin to let go, day by day, in a thread that ends with this process."""
        threading.Thread(
            target=purging_rounds, args=(self.purging, time.sleep), name="purge", daemon=True
        ).start()

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

    @property
    def _nameless(self) -> Nameless | None:
        factor = self.factors.get(FIDO2)
        allowed = self.settings.fido2.without_name
        return factor if allowed and isinstance(factor, Nameless) else None

    @cached_property
    def passkeys(self) -> Passkeys | None:
        """Passkeys and security keys, where settings name them."""
        factor = self.factors.get(FIDO2)
        if not isinstance(factor, Fido2):
            return None
        return Passkeys(
            factor=factor,
            # What may not stand alone is nobody's last factor here either.
            kinds={
                name: one.may_show
                for name, one in self.factors.items()
                if self.standing.stands(name)
            },
            credentials=self.watched,
            store=self.store,
            outbox=self.outbox,
            options=self.settings.fido2,
            clock=self.checked_clock,
            randomness=self.randomness,
        )

    @cached_property
    def mailed_codes(self) -> MailedCodes:
        """Codes by mail."""
        return MailedCodes(
            self.store,
            self.outbox,
            self.throttle,
            self.checked_clock,
            self.randomness,
            self.audit,
        )

    @cached_property
    def recoveries(self) -> Recoveries:
        """Re-issuing the set-up key."""
        return Recoveries(
            codes=self.mailed_codes,
            credentials=self.watched,
            store=self.store,
            outbox=self.outbox,
            factors=self.factors,
            clock=self.checked_clock,
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
            clock=self.checked_clock,
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
            self.outbox,
            self.factors,
            self.clock,
            self.randomness,
        )

    @property
    def _takers(self) -> Mapping[FactorName, TakesKeys]:
        return {name: one for name, one in self.factors.items() if isinstance(one, TakesKeys)}

    @cached_property
    def imports(self) -> Imports:
        """Taking over TOTP keys that were made elsewhere."""
        return Imports(
            directory=self.watched,
            credentials=self.watched,
            audit=self.audit,
            outbox=self.outbox,
            takers=self._takers,
            factor=TOTP,
            label=self.settings.totp.issuer,
            clock=self.clock,
            randomness=self.randomness,
        )

    @cached_property
    def hardware_tokens(self) -> HardwareTokens:
        """Tokens whose clocks have gone off."""
        return HardwareTokens(
            self.helpdesk, self.store, self.throttle, self._takers, self.checked_clock
        )

    @cached_property
    def token_stock(self) -> TokenStock | None:
        """Hardware tokens that nobody has yet, where settings name an entry for them."""
        login = self.settings.desk.token_stock
        return TokenStock(self.helpdesk, login, TOTP, self._takers[TOTP]) if login else None

    @cached_property
    def callers(self) -> Callers:
        """Who calls the desk."""
        return Callers(self.store, self.throttle, self.checked_clock, self.randomness)

    @cached_property
    def desk(self) -> Desk:
        """What staff may do on pages: by warrants, with proof of who calls."""
        return Desk(
            self.helpdesk,
            Mending(
                self.helpdesk,
                self.sessions,
                self.reissue_addresses,
                TokenActs(self.token_stock, self.hardware_tokens),
                self.settings.passcodes.life,
            ),
            self.callers,
            Proposals(self.store, self.checked_clock, self.randomness),
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
