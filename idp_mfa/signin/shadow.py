"""A policy that is tried beside the one in force: where it differs is put on record, no more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.model import Clock, Randomness, Reference, Seen
from idp_mfa.policy.cases import told
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Decision, Facts, Policy
from idp_mfa.policy.record import VERSION_LETTERS
from idp_mfa.policy.zones import locate
from idp_mfa.ports import AuditLog

_LOG = logging.getLogger("idp_mfa")


def no_shadow() -> None:
    """Nothing is tried."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One more pure decision, that nobody waits for and nothing follows from."""

    shadow: Callable[[], Policy | None]
    audit: AuditLog
    clock: Clock
    randomness: Randomness

    def compare(
        self, decided: Decision, facts: Facts, seen: Seen, reference: Reference | None
    ) -> None:
        """Judge the same by the shadow; without a reference the line has one of its own."""
        try:
            shadow = self.shadow()
            if shadow is not None:
                self._compare(shadow, decided, facts, seen, reference)
        except Exception:
            # Whatever it is: a policy that is only tried keeps nobody out.
            _LOG.exception("the shadow of the policy failed, and decides nothing")

    def _compare(
        self,
        shadow: Policy,
        decided: Decision,
        facts: Facts,
        seen: Seen,
        reference: Reference | None,
    ) -> None:
        zone = locate(shadow, seen.address, facts.at)
        otherwise = decide(shadow, replace(facts, zone=zone)).decision
        if told(otherwise) == told(decided):
            return
        self.audit.record(
            AuditRecord(
                self.clock(),
                AuditEvent.POLICY_SHADOW_DIFFERS,
                reference or new_reference(self.randomness),
                facts.user.id,
                facts.service,
                seen,
                detail={
                    "page": facts.page.value,
                    "decided": told(decided),
                    "rule": decided.because.rule,
                    "shadow": told(otherwise),
                    "shadow_rule": otherwise.because.rule,
                    "shadow_policy": shadow.version[:VERSION_LETTERS],
                },
            )
        )
