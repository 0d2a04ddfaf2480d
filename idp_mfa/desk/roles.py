"""Who of the staff may see and do what, for whom: the one place that looks at a role.

A page is handed a ``Member``, that hands out a ``Case``, and that holds one ``Warrant`` for each
act that this member may do for this person. Whoever holds no warrant has nothing to call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from idp_mfa.model import Account, User


class Act(Enum):
    """What the desk can do for a person."""

    UNLOCK = "unlock"
    END_SESSIONS = "end-sessions"
    DISABLE = "disable"
    ENABLE = "enable"
    RESET = "reset"
    UNDO_RESET = "undo-reset"
    PASSCODE = "passcode"
    ENROL = "enrol"
    ASSIGN = "assign"
    RESYNCHRONISE = "resynchronise"
    ADDRESS = "address"

    @property
    def opens(self) -> bool:
        """Whether somebody could get in by it who could not before: it must be known who calls."""
        return self not in _CLOSING

    @property
    def takes_two(self) -> bool:
        """Whether a second of the staff is asked for, whoever it is done for."""
        return self is Act.ADDRESS


_CLOSING = frozenset({Act.UNLOCK, Act.END_SESSIONS, Act.DISABLE})


class Role(Enum):
    """What a group of the directory can give to its members."""

    DESK = "desk"
    IDENTITY_ADMIN = "identity-admin"
    AUDITOR = "auditor"

    @property
    def acts(self) -> frozenset[Act]:
        """What comes with it, unless a grant names fewer; an auditor looks and does nothing."""
        return frozenset() if self is Role.AUDITOR else frozenset(Act)


@dataclass(frozen=True, slots=True)
class Grant:
    """What members of a group may do, and for whom.

    ``within`` names attributes (an OU, an affiliation) with the values of which a person must have
    one each; empty means everybody. ``acts`` None means all of the role.
    """

    role: Role
    group: str
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    acts: tuple[Act, ...] | None = None

    def reaches(self, person: Account) -> bool:
        """Whether a person is one of those whom it is for."""
        return all(
            {value.casefold() for value in values}
            & {value.casefold() for value in person.attributes.get(name, ())}
            for name, values in self.within.items()
        )

    @property
    def may(self) -> frozenset[Act]:
        """The acts that it gives: never more than its role."""
        return self.role.acts if self.acts is None else self.role.acts & frozenset(self.acts)


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """``roles`` by group; for ``protected_groups``, and all who have a role, two of staff act.

    ``token_stock`` is the login of the entry that holds hardware tokens, "" where there is none: it
    is nobody, and no case of anybody's.
    """

    roles: tuple[Grant, ...] = ()
    protected_groups: tuple[str, ...] = ()
    token_stock: str = ""

    @property
    def attributes(self) -> frozenset[str]:
        """What has to be read of people so that grants can be told."""
        return frozenset(name for grant in self.roles for name in grant.within)

    def is_stock(self, account: Account) -> bool:
        """Whether this is the entry of the stock, and no person."""
        return bool(self.token_stock) and account.user.login.casefold() == (
            self.token_stock.casefold()
        )

    def is_protected(self, person: Account) -> bool:
        """Whether what one of the staff does for this person takes another one."""
        groups = {*self.protected_groups, *(grant.group for grant in self.roles)}
        return bool(groups & person.groups)


@dataclass(frozen=True, slots=True)
class Warrant:
    """Leave for one act for one person; ``takes_two``: somebody else of the staff must agree."""

    staff: User
    person: Account
    act: Act
    takes_two: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One person as one member of the staff may see them, and what may be done."""

    person: Account
    warrants: Mapping[Act, Warrant]


@dataclass(frozen=True, slots=True)
class Member:
    """One of the staff, with what their groups give them."""

    user: User
    options: DeskOptions
    grants: tuple[Grant, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """In the order of the list, for the page's head."""
        held = {grant.role for grant in self.grants}
        return tuple(role for role in Role if role in held)

    def case(self, person: Account) -> Case | None:
        """What may be seen and done; None for somebody who is not this member's to look at.

        Nobody acts for themselves: what they may do of their own stands in the portal.
        """
        reaching = [grant for grant in self.grants if grant.reaches(person)]
        if not reaching or self.options.is_stock(person):
            return None
        acts: frozenset[Act] = frozenset().union(*(grant.may for grant in reaching))
        if person.user.id == self.user.id:
            acts = frozenset()
        protected = self.options.is_protected(person)
        return Case(
            person,
            {
                act: Warrant(self.user, person, act, protected or act.takes_two)
                for act in Act
                if act in acts
            },
        )

    def may_read(self, people: Iterable[Account]) -> bool:
        """Whether a story of these people may be told to this member."""
        return all(any(grant.reaches(one) for grant in self.grants) for one in people)


def member(account: Account, options: DeskOptions) -> Member | None:
    """Somebody as one of the staff; None for everybody else."""
    grants = tuple(grant for grant in options.roles if grant.group in account.groups)
    return Member(account.user, options, grants) if grants else None
