"""The registered services of a site with several nodes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from idp_mfa.model import Clock, ServiceId
from idp_mfa.ports import ChangeAnswer, Registration, Registrations, StateStore
from idp_mfa.registry.document import decode, encode
from idp_mfa.registry.numbered import Form, NumberedDocument

_LOOK_EVERY = timedelta(seconds=1)


class SharedRegistry:
    """``ServiceRegistry`` in the store, with ``copy`` as this node's last good one."""

    def __init__(self, store: StateStore, copy: Path, clock: Clock) -> None:
        form = Form(
            name="registry",
            empty=Registrations(0, {}),
            number=lambda registrations: registrations.version,
            encode=encode,
            decode=decode,
            fit=lambda _: True,
        )
        self._document = NumberedDocument(form, store, copy, clock, _LOOK_EVERY)

    def current(self) -> Registrations:
        """What is in force, looked at once a second at most; the last good one meanwhile."""
        return self._document.current()

    def change(self, read: Registrations, after: Mapping[ServiceId, Registration]) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        return self._document.change(read, Registrations(read.version + 1, dict(after)))
