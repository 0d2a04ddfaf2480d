"""A registry in memory, for tests and single processes."""

from __future__ import annotations

from collections.abc import Mapping

from idp_mfa.model import ServiceId
from idp_mfa.ports import ChangeAnswer, Registration, Registrations


class MemoryRegistry:
    """``ServiceRegistry`` without a store."""

    def __init__(self) -> None:
        self._registrations = Registrations(0, {})

    def current(self) -> Registrations:
        """What is in force."""
        return self._registrations

    def change(self, read: Registrations, after: Mapping[ServiceId, Registration]) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        if read is not self._registrations:
            return ChangeAnswer.LOST_RACE
        self._registrations = Registrations(read.version + 1, dict(after))
        return ChangeAnswer.DONE
