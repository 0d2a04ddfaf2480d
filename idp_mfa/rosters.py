"""Lists of people whose factors somebody should look at, out of all accounts (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from idp_mfa.model import (
    NOT_FACTORS,
    Account,
    AccountState,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    UserId,
)


class Roster(Enum):
    """Which people are listed."""

    WITHOUT_FACTOR = "without-factor"
    """Nobody ever bound one (rule 2)."""
    KNOWLEDGE_ONLY = "knowledge-only"
    """All that signs them in is of the password's own kind, such as the image matrix."""
    ONE_DEVICE = "one-device"
    """One factor alone signs them in: if it is lost, they are."""
    DISABLED = "disabled"
    """A factor was disabled or suspended."""
    UNFINISHED = "unfinished"
    """A set-up was begun and not finished, and nothing else signs them in."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person of a list; ``since`` is when what it is about began, where that is known.

    ``factors`` are each kind and state of record that there is, once.
    """

    id: UserId
    login: str
    name: str
    groups: tuple[str, ...]
    factors: tuple[tuple[FactorName, CredentialState], ...]
    since: datetime | None

    @property
    def names(self) -> tuple[str, ...]:
        """The factors and states by their stable names, for files and the console."""
        return tuple(f"{factor} ({state.value})" for factor, state in self.factors)


def listed(
    accounts: Iterable[Account],
    roster: Roster,
    group: str | None,
    kinds: Mapping[FactorName, frozenset[FactorKind]],
) -> Sequence[Row]:
    """The people of a list, by login; ``kinds`` are what each factor may show at best.

    Accounts that cannot sign in anyhow are left out.
    """
    found = (
        _row(account, roster, kinds)
        for account in accounts
        if account.standing.state in (AccountState.ACTIVE, AccountState.LOCKED)
        and (group is None or group in account.groups)
    )
    return sorted((row for row in found if row is not None), key=lambda row: row.login)


def _row(
    account: Account, roster: Roster, kinds: Mapping[FactorName, frozenset[FactorKind]]
) -> Row | None:
    """Codes of recovery are no factor to rely on: they are of no kind."""
    credentials = account.credentials
    usable = [one for one in credentials.active if kinds.get(one.factor)]
    about: Sequence[Credential] = usable
    match roster:
        case Roster.WITHOUT_FACTOR:
            about, is_listed = (), credentials.has_none
        case Roster.KNOWLEDGE_ONLY:
            only = frozenset({FactorKind.KNOWLEDGE})
            is_listed = bool(usable) and all(kinds[one.factor] == only for one in usable)
        case Roster.ONE_DEVICE:
            is_listed = len(usable) == 1
        case Roster.DISABLED:
            shut = (CredentialState.DISABLED, CredentialState.SUSPENDED)
            about = [one for one in credentials.factors if one.state in shut]
            is_listed = bool(about)
        case Roster.UNFINISHED:
            about = [
                one
                for one in credentials.factors
                if one.state is CredentialState.UNFINISHED and one.factor not in NOT_FACTORS
            ]
            is_listed = bool(about) and not usable
    if not is_listed:
        return None
    return Row(
        account.user.id,
        account.user.login,
        account.user.display_name,
        tuple(sorted(account.groups)),
        tuple(sorted({(one.factor, one.state) for one in credentials.factors}, key=_by_name)),
        max((one.ended_at or one.bound_at for one in about), default=None),
    )


def _by_name(held: tuple[FactorName, CredentialState]) -> tuple[str, str]:
    factor, state = held
    return factor, state.value


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With these a spreadsheet takes a text for a formula, which may do anything (CWE-1236)."""


def safe_cell(text: str) -> str:
    """A text that a spreadsheet shows as it is: behind an apostrophe where it could do more."""
    begins = text.lstrip(" \u3000\u200b\ufeff").startswith(_FORMULA) or text.startswith(
        ("\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    return f"'{text}" if begins else text


COLUMNS = ("login", "name", "groups", "factors", "since")


def table(rows: Iterable[Row]) -> str:
    """The list as CSV (RFC 4180), with a first row of names; every text is quoted."""
    lines = [COLUMNS]
    for row in rows:
        since = "" if row.since is None else row.since.isoformat(timespec="seconds")
        groups, factors = "; ".join(row.groups), "; ".join(row.names)
        lines.append((row.login, row.name, groups, factors, since))
    return "".join(
        ",".join(f'"{safe_cell(cell).replace(chr(34), chr(34) * 2)}"' for cell in line) + "\r\n"
        for line in lines
    )
