"""Browsers that completed a sign-in with two kinds of factor: their owners' way past a lock.

A known browser is no factor and makes no decision laxer; it only has limits of its own, so that
strangers who exhaust a user's budgets do not keep the user out (OWASP, device cookies).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import timedelta

from idp_mfa.model import Randomness, UserId
from idp_mfa.ports import StateStore

_MOST_DEVICES = 5
_MOST_PEOPLE = 3
"""People whose browser one cookie may be known for: a couple's tablet, not a library's computer."""


@dataclass(frozen=True, slots=True)
class Devices:
    """``key`` is a secret of 32 bytes or more; what it makes tells nothing about a person."""

    store: StateStore
    randomness: Randomness
    key: bytes = field(repr=False)
    life: timedelta = timedelta(days=180)

    def known(self, user_id: UserId, cookie: str | None) -> str | None:
        """The name of this browser if this user's factors were shown in it, and it was not
        forgotten since; the store is asked only about a cookie that we made for this user.
        """
        device = self._named(user_id, cookie)
        return device if device is not None and device in self.of(user_id) else None

    def of(self, user_id: UserId) -> tuple[str, ...]:
        """The user's known browsers, oldest first."""
        stored = self.store.get(self._key(user_id))
        return () if stored is None else tuple(json.loads(stored))

    def remember(self, user_id: UserId, cookie: str | None) -> str:
        """The cookie's new value; of too many browsers the oldest is forgotten."""
        device = base64.urlsafe_b64encode(self.randomness(18)).decode()
        key = self._key(user_id)
        stored = self.store.get(key)
        before = [] if stored is None else json.loads(stored)
        after = json.dumps([*before, device][-_MOST_DEVICES:]).encode()
        if stored is None or not self.store.swap(key, stored, after, self.life):
            # Two browsers at once: the one that is lost is merely not known yet.
            self.store.put(key, after, self.life)
        others = [one for one in _parts(cookie) if self._named(user_id, one) is None]
        return "~".join([*others[-_MOST_PEOPLE + 1 :], f"{device}.{self._mac(user_id, device)}"])

    def forget_all(self, user_id: UserId) -> None:
        """None of the user's browsers is known any more."""
        self.store.take(self._key(user_id))

    def _named(self, user_id: UserId, cookie: str | None) -> str | None:
        for part in _parts(cookie):
            device, _, mac = part.partition(".")
            if hmac.compare_digest(mac, self._mac(user_id, device)):
                return device
        return None

    def _key(self, user_id: UserId) -> str:
        return f"devices:{self._mac(user_id, '')}"

    def _mac(self, user_id: UserId, device: str) -> str:
        message = f"device\0{user_id}\0{device}".encode()
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()


def _parts(cookie: str | None) -> list[str]:
    if not cookie or len(cookie) > 1024 or not cookie.isascii():
        return []
    return cookie.split("~")[:_MOST_PEOPLE]
