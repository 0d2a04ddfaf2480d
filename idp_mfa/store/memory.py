"""The store in this process's memory, for tests and single processes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from idp_mfa.model import Clock
from idp_mfa.ports import Bucket, Budget, Reservation, Throttled, Unavailable, Window
from idp_mfa.store import LARGEST, milliseconds, sound

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Kept:
    value: bytes
    until: int


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a budget would hold after one more try, or from when it allows one."""

    kept: _Kept
    left: int
    free_at: int


class MemoryStore:
    """Every verb under one lock; times are milliseconds of the clock handed in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """Set, whatever was there."""
        with self._lock:
            self._set(key, value, ttl)

    def get(self, key: str) -> bytes | None:
        """Look, changing nothing."""
        with self._lock:
            return self._get(key)

    def swap(self, key: str, old: bytes, new: bytes, ttl: timedelta) -> bool:
        """Set to ``new`` if it still is ``old``."""
        with self._lock:
            if self._get(key) != old:
                return False
            self._set(key, new, ttl)
            return True

    def take(self, key: str) -> bytes | None:
        """Get and delete in one act."""
        with self._lock:
            value = self._get(key)
            self._kept.pop(key, None)
            return value

    def once(self, key: str, ttl: timedelta) -> bool:
        """True for the first caller within ``ttl`` only."""
        with self._lock:
            if self._get(key) is not None:
                return False
            self._set(key, b"1", ttl)
            return True

    def raise_to(
        self, key: str, number: int, ttl: timedelta, *, step: timedelta | None = None
    ) -> bool:
        """True if what was there is lower or nothing; it now is ``number``.

        Nothing is lost here but with the process itself.
        """
        del step
        if not 0 <= number <= LARGEST:
            raise ValueError("a number to raise to must be between 0 and 2**53 - 1")
        with self._lock:
            value = self._get(key)
            if value is not None and _number(value) >= number:
                return False
            self._set(key, b"%d" % number, ttl)
            return True

    def reserve(self, budgets: Sequence[Budget]) -> Reservation | Throttled:
        """One try from every budget in one act, or from none."""
        with self._lock:
            now = self._now()
            spent = {budget: self._spend(budget, now) for budget in sound(budgets)}
            latest = max(budgets, key=lambda budget: spent[budget].free_at)
            if spent[latest].free_at > now:
                return Throttled(EPOCH + timedelta(milliseconds=spent[latest].free_at), latest)
            self._kept.update({budget.key: spent[budget].kept for budget in budgets})
            return Reservation(tuple(budgets), min(each.left for each in spent.values()))

    def refund(self, reservation: Reservation, cleared: Sequence[Budget] = ()) -> None:
        """Give one try back to each budget, and forget what was spent of others."""
        with self._lock:
            now = self._now()
            for budget in reservation.budgets:
                value = self._get(budget.key)
                if value is None:
                    continue
                number = _number(value)
                match budget:
                    case Window():
                        kept = self._kept[budget.key]
                        self._kept[budget.key] = _Kept(b"%d" % max(number - 1, 0), kept.until)
                    case Bucket(_, _, refill):
                        full_at = number - milliseconds(refill)
                        self._kept[budget.key] = _Kept(b"%d" % max(full_at, now), full_at)
            for budget in cleared:
                self._kept.pop(budget.key, None)

    def clear(self, budgets: Sequence[Budget]) -> None:
        """Forget what was spent."""
        with self._lock:
            for budget in budgets:
                self._kept.pop(budget.key, None)

    def ping(self) -> None:
        """Nothing: memory is always there."""

    def _spend(self, budget: Budget, now: int) -> _Spent:
        value = self._get(budget.key)
        number = 0 if value is None else _number(value)
        match budget:
            case Window(key, limit, span):
                until = now + milliseconds(span) if value is None else self._kept[key].until
                return _Spent(
                    kept=_Kept(b"%d" % (number + 1), until),
                    left=limit - number - 1,
                    free_at=now if number < limit else until,
                )
            case Bucket(_, burst, refill):
                step = milliseconds(refill)
                full_at = min(max(number, now), now + burst * step) + step
                return _Spent(
                    kept=_Kept(b"%d" % full_at, full_at),
                    left=(now + burst * step - full_at) // step,
                    free_at=max(full_at - burst * step, now),
                )

    def _now(self) -> int:
        return (self._clock() - EPOCH) // timedelta(milliseconds=1)

    def _get(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._now():
            del self._kept[key]
            return None
        return kept.value

    def _set(self, key: str, value: bytes, ttl: timedelta) -> None:
        self._kept[key] = _Kept(value, self._now() + milliseconds(ttl))


def _number(value: bytes) -> int:
    if not value.isdigit():
        raise Unavailable("store", "a counter holds no number")
    return int(value)
