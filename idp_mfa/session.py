"""What is verified, when, and for how long: the session after a sign-in.

A session keeps verifications with their times and no level; each answer is judged anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from idp_mfa.model import (
    PASSWORD,
    Account,
    Clock,
    Page,
    Randomness,
    ServiceId,
    User,
    UserId,
    Verification,
)
from idp_mfa.ports import StateStore
from idp_mfa.stored import (
    user_from_json,
    user_to_json,
    verifications_from_json,
    verifications_to_json,
)

_FORMAT = 1
_MOST_LISTED = 20
_SWAPS = 4


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session may idle and live (NIST SP 800-63B-4 2.2.3)."""

    idle: timedelta = timedelta(hours=1)
    absolute: timedelta = timedelta(hours=12)
    shared_idle: timedelta = timedelta(minutes=10)
    shared_absolute: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's session: ``handle`` finds it, only the cookie's second half proves it."""

    handle: str
    secret_hash: str
    user: User
    verified: tuple[Verification, ...]
    began_at: datetime
    seen_at: datetime
    shared_computer: bool


def ends_at(session: Session, limits: SessionLimits) -> datetime:
    """The moment at which it ends unless it is used before."""
    idle = limits.shared_idle if session.shared_computer else limits.idle
    absolute = limits.shared_absolute if session.shared_computer else limits.absolute
    return min(session.seen_at + idle, session.began_at + absolute)


def counting(verified: tuple[Verification, ...], account: Account) -> tuple[Verification, ...]:
    """What of it still counts, as the directory stands now.

    A password changed since then voids all of it; a credential that is no longer active takes its
    own verification along, at the next request on every node.
    """
    changed = account.standing.password_changed_at
    if changed is not None and any(
        done.factor == PASSWORD and done.at < changed for done in verified
    ):
        return ()
    active = {credential.id for credential in account.credentials.active}
    return tuple(
        done for done in verified if done.credential_id is None or done.credential_id in active
    )


def carried(verified: tuple[Verification, ...], page: Page) -> tuple[Verification, ...]:
    """What of it another sign-in may build on: a code of no kind lets one go on, and no other."""
    if page is not Page.SIGN_IN:
        return verified
    return tuple(done for done in verified if done.kinds)


def answers_for(verified: tuple[Verification, ...], fresh_after: datetime | None) -> bool:
    """Whether it says who somebody is, or the password has to be asked again: it is too old."""
    if fresh_after is None:
        return True
    fresh = {done.factor for done in verified if done.at >= fresh_after}
    return bool(fresh) and (PASSWORD in fresh or all(done.factor != PASSWORD for done in verified))


def merged(
    before: tuple[Verification, ...], now: tuple[Verification, ...]
) -> tuple[Verification, ...]:
    """The latest verification of each credential, oldest first; nothing is made newer."""
    latest: dict[tuple[str, str | None], Verification] = {}
    for done in sorted((*before, *now), key=lambda one: one.at):
        latest[done.factor, done.credential_id] = done
    return tuple(sorted(latest.values(), key=lambda one: one.at))


class Sessions:
    """Sessions in the store, found by a cookie of two halves.

    The handle stays for the session's life, so that a service can end it; the secret half is new
    at every rise of assurance, and the old cookie is dead in the same act.
    """

    def __init__(
        self, store: StateStore, clock: Clock, randomness: Randomness, limits: SessionLimits
    ) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._limits = limits

    def open(self, cookie: str | None) -> Session | None:
        """The live session of a cookie; None for none, an expired or a forged one."""
        found = self._found(cookie)
        if found is None:
            return None
        session, stored = found
        now = self._clock()
        if now >= ends_at(session, self._limits):
            self._store.take(_key(session.handle))
            return None
        # Written once a minute at most: a page view must not cost a write.
        if now - session.seen_at >= timedelta(minutes=1):
            seen = replace(session, seen_at=now)
            self._store.swap(_key(session.handle), stored, _encode(seen), self._ttl(seen))
            return seen
        return session

    def establish(
        self,
        cookie: str | None,
        user: User,
        verified: tuple[Verification, ...],
        *,
        shared_computer: bool,
    ) -> tuple[Session, str]:
        """The session that holds these verifications, and its cookie's value.

        The same user's session rises in place with a new secret; another user's session in the
        same browser is ended, never mixed.
        """
        found = self._found(cookie)
        now = self._clock()
        if found is not None and cookie is not None:
            session, stored = found
            if session.user.id == user.id and now < ends_at(session, self._limits):
                together = merged(session.verified, verified)
                if together == session.verified:
                    return session, cookie
                secret = self._token(24)
                risen = replace(
                    session,
                    user=user,
                    verified=together,
                    seen_at=now,
                    secret_hash=_hash(secret),
                    shared_computer=session.shared_computer or shared_computer,
                )
                if self._store.swap(_key(session.handle), stored, _encode(risen), self._ttl(risen)):
                    return risen, f"{session.handle}.{secret}"
            else:
                self._store.take(_key(session.handle))
        handle, secret = self._token(16), self._token(24)
        session = Session(
            handle, _hash(secret), user, merged((), verified), now, now, shared_computer
        )
        self._store.put(_key(handle), _encode(session), self._ttl(session))
        self._listed(session)
        return session, f"{handle}.{secret}"

    def of(self, user_id: UserId) -> tuple[Session, ...]:
        """All live sessions of somebody, the newest first."""
        kept = self._store.get(_list_key(user_id))
        found = [] if kept is None else [self._live(handle) for handle in json.loads(kept)]
        return tuple(one for one in found if one is not None)

    def end_one(self, session: Session) -> None:
        """Kill a session that was found in the list, on every node at once."""
        self._store.take(_key(session.handle))

    def lives(self, handle: str) -> bool:
        """Whether a session was neither ended nor ran out."""
        return self._live(handle) is not None

    def end(self, cookie: str | None) -> Session | None:
        """Kill the session of this cookie; what was killed, for the record."""
        found = self._found(cookie)
        if found is None:
            return None
        self._store.take(_key(found[0].handle))
        return found[0]

    def index(self, session: Session, service: ServiceId) -> str:
        """The name of this session at one service, by which that service can end it."""
        name = "_" + _hash(f"index {session.handle} {service}")[:40]
        lifetime = session.began_at + self._limits.absolute - self._clock()
        self._store.put(f"index:{name}", session.handle.encode(), lifetime)
        return name

    def end_by_index(self, name: str) -> Session | None:
        """Kill the session that a service names; what was killed, for the record."""
        if not name.isascii():
            return None
        handle = self._store.take(f"index:{name}")
        stored = None if handle is None else self._store.take(_key(handle.decode()))
        return None if stored is None else _decode(stored)

    def _live(self, handle: str) -> Session | None:
        stored = self._store.get(_key(handle))
        session = None if stored is None else _decode(stored)
        lives = session is not None and self._clock() < ends_at(session, self._limits)
        return session if lives else None

    def _listed(self, session: Session) -> None:
        """So that its owner finds it; a race that is lost again and again hides one for a while."""
        key, life = _list_key(session.user.id), self._limits.absolute
        for _ in range(_SWAPS):
            kept = self._store.get(key)
            before = [] if kept is None else json.loads(kept)
            after = json.dumps([session.handle, *before][:_MOST_LISTED]).encode()
            if kept is None:
                self._store.put(key, after, life)
                return
            if self._store.swap(key, kept, after, life):
                return

    def _found(self, cookie: str | None) -> tuple[Session, bytes] | None:
        handle, _, secret = (cookie or "").partition(".")
        if not secret or not cookie or not cookie.isascii() or len(cookie) > 128:
            return None
        stored = self._store.get(_key(handle))
        session = None if stored is None else _decode(stored)
        if stored is None or session is None:
            return None
        if not hmac.compare_digest(session.secret_hash, _hash(secret)):
            return None
        return session, stored

    def _ttl(self, session: Session) -> timedelta:
        return max(ends_at(session, self._limits) - self._clock(), timedelta(seconds=1))

    def _token(self, length: int) -> str:
        return base64.urlsafe_b64encode(self._randomness(length)).rstrip(b"=").decode()


def name_of(session: Session) -> str:
    """By which a page names it: no part of its cookie."""
    return _hash(f"name {session.handle}")[:16]


def _list_key(user_id: UserId) -> str:
    return f"sessions:{_hash(user_id)}"


def _key(handle: str) -> str:
    # Hashed, so that a listing of the store's keys holds no half of a cookie.
    return f"session:{_hash(handle)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _encode(session: Session) -> bytes:
    return json.dumps(
        {
            "v": _FORMAT,
            "handle": session.handle,
            "secret_hash": session.secret_hash,
            "user": user_to_json(session.user),
            "verified": verifications_to_json(session.verified),
            "began_at": session.began_at.isoformat(),
            "seen_at": session.seen_at.isoformat(),
            "shared": session.shared_computer,
        }
    ).encode()


def _decode(stored: bytes) -> Session | None:
    value = json.loads(stored)
    if value.get("v") != _FORMAT:
        return None
    return Session(
        value["handle"],
        value["secret_hash"],
        user_from_json(value["user"]),
        verifications_from_json(value["verified"]),
        datetime.fromisoformat(value["began_at"]),
        datetime.fromisoformat(value["seen_at"]),
        value["shared"],
    )
