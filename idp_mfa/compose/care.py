"""Looking after the parts: which are there, what is counted, which policy decides."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from idp_mfa.policy.in_force import SHOWN, Origin
from idp_mfa.ports import Unavailable

if TYPE_CHECKING:
    from idp_mfa.metrics import Facts, KeyFacts, Metrics, StoreMemory

from idp_mfa.compose.reading import usable
from idp_mfa.compose.use_cases import UseCases

_LOG = logging.getLogger("idp_mfa")
T = TypeVar("T")


class Care(UseCases):
    """What the health page, the metrics and the start of the server ask."""

    def counted(self) -> Metrics:
        """Begin to count; before the first other part is asked for."""
        # The library decides at its import whether it counts for one process or for many.
        from idp_mfa.metrics import Metrics

        self.metrics = Metrics(self.factors, self._facts, self.clock, time.monotonic)
        return self.metrics

    def look_at_policy(self) -> None:
        """Say which one decides; ``NotComposed`` if the settings' file has to, and cannot be used.

        While the store is away nobody can say whether it has to: it must be well then, too.
        """
        try:
            found, file = self.in_force(), self.policy_in_force.overlooked()
        except Unavailable:
            usable(self.policy_in_force.of_settings())
            return
        if found.origin is Origin.BUILT_IN:
            _LOG.error("the built-in policy decides, strictest of all: %s", found.trouble)
        if found.version is not None and file is not None:
            number, path = found.version.number, file.path
            _LOG.warning("version %d of the policy decides, not the text in %s", number, path)

    def pings(self) -> Mapping[str, Callable[[], None]]:
        """Each part that sign-ins need, and how it raises ``Unavailable`` when it is not there."""
        return {
            "directory": self.directory.ping,
            "store": self.store.ping,
            "audit": self.audit.ping,
            "keys": self.ping_keys,
            "clock": self.ping_clock,
        }

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
            letters=_or(None, self.outbox.waiting),
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
