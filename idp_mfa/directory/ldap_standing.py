"""What directory servers say of an account's standing, in their several tongues."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from idp_mfa.directory.options import STANDING, LdapKind, LdapOptions
from idp_mfa.model import AccountState, Standing
from idp_mfa.ports import Unavailable

_GENERALIZED_TIME = re.compile(
    r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?(?:[.,](\d+))?(Z|[+-]\d\d(?:\d\d)?)", re.ASCII
)
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_FILETIME_NEVER = 0x7FFF_FFFF_FFFF_FFFF
_AD_DISABLED = 0x2
_AD_LOCKED = 0x10
_AD_PASSWORD_EXPIRED = 0x80_0000
_UNTIL_AN_ADMINISTRATOR = "0000"
"""The year in which such a lock began (draft-behera-ldap-password-policy 5.3.3)."""

Values = Mapping[str, str]
"""The first value of each attribute that a kind looks at, by role."""


@dataclass(frozen=True, slots=True)
class StandingReader:
    """Which attributes to ask for, by role, and how to read them."""

    names: Mapping[str, str]
    judge: Callable[[Values, datetime, timedelta], Standing]
    lockout: timedelta

    def read(self, values: Values, now: datetime) -> Standing:
        """The standing at a moment; ``Unavailable`` for a value that is not what it should be."""
        try:
            return self.judge(values, now, self.lockout)
        except (ValueError, OverflowError):
            raise Unavailable("directory", "an account's standing cannot be read") from None


def standing_reader(options: LdapOptions) -> StandingReader:
    """The reader for a kind of server, with the site's own attribute names."""
    names = {**STANDING[options.kind], **options.standing_attributes}
    return StandingReader(
        {role: name for role, name in names.items() if name},
        _JUDGES[options.kind],
        options.lockout_duration,
    )


def generalized_time(text: str) -> datetime:
    """An LDAP GeneralizedTime (RFC 4517 3.3.13) in UTC; ``ValueError`` for anything else."""
    found = _GENERALIZED_TIME.fullmatch(text)
    if found is None:
        raise ValueError("no GeneralizedTime")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    # A leap second is the last moment of its minute to datetime.
    whole = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute or 0),
        min(int(second or 0), 59),
        tzinfo=_zone(zone),
    )
    unit = timedelta(seconds=1) if second else timedelta(minutes=1)
    if minute is None:
        unit = timedelta(hours=1)
    return (whole + unit * float(f"0.{fraction or 0}")).astimezone(UTC)


def filetime(text: str) -> datetime | None:
    """A count of 100 ns since 1601 (Active Directory); None where it means "never"."""
    count = int(text)
    if count in (0, _FILETIME_NEVER):
        return None
    return _FILETIME_EPOCH + timedelta(microseconds=count // 10)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5] or 0))
    return timezone(-offset if text[0] == "-" else offset)


def _time(values: Values, role: str) -> datetime | None:
    text = values.get(role)
    return None if text is None else generalized_time(text)


def _openldap(values: Values, now: datetime, lockout: timedelta) -> Standing:
    """The password policy overlay's attributes, and the shadow account's day of expiry."""
    changed = _time(values, "password_changed_at")
    begins, ends = _time(values, "begins_at"), _time(values, "ends_at")
    expires = values.get("expires_on_day")
    if begins is not None and now < begins:
        return Standing(AccountState.DISABLED, changed)
    if ends is not None and now >= ends:
        return Standing(AccountState.EXPIRED, changed)
    if expires is not None and int(expires) >= 0 and now.timestamp() // 86400 >= int(expires):
        return Standing(AccountState.EXPIRED, changed)
    locked = values.get("locked_at")
    if locked is not None and (
        locked.startswith(_UNTIL_AN_ADMINISTRATOR)
        or not lockout
        or now < generalized_time(locked) + lockout
    ):
        return Standing(AccountState.LOCKED, changed)
    return Standing(AccountState.ACTIVE, changed)


def _ds389(values: Values, now: datetime, _lockout: timedelta) -> Standing:
    """389 Directory Server: 1970 is "until an administrator", and for a password "change it"."""
    changed = _time(values, "password_changed_at")
    if values.get("disabled", "").casefold() == "true":
        return Standing(AccountState.DISABLED, changed)
    unlock = _time(values, "unlocks_at")
    if unlock is not None and (unlock.timestamp() == 0 or now < unlock):
        return Standing(AccountState.LOCKED, changed)
    expires = _time(values, "password_expires_at")
    if expires is not None and now >= expires:
        return Standing(AccountState.EXPIRED, changed)
    return Standing(AccountState.ACTIVE, changed)


def _ad(values: Values, now: datetime, _lockout: timedelta) -> Standing:
    """Active Directory; a password set at 0 has to be changed before the next sign-in."""
    changed = filetime(values.get("password_changed_at", "0"))
    flags = int(values.get("control", "0")) | int(values.get("computed_control", "0"))
    expires = filetime(values.get("expires_at", "0"))
    if flags & _AD_DISABLED:
        return Standing(AccountState.DISABLED, changed)
    if flags & _AD_LOCKED:
        return Standing(AccountState.LOCKED, changed)
    if (
        flags & _AD_PASSWORD_EXPIRED
        or (expires is not None and now >= expires)
        or values.get("password_changed_at") == "0"
    ):
        return Standing(AccountState.EXPIRED, changed)
    return Standing(AccountState.ACTIVE, changed)


_JUDGES: Mapping[LdapKind, Callable[[Values, datetime, timedelta], Standing]] = {
    "openldap": _openldap,
    "389ds": _ds389,
    "ad": _ad,
}
